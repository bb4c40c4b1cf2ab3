import Foundation
import HostileLoad
import TestSupport
import Testing

/// Short forms of the attacks of .ci/hostile: what other clients ask for is answered while the attack lasts.
///
/// Settings are small so that few connections use them up and little time runs out. Nothing here measures speed: a deadline is one that the
/// attack itself sets, such as the ten seconds for which a hanging host is waited for.
@Suite("Hostile clients", .timeLimit(.minutes(20)))
struct HostileTests {
    @Test(
        "One client cannot stop the others",
        arguments: [
            Scenario.stalledReaders(
                connections: 60, holdSeconds: 3, flags: ["--connections-max", "100"], mediaConnectionsMax: 50, megabytesMax: (100, 60),
                secondsMax: nil),
            .slowReaders(
                imageSides: (3_066, 300), readers: (5, 2), bytesPerSecond: (2_000_000, 1_000_000, 100_000), slowSeconds: 8,
                flags: ["--idle-timeout-seconds", "1", "--write-stall-seconds", "2"]),
            .worstBodies(textBytes: 200_000, imageBytes: 100_000, nanosecondsMax: nil, healthSecondsMax: 10),
            .slowAddresses(creates: 4, seconds: 9, secondsMax: 8), .announcedBodies(seconds: 3, imageSide: 100),
            .idleConnections(connections: 80, tries: 2, secondsMax: 5, flags: ["--connections-max", "40"]),
            .descriptors(descriptorsMax: 100, stalled: 60, idle: 100, seconds: 3, processorShareMax: nil),
            .hangingHosts(seconds: 11, secondsMax: 9), .longHeaders(requests: 2, millisecondsMax: nil),
            .slowUploads([(100, 8_000)], flags: ["--request-read-seconds", "1"]),
        ])
    func scenario(_ scenario: Scenario) async throws {
        try await Stage.run { stage in
            let arena = Arena(
                personas: try BuiltBinary.path(), directory: stage.folder, seed: 1,
                environment: [ProcessWarden.mark.name: ProcessWarden.mark.value],
                onStart: { ProcessWarden.watch(process: $0) })
            let outcome = try await Self.onThread { try scenario.run(arena) }
            for check in outcome.checks { #expect(check.holds, "\(scenario.name), \(outcome.sent): \(check.rule): \(check.seen)") }
            #expect(!outcome.checks.isEmpty)
        }
    }

    /// Attacks block their thread, which must not be one of those that tests share.
    private static func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try body() }) }.start()
        }
    }
}

extension Scenario: CustomTestStringConvertible {
    /// As in the table.
    public var testDescription: String { "\(row) \(name)" }
}
