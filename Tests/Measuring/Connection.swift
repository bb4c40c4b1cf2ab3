import Foundation

/// One HTTP connection to 127.0.0.1 that blocks its thread: the least that can stand between a measurement and the server.
package final class Connection {
    /// An answer, read to its end.
    package struct Answer: Sendable {
        /// The number in its first line.
        package let status: Int
        /// The lines of its head, the first one apart.
        package let headerLines: [Substring]
        /// Everything behind the head.
        package let body: [UInt8]

        /// The value of a header, whose name is given in lower case.
        package func header(_ name: String) -> String? {
            headerLines.first { $0.lowercased().hasPrefix(name + ":") }.map {
                $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
            }
        }

        /// The body's JSON object; empty where it is none.
        package var object: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(body))).flatMap { $0 as? [String: Any] } ?? [:]
        }

        /// A text member of the body's JSON object.
        package func member(_ name: String) -> String? { object[name] as? String }

        /// The code of an error.
        package var code: String? { (object["error"] as? [String: Any])?["code"] as? String }
    }

    private let socket: Socket
    private let timeoutSeconds: Double
    private var received: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    /// Connects.
    /// - Parameter timeoutSeconds: for the connection, and then for each exchange in all.
    /// - Throws: `ConnectionFailure.notConnected`.
    package init(port: Int, timeoutSeconds: Double = 60) throws {
        self.timeoutSeconds = timeoutSeconds
        socket = try Socket(port: port, within: timeoutSeconds)
    }

    /// Sends a request and reads its answer.
    /// - Throws: `ConnectionFailure`.
    package func exchange(
        _ method: String, _ path: String, key: String? = nil, headers: [(name: String, value: String)] = [], json: [UInt8] = []
    ) throws -> Answer {
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
    package func exchange(_ bytes: [UInt8]) throws -> Answer {
        let watch = Stopwatch()
        do {
            try socket.sendAll(bytes, within: timeoutSeconds)
        } catch ConnectionFailure.closed {
            // It may have answered before it closed.
            do { return try receive(watch) } catch { throw ConnectionFailure.closed(isBeforeAnswer: true) }
        }
        return try receive(watch)
    }

    private func receive(_ watch: Stopwatch) throws -> Answer {
        received.removeAll(keepingCapacity: true)
        var headEnd: Int?
        while headEnd == nil {
            try receiveMore(watch)
            headEnd = received.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
        }
        let bodyStart = headEnd ?? 0
        let lines = String(decoding: received[..<bodyStart], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first.flatMap({ Int($0.dropFirst(9).prefix(3)) }) else { throw ConnectionFailure.malformed }
        let announced = lines.first(where: { $0.lowercased().hasPrefix("content-length:") }).flatMap { Int($0.filter(\.isNumber)) }
        guard let length = announced ?? ([204, 304].contains(status) ? 0 : nil) else { throw ConnectionFailure.malformed }
        // A 304 names the length of what it does not send.
        let expected = status == 304 ? 0 : length
        while received.count < bodyStart + expected { try receiveMore(watch) }
        return Answer(status: status, headerLines: Array(lines.dropFirst()), body: Array(received[bodyStart..<bodyStart + expected]))
    }

    private func receiveMore(_ watch: Stopwatch) throws {
        while true {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count):
                received += buffer[..<count]
                return
            case .closed: throw ConnectionFailure.closed(isBeforeAnswer: received.isEmpty)
            case .nothing:
                guard socket.awaitInput(max(0, timeoutSeconds - watch.seconds)) else { throw ConnectionFailure.timedOut }
            }
        }
    }
}
