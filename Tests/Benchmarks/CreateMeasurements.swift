import Foundation
import Synchronization
import TestSupport

/// Creates one after another against creates on 64 connections.
struct CreateMeasurements {
    private static let connections = 64

    let personas: String
    let store: BenchmarkStore
    let seconds: Int
    let rounds: Int
    let quiet: QuietMachine

    func run(_ report: inout Report) throws {
        let server = try ServerProcess.personas(personas, store: store)
        defer { server.stop() }
        let load = CreateLoad(port: server.port, key: store.key, imageWidth: 141)
        var single: [Double] = []
        var together: [Double] = []
        var created: [String] = []
        var isDisturbed = false
        for round in 1...rounds {
            quiet.wait()
            let (before, processorSeconds) = (ProcessorUse.now, try server.processorSeconds())
            for (connections, isSingle) in [(1, true), (Self.connections, false)] {
                let outcome = try load.creates(connections: connections, seconds: Double(seconds))
                if isSingle { single.append(outcome.rate) } else { together.append(outcome.rate) }
                created += outcome.ids
                server.emptyLog()
            }
            let own = try server.processorSeconds() - processorSeconds
            if !ProcessorUse.now.foreign(since: before, own: own).isQuiet { isDisturbed = true }
            Console.note("Creates, round \(round) of \(rounds): \(Report.number(single.last ?? 0)), \(Report.number(together.last ?? 0))")
        }
        // Not between the measurements: ext4 is slow to make files for half a minute after many were deleted.
        try load.delete(created)
        report.add("create, 3 × 20 KB, one after another", "\(Report.number(single.median)) creates/s")
        report.add(
            "create, 3 × 20 KB, \(Self.connections) connections", "\(Report.number(together.median)) creates/s",
            value: zip(together, single).map { $0 / $1 }.median, unit: " × one after another", target: .atLeast(5),
            isDisturbed: isDisturbed)
    }
}

/// A number that one thread sets and another gets.
final class ResultBox: Sendable {
    private let value = Mutex<Double?>(nil)

    func set(_ number: Double) { value.withLock { $0 = number } }

    func get() -> Double? { value.withLock { $0 } }
}
