import Foundation
import TestSupport

/// What 10,000 clients cost that wait for an item to change: memory beyond that of idle connections, the time from a change to the answer, and a restart.
struct WaitMeasurements {
    private static let connections = 10_000
    /// Connections of those that change items and look at the server.
    private static let connectionsBeside = 64
    private static let descriptorsBeside = 1_500
    private static let changes = 400
    /// The longest wait that may be asked for; whoever is answered sooner asks again.
    private static let waitSeconds = 60

    let personas: String
    let store: BenchmarkStore
    let quiet: QuietMachine

    /// A client that waits, and the item that it waits for.
    private struct Waiter {
        let socket: Socket
        let id: String
    }

    func run(_ report: inout Report) throws {
        let limit = Descriptors.raise()
        guard limit >= Self.connections + Self.descriptorsBeside else {
            let needed = Self.connections + Self.descriptorsBeside
            throw MeasurementFailed("\(Self.connections) connections need \(needed) descriptors, and \(limit) are allowed (ulimit -n)")
        }
        let idle = try idleBytes()
        try measureWaiting(idleBytes: idle, &report)
        try measureOneItem(&report)
    }

    private func server() throws -> ServerProcess {
        try ServerProcess.personas(
            personas, store: store,
            flags: [
                "--connections-max", "\(Self.connections + Self.connectionsBeside)", "--first-request-seconds", "3600",
                "--idle-timeout-seconds", "3600", "--reads-per-second", "1000000", "--writes-per-second", "1000000",
            ])
    }

    /// Bytes of a connection that has read an item, of as many as wait below.
    private func idleBytes() throws -> Double {
        quiet.wait()
        let server = try server()
        defer { server.stop() }
        let ids = try ids()
        let before = try warmed(server, ids)
        var connections: [Connection] = []
        for number in 0..<Self.connections {
            let connection = try Connection(port: server.port)
            guard try connection.exchange("GET", "/v2/personas/\(ids[number % ids.count])", key: store.key).status == 200 else {
                throw MeasurementFailed("an item was not read")
            }
            connections.append(connection)
        }
        usleep(1_000_000)
        let bytes = Double(try server.memoryBytes("VmRSS") - before) / Double(connections.count)
        withExtendedLifetime(connections) {}
        return bytes
    }

