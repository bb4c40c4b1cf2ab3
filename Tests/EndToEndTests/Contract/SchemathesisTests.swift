import Foundation
import TestSupport
import Testing

/// Schemathesis makes requests of the document, right and wrong ones, and holds every answer to it: all checks, all phases.
///
/// `PERSONAS_SCHEMATHESIS_SECONDS` sets how long it goes on, `PERSONAS_SEED` what it makes up. With `PERSONAS_PLANTED` it has to find faults, too.
@Suite("Schemathesis", .timeLimit(.minutes(60)))
struct SchemathesisTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["PERSONAS_SCHEMATHESIS_SECONDS"].flatMap(Int.init)
    private static let seed = environment["PERSONAS_SEED"].flatMap(UInt32.init) ?? 20_261_121
    /// Seconds that the last round may take, beyond those within which it may begin.
    private static let lastRoundSecondsMax = 240
    /// How often a run may begin again with other requests, because the machine was too slow for the ones before to see enough of the service.
    private static let runsMax = 4

    /// One run, against a service of its own.
    struct Run: Sendable, CustomTestStringConvertible {
        let trainer: String
        let arguments: [String]
        /// The seconds within which it makes up new requests when nobody says how many.
        let secondsUsually: Int
        /// Creates that have to succeed, or the run has seen too little of the service.
        let createsMin: Int

        var testDescription: String { "with the trainer \(trainer)" }
    }

    @Test(
        "Finds nothing",
        arguments: [
            Run(trainer: "embedded", arguments: ["--max-examples", "25"], secondsUsually: 55, createsMin: 20),
            // Jobs wait here until they are leased, so that the links from a lease to its end lead somewhere.
            Run(trainer: "worker", arguments: ["--phases", "stateful", "--max-examples", "25"], secondsUsually: 20, createsMin: 10),
        ])
    func findings(_ run: Run) async throws {
        try await SchemathesisStage.run(trainer: run.trainer) { stage in
            let seconds = Self.seconds ?? run.secondsUsually
            for number in 0..<Self.runsMax {
                let seed = Self.seed &+ UInt32(number)
                let result = try await stage.schemathesis(
                    ["--seed", "\(seed)", "--max-time", "\(seconds)"] + run.arguments,
                    within: .seconds(seconds + Self.lastRoundSecondsMax))
                try #require(result.exit == .status(0), "\(result)")
                let cases = result.output.firstMatch(of: /(\d+) generated/).map { String($0.output.1) } ?? "no"
                let seen = Seen(stage.service.log("request"))
                print(
                    "Schemathesis, trainer \(run.trainer): \(cases) cases within \(seconds) s and one last round, seed \(seed);",
                    "in all \(seen)")
                if seen.isEnough(for: run) { return }
            }
            Issue.record("too few creates succeeded, or no job was completed, for this to prove anything")
        }
    }

    /// What the service was asked for.
    private struct Seen: CustomStringConvertible {
        let requests: Int
        let creates: Int
        let jobsCompleted: Int

        init(_ log: [JSONValue]) {
            requests = log.count
            creates = log.filter { $0["status"] == .integer(201) }.count
            jobsCompleted = log.filter { $0["route"]?.string?.hasSuffix("/complete") == true && $0["status"] == .integer(200) }.count
        }

        var description: String { "\(requests) requests, \(creates) answered with 201, \(jobsCompleted) jobs completed" }

        func isEnough(for run: Run) -> Bool { creates >= run.createsMin && (jobsCompleted > 0 || run.trainer != "worker") }
    }

    @Test("Finds every fault that is planted", .enabled(if: environment["PERSONAS_PLANTED"] != nil), arguments: try Planted.faults())
    func faults(_ fault: String) async throws {
        try await SchemathesisStage.run(trainer: "embedded") { stage in
            let result = try await stage.schemathesis(
                ["--seed", "\(Self.seed)", "--max-examples", "10", "--include-tag", "Personas"], at: try await stage.plant(fault),
                within: .seconds(Self.lastRoundSecondsMax))
            #expect(result.exit == .status(1), "\(result)")
            let checks = Set(result.output.matches(of: /- (ST\d+)\s/).map { String($0.output.1) })
            #expect(!checks.isEmpty, "it ended with something else than a finding")
            print("Schemathesis found \(fault) by \(checks.sorted().joined(separator: ", "))")
        }
    }

    /// The faults of `Tests/Contract/planted.py`.
    private enum Planted {
        static func faults() throws -> [String] {
            try Program.output(try TestTools.path(of: "python"), ["\(TestTools.tests)/Contract/planted.py", "--list"])
                .split(separator: "\n").map(String.init)
        }
    }
}
