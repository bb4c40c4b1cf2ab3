import Foundation
import TestSupport

/// What streams of events cost: the memory of 5,000 that have nothing to tell, beyond that of idle connections in the same run, and the time from a change to
/// the last of 1,000 who follow the account.
struct StreamMeasurements {
    private static let idleStreams = 5_000
    private static let readers = 1_000
    private static let changes = 100
    private static let descriptorsBeside = 1_500
    /// Kilobytes of the memory of idle streams, together, that are allowed beyond that of as many idle connections.
    private static let kilobytesMax = 100_000.0

    let personas: String
    let store: BenchmarkStore
    let quiet: QuietMachine

    func run(_ report: inout Report) throws {
        let limit = Descriptors.raise()
        guard limit >= Self.idleStreams + Self.descriptorsBeside else {
            let needed = Self.idleStreams + Self.descriptorsBeside
            throw MeasurementFailed("\(Self.idleStreams) streams need \(needed) descriptors, and \(limit) are allowed (ulimit -n)")
        }
        quiet.wait()
        let server = try ServerProcess.personas(
            personas, store: store,
            flags: [
                "--first-request-seconds", "3600", "--idle-timeout-seconds", "3600", "--reads-per-second", "1000000", "--writes-per-second",
                "1000000", "--streams-per-account-max", "\(Self.idleStreams)",
            ])
        defer { server.stop() }
        let sockets = try measureMemory(server, &report)
        try measureLag(server, Array(sockets.prefix(Self.readers)), &report)
        withExtendedLifetime(sockets) {}
    }

    /// The same connections, idle behind a read of events first, and with streams then.
    private func measureMemory(_ server: ServerProcess, _ report: inout Report) throws -> [Socket] {
        let before = try warmed(server)
        var sockets: [Socket] = []
        for _ in 0..<Self.idleStreams {
            let socket = try Socket(.port(server.port))
            try ask(socket, "/v2/events?limit=1")
            try receive(socket, "\"gap\":false}")
            sockets.append(socket)
        }
        usleep(1_000_000)
        let idle = try server.memoryBytes("VmRSS") - before
        for socket in sockets { try ask(socket, "/v2/events", fields: "Accept: text/event-stream\r\n") }
        for socket in sockets { try receive(socket, "event: ready") }
        usleep(1_000_000)
        let beyond = Double(try server.memoryBytes("VmRSS") - before - idle) / 1_000
        report.add(
            "memory of streams of events",
            "\(Self.idleStreams) without events, beyond \(Report.number(Double(idle) / 1_000_000)) MB of as many idle connections",
            value: beyond / 1_000, unit: " MB", target: .below(Self.kilobytesMax / 1_000))
        let processor = try server.processorSeconds()
        usleep(15_000_000)
        report.add(
            "", "processor of all of them in 15 s, pings included", value: (try server.processorSeconds() - processor) * 1_000, unit: " ms")
        return sockets
    }

    /// From the moment at which the change is sent to that at which a reader has the event, the change itself included.
    private func measureLag(_ server: ServerProcess, _ sockets: [Socket], _ report: inout Report) throws {
        let connection = try Connection(port: server.port)
        let id = try store.personaIDs(atMost: 1)[0]
        var medians: [Double] = []
        var lasts: [Double] = []
        for number in 0..<Self.changes {
            for socket in sockets { drain(socket) }
            let watch = Stopwatch()
            let body = Array(#"{"special_instructions":"\#(number) \#(watch.seconds) \#(getpid())"}"#.utf8)
            guard try connection.exchange("PATCH", "/v2/personas/\(id)", key: store.key, json: body).status == 200 else {
                throw MeasurementFailed("a change was not made")
            }
            // Whoever is looked at late is late: the times of those who are served in their order come out right, and of no other too small.
            var milliseconds: [Double] = []
            for socket in sockets {
                try receive(socket, "persona.updated")
                milliseconds.append(watch.seconds * 1_000)
            }
            milliseconds.sort()
            medians.append(milliseconds.median)
            lasts.append(milliseconds.last ?? 0)
        }
        medians.sort()
        lasts.sort()
        report.add(
            "from a change to who follows", "the middle one of \(sockets.count) readers, median of \(Self.changes) changes",
            value: medians.median,
            unit: " ms", target: .below(50))
        report.add("", "the last one of them", value: lasts.median, unit: " ms")
    }

    private func warmed(_ server: ServerProcess) throws -> Int {
        let connection = try Connection(port: server.port)
        for _ in 0..<100 { _ = try connection.exchange("GET", "/v2/events?limit=1", key: store.key) }
        usleep(500_000)
        return try server.memoryBytes("VmRSS")
    }

    private func ask(_ socket: Socket, _ target: String, fields: String = "") throws {
        guard socket.send("GET \(target) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(store.key)\r\n\(fields)\r\n") else {
            throw MeasurementFailed("a request was not sent")
        }
    }

    /// Reads until a text has come.
    private func receive(_ socket: Socket, _ wanted: String) throws {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while !text.contains(wanted) {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count): text += String(decoding: buffer[..<count], as: UTF8.self)
            case .closed: throw MeasurementFailed("a connection was closed: \(text.prefix(500))")
            case .nothing: guard socket.awaitInput(30) else { throw MeasurementFailed("\(wanted) did not come") }
            }
        }
    }

    private func drain(_ socket: Socket) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while case .bytes = socket.receive(into: &buffer, atMost: buffer.count) {}
    }
}