    private func measureWaiting(idleBytes: Double, _ report: inout Report) throws {
        quiet.wait()
        let server = try server()
        defer { server.stop() }
        let ids = try ids()
        let before = try warmed(server, ids)
        var tags = try ids.map { try tag(of: $0, server) }
        let watch = Stopwatch()
        let waiters = try (0..<Self.connections).map { try waiter(ids[$0 % ids.count], tags[$0 % ids.count], server) }
        try awaitWaiting(Self.connections, server)
        let setupSeconds = watch.seconds
        let bytes = Double(try server.memoryBytes("VmRSS") - before) / Double(Self.connections)
        report.add(
            "memory of a client that waits", "beyond \(Report.number(idleBytes / 1_000)) KB of an idle connection, of \(Self.connections)",
            value: (bytes - idleBytes) / 1_000, unit: " KB", target: .below(20))
        // Changes to single items, while all others wait on.
        let connection = try Connection(port: server.port)
        var milliseconds: [Double] = []
        guard setupSeconds < Double(Self.waitSeconds) / 2 else { throw MeasurementFailed("the clients came too slowly") }
        for number in 0..<Self.changes {
            let waiter = waiters[number]
            let start = Stopwatch()
            let answer = try connection.exchange(
                "PATCH", "/v2/personas/\(waiter.id)", key: store.key,
                json: Array(#"{"special_instructions":"\#(number) \#(start.seconds)"}"#.utf8))
            guard answer.status == 200 else { throw MeasurementFailed("a change was answered with \(answer.status)") }
            let status = try self.status(waiter.socket)
            guard status == 200 else { throw MeasurementFailed("a client that waited was answered with \(status)") }
            milliseconds.append(start.seconds * 1_000)
            tags[number % ids.count] = answer.header("etag") ?? ""
        }
        milliseconds.sort()
        report.add(
            "from a change to the answer of who waits", "median of \(Self.changes), the change itself included", value: milliseconds.median,
            unit: " ms", target: .below(50))
        report.add(
            "", "99 of 100 are below", value: milliseconds[milliseconds.count * 99 / 100], unit: " ms", target: .below(50))
        try measureRestart(server, waiters, &report)
    }

    private func measureRestart(_ server: ServerProcess, _ waiters: [Waiter], _ report: inout Report) throws {
        let rest = waiters[Self.changes...].filter { $0.socket.peek(1).isEmpty }
        let watch = Stopwatch()
        kill(server.id, SIGTERM)
        var answered = 0
        for waiter in rest {
            if let status = try? status(waiter.socket), status == 304 { answered += 1 }
        }
        report.add(
            "a restart", "of \(rest.count) who waited were answered, within \(Report.number(watch.seconds)) s",
            value: Double(answered) / Double(rest.count) * 100, unit: " %", target: .atLeast(100))
    }

    /// All wait for one item, which changes once.
    private func measureOneItem(_ report: inout Report) throws {
        quiet.wait()
        let server = try server()
        defer { server.stop() }
        let id = try ids()[0]
        let tag = try tag(of: id, server)
        let waiters = try (0..<Self.connections).map { _ in try waiter(id, tag, server) }
        try awaitWaiting(Self.connections, server)
        let (watch, processor) = (Stopwatch(), try server.processorSeconds())
        let connection = try Connection(port: server.port)
        let body = Array(#"{"special_instructions":"all \#(processor)"}"#.utf8)
        _ = try connection.exchange("PATCH", "/v2/personas/\(id)", key: store.key, json: body)
        var worst = 0.0
        for _ in 0..<20 {
            let read = Stopwatch()
            _ = try connection.exchange("GET", "/v2/personas/\(id)", key: store.key)
            worst = max(worst, read.seconds * 1_000)
            usleep(5_000)
        }
        for waiter in waiters {
            guard try status(waiter.socket) == 200 else { throw MeasurementFailed("a client that waited was not answered") }
        }
        report.add(
            "a change that all of them wait for",
            "until the last is answered, \(Report.number((try server.processorSeconds() - processor) / Double(Self.connections) * 1e6)) µs of processor each",
            value: watch.seconds, unit: " s")
        report.add("", "the slowest of 20 other reads meanwhile", value: worst, unit: " ms")
    }

    private func ids() throws -> [String] { try store.personaIDs(atMost: 2_500) }

    /// Resident memory after the first requests have made what all others share.
    private func warmed(_ server: ServerProcess, _ ids: [String]) throws -> Int {
        let connection = try Connection(port: server.port)
        for id in ids { _ = try connection.exchange("GET", "/v2/personas/\(id)", key: store.key) }
        usleep(500_000)
        return try server.memoryBytes("VmRSS")
    }

    private func tag(of id: String, _ server: ServerProcess) throws -> String {
        let answer = try Connection(port: server.port).exchange("GET", "/v2/personas/\(id)", key: store.key)
        guard let tag = answer.header("etag") else { throw MeasurementFailed("an item has no tag") }
        return tag
    }

    private func waiter(_ id: String, _ tag: String, _ server: ServerProcess) throws -> Waiter {
        let socket = try Socket(.port(server.port))
        let head = "GET /v2/personas/\(id)?wait=\(Self.waitSeconds) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(store.key)\r\n"
        guard socket.send("\(head)If-None-Match: \(tag)\r\n\r\n") else { throw MeasurementFailed("a request was not sent") }
        return Waiter(socket: socket, id: id)
    }

    private func awaitWaiting(_ count: Int, _ server: ServerProcess) throws {
        let connection = try Connection(port: server.port)
        let waited = Stopwatch()
        while true {
            let text = String(decoding: try connection.exchange("GET", "/metrics").body, as: UTF8.self)
            if text.contains("\npersonas_http_waits \(count)\n") { return }
            guard waited.seconds < 30 else { throw MeasurementFailed("not all clients wait") }
            usleep(100_000)
        }
    }

    /// The status of the answer to a client that waits.
    private func status(_ socket: Socket) throws -> Int {
        var reader = RawAnswerReader()
        var buffer = [UInt8](repeating: 0, count: 8_192)
        while true {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count): if let answer = try reader.read(buffer[..<count]) { return answer.status }
            case .closed: throw MeasurementFailed("a client that waited was cut off")
            case .nothing: guard socket.awaitInput(30) else { throw MeasurementFailed("a client that waited was not answered") }
            }
        }
    }
}
