import Foundation
import TestSupport

/// What 10,000 idle connections cost: memory, and the time of others.
struct ConnectionMeasurements {
    private static let connections = 10_000
    /// Descriptors of this process and of the service beyond those of the connections.
    private static let descriptorsBeside = 1_500
    private static let shortConnections = 500

    let personas: String
    let store: BenchmarkStore
    let rounds: Int
    let quiet: QuietMachine

    /// What the connections did before they were idle.
    private enum Past: String, CaseIterable {
        case nothing = "without a request"
        case read = "after a read"
        case search = "after a search"

        /// What each asks for.
        func path(_ id: String) -> String? {
            switch self {
            case .nothing: nil
            case .read: "/v2/personas/\(id)"
            case .search: "/v2/personas?limit=1&q=item"
            }
        }
    }

    func run(_ report: inout Report) throws {
        let limit = Descriptors.raise()
        guard limit >= Self.connections + Self.descriptorsBeside else {
            let needed = Self.connections + Self.descriptorsBeside
            throw MeasurementFailed("\(Self.connections) connections need \(needed) descriptors, and \(limit) are allowed (ulimit -n)")
        }
        for past in Past.allCases { try measure(past, &report) }
    }

    private func measure(_ past: Past, _ report: inout Report) throws {
        quiet.wait()
        // Silence is cut off in a minute, and a connection that never said anything in ten seconds: too soon to look at them.
        let patience = ["first-request-seconds", "idle-timeout-seconds"].flatMap { ["--\($0)", "3600"] }
        let server = try ServerProcess.personas(personas, store: store, flags: patience)
        defer { server.stop() }
        guard let id = try store.personaIDs(atMost: 1).first else { throw MeasurementFailed("the store is empty") }
        let paths = ["/v2/personas/\(id)"]
        let reads = SequentialReads(key: store.key, seconds: 1)
        _ = try reads.run(server, paths: paths)
        _ = try shortConnectionMicroseconds(server, paths[0])
        usleep(500_000)
        let before = (
            bytes: try server.memoryBytes("VmRSS"), reads: try (0..<rounds).map { _ in try reads.run(server, paths: paths) },
            short: try shortConnectionMicroseconds(server, paths[0])
        )
        // Two places are left for what is measured beside them.
        var idle: [Connection] = []
        for _ in 0..<Self.connections - 2 {
            let connection = try Connection(port: server.port)
            if let path = past.path(id) {
                let status = try connection.exchange("GET", path, key: store.key).status
                guard status == 200 else { throw MeasurementFailed("an idle connection's request was answered with \(status)") }
            }
            idle.append(connection)
        }
        usleep(500_000)
        let bytes = Double(try server.memoryBytes("VmRSS") - before.bytes) / Double(idle.count)
        report.add(
            "memory of an idle connection", "\(past.rawValue), of \(idle.count)", value: bytes / 1_000, unit: " KB", target: .below(40))
        let after = try (0..<rounds).map { _ in try reads.run(server, paths: paths) }
        let medians = (before.reads.map(\.medianMicroseconds).median, after.map(\.medianMicroseconds).median)
        report.add(
            "item beside them, one after another", "\(Report.number(medians.1)) µs; without them \(Report.number(medians.0)) µs",
            value: medians.1 / medians.0, unit: " × without", target: .atMost(1.2),
            isDisturbed: (before.reads + after).contains(where: \.isDisturbed))
        let short = try shortConnectionMicroseconds(server, paths[0])
        report.add(
            "a short connection beside them", "\(Report.number(short)) µs of processor; without them \(Report.number(before.short)) µs",
            value: short / before.short, unit: " × without")
        withExtendedLifetime(idle) {}
    }

    /// Processor time of the service for a connection with one request.
    private func shortConnectionMicroseconds(_ server: ServerProcess, _ path: String) throws -> Double {
        let before = try server.processorSeconds()
        for _ in 0..<Self.shortConnections { _ = try Connection(port: server.port).exchange("GET", path, key: store.key) }
        // What is left to do after the last one is closed.
        usleep(100_000)
        return (try server.processorSeconds() - before) / Double(Self.shortConnections) * 1_000_000
    }
}
