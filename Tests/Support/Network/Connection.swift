import Foundation

/// One HTTP connection to 127.0.0.1 that blocks its thread: the least that can stand between a measurement and the server.
package final class Connection {
    private let socket: Socket
    private let timeoutSeconds: Double
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// Connects.
    /// - Parameter timeoutSeconds: for the connection, and then for each exchange in all.
    /// - Throws: `ConnectionFailure.notConnected`.
    package init(port: Int, timeoutSeconds: Double = 60) throws {
        self.timeoutSeconds = timeoutSeconds
        socket = try Socket(.port(port), within: timeoutSeconds)
    }

    /// Sends a request and reads its answer.
    /// - Throws: `ConnectionFailure`.
    package func exchange(
        _ method: String, _ path: String, key: String? = nil, headers: [(name: String, value: String)] = [], json: [UInt8] = []
    ) throws -> RawAnswer {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if let key { head += "X-Api-Key: \(key)\r\n" }
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        if !json.isEmpty {
            if !headers.contains(where: { $0.name == "Content-Type" }) { head += "Content-Type: application/json\r\n" }
            head += "Content-Length: \(json.count)\r\n"
        }
        return try exchange(Array((head + "\r\n").utf8) + json)
    }

    /// Sends the bytes of a request and reads its answer.
    /// - Throws: `ConnectionFailure`.
    package func exchange(_ bytes: [UInt8]) throws -> RawAnswer {
        let watch = Stopwatch()
        do {
            try socket.sendAll(bytes, within: timeoutSeconds)
        } catch ConnectionFailure.closed {
            // It may have answered before it closed.
            do { return try receive(watch) } catch { throw ConnectionFailure.closed(isBeforeAnswer: true) }
        }
        return try receive(watch)
    }

    private func receive(_ watch: Stopwatch) throws -> RawAnswer {
        var reader = RawAnswerReader()
        while true {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count): if let answer = try reader.read(buffer[..<count]) { return answer }
            case .closed: throw ConnectionFailure.closed(isBeforeAnswer: reader.isEmpty)
            case .nothing:
                guard socket.awaitInput(max(0, timeoutSeconds - watch.seconds)) else { throw ConnectionFailure.timedOut }
            }
        }
    }
}
