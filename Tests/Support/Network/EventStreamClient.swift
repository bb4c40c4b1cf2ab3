import Foundation
import Synchronization

/// A client of a stream of events on this machine, which reads when it is asked to.
package final class EventStreamClient: Sendable {
    private let socket: Socket
    private let bytes = Mutex<(received: [UInt8], isClosed: Bool)>(([], false))

    /// Asks for a stream.
    /// - Parameters:
    ///   - fields: lines of the header.
    ///   - receiveBufferBytes: what the kernel keeps for this side; nil for its default.
    package init(
        port: Int, _ target: String, key: String, fields: [String] = [], version: String = "1.1", receiveBufferBytes: Int? = nil
    ) throws {
        socket = try Socket(.port(port), receiveBufferBytes: receiveBufferBytes)
        let lines = (["Host: a", "X-Api-Key: \(key)", "Accept: text/event-stream"] + fields).map { $0 + "\r\n" }.joined()
        socket.send("GET \(target) HTTP/\(version)\r\n\(lines)\r\n")
    }

    /// Sends something else on the same connection.
    package func send(_ text: String) { socket.send(text) }

    /// Takes what has arrived.
    private func read() {
        bytes.withLock { bytes in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while !bytes.isClosed {
                switch socket.receive(into: &buffer, atMost: buffer.count) {
                case .bytes(let count): bytes.received += buffer[..<count]
                case .nothing: return
                case .closed: bytes.isClosed = true
                }
            }
        }
    }

    /// All that was received, as it was.
    package var text: String {
        read()
        return String(decoding: bytes.withLock { $0.received }, as: UTF8.self)
    }

    /// Whether the server has closed the connection.
    package var isClosed: Bool {
        read()
        return bytes.withLock { $0.isClosed }
    }

    /// The header, once it is there.
    package var head: String? { text.range(of: "\r\n\r\n").map { String(text[..<$0.lowerBound]) } }

    /// What the stream consists of so far, without the framing of HTTP, and whether its end has come.
    package var body: (text: String, isWhole: Bool) {
        let text = text
        guard let end = text.range(of: "\r\n\r\n") else { return ("", false) }
        let rest = text[end.upperBound...]
        guard text[..<end.lowerBound].lowercased().contains("transfer-encoding: chunked") else { return (String(rest), isClosed) }
        var bytes = Array(rest.utf8)[...]
        var body: [UInt8] = []
        while let line = bytes.firstRange(of: Array("\r\n".utf8)),
            let size = Int(String(decoding: bytes[..<line.lowerBound], as: UTF8.self), radix: 16)
        {
            if size == 0 { return (String(decoding: body, as: UTF8.self), true) }
            guard bytes.endIndex - line.upperBound >= size + 2 else { break }
            body += bytes[line.upperBound..<line.upperBound + size]
            bytes = bytes[(line.upperBound + size + 2)...]
        }
        return (String(decoding: body, as: UTF8.self), false)
    }

    /// What stands between empty lines, as it was sent.
    package var frames: [String] { body.text.components(separatedBy: "\n\n").dropLast().map { $0 } }

    /// The types of the events so far.
    package var types: [String] { lines("event: ") }

    /// The ids of the events so far.
    package var ids: [String] { lines("id: ") }

    private func lines(_ start: String) -> [String] {
        body.text.components(separatedBy: "\n").filter { $0.hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
    }

    /// Waits until something is so of the stream.
    package func until(_ what: String, within limit: Duration = timeout, _ condition: (EventStreamClient) -> Bool) async throws {
        try await eventually(what, within: limit, detail: { self.text }) { condition(self) }
    }

    /// Waits for the end of the stream, which is a whole one.
    package func end(within limit: Duration = timeout) async throws {
        try await until("the end of the stream", within: limit) { $0.body.isWhole }
    }
}
