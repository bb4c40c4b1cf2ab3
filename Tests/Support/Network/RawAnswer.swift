import Foundation

/// An answer as it came over a connection, read to its end.
package struct RawAnswer: Sendable {
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

/// Puts answers together, one after another, from what arrives.
package struct RawAnswerReader {
    private var received: [UInt8] = []
    /// Received bytes in which no head has ended.
    private var searched = 0
    private var head: (end: Int, status: Int, lines: [Substring], bodyBytes: Int)?

    /// Without anything yet.
    package init() {}

    /// Whether nothing has arrived.
    package var isEmpty: Bool { received.isEmpty }

    /// Takes what has arrived. Returns the next answer once it is whole.
    /// - Throws: `ConnectionFailure.malformed`.
    package mutating func read(_ bytes: ArraySlice<UInt8>) throws -> RawAnswer? {
        received += bytes
        let searchStart = max(0, searched - 3)
        searched = received.count
        if head == nil, let end = received[searchStart...].firstRange(of: Array("\r\n\r\n".utf8))?.upperBound {
            let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
            guard let status = lines.first.flatMap({ Int($0.dropFirst(9).prefix(3)) }) else { throw ConnectionFailure.malformed }
            let announced = lines.first { $0.lowercased().hasPrefix("content-length:") }.flatMap { Int($0.filter(\.isNumber)) }
            guard let length = announced ?? (status < 200 || [204, 304].contains(status) ? 0 : nil) else {
                throw ConnectionFailure.malformed
            }
            // A 304 names the length of what it does not send.
            head = (end, status, Array(lines.dropFirst()), status == 304 ? 0 : length)
        }
        guard let head, received.count >= head.end + head.bodyBytes else { return nil }
        let answer = RawAnswer(status: head.status, headerLines: head.lines, body: Array(received[head.end..<head.end + head.bodyBytes]))
        received.removeFirst(head.end + head.bodyBytes)
        searched = 0
        self.head = nil
        return answer
    }
}
