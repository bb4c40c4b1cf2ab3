import Foundation
import TestSupport

/// A request as it goes over a connection.
struct WireRequest: Sendable, CustomStringConvertible {
    let method: String
    let bytes: [UInt8]

    var description: String { String(decoding: bytes.prefix(400), as: UTF8.self).debugDescription }
}

/// A client of a server on this machine that takes its answers apart no further than to find where they end. It blocks its thread.
final class WireClient {
    private let port: Int
    private var socket: Socket?
    private var received: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(port: Int) { self.port = port }

    /// Sends requests in one piece over the connection of the last ones, or a new one where that is closed.
    /// - Returns: what came for each, without what differs from time to time, and "closed" behind the last one that the connection had.
    func exchange(_ requests: [WireRequest]) throws -> [String] {
        let socket = try self.socket ?? Socket(.port(port))
        self.socket = socket
        try? socket.sendAll(requests.flatMap(\.bytes))
        var answers: [String] = []
        for request in requests {
            guard let answer = try answer(on: socket, isToHead: request.method == "HEAD") else { break }
            answers.append(answer.text)
            if answer.isLast { break }
        }
        if answers.count < requests.count || answers.last?.contains("\nconnection: close\n") == true || socket.isClosed {
            answers.append(try isAtEnd(socket) ? "closed" : "more than answers")
            self.socket = nil
            received = []
        }
        return answers
    }

    /// The next answer; nil where the connection ends before.
    private func answer(on socket: Socket, isToHead: Bool) throws -> (text: String, isLast: Bool)? {
        while true {
            guard let end = try received(upTo: Array("\r\n\r\n".utf8), on: socket) else { return nil }
            let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
            received.removeFirst(end)
            guard let status = lines.first.flatMap({ Int($0.dropFirst(9).prefix(3)) }) else { throw ConnectionFailure.malformed }
            // An interim answer stands before the one that is meant.
            if status < 200 { continue }
            var fields: [String] = []
            var (length, requestID) = (0, "")
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
                let (name, value) = (parts[0], parts.count > 1 ? parts[1] : "")
                switch name.lowercased() {
                case "date": fields.append(name)
                case "x-request-id" where value.wholeMatch(of: Answer.uuid) != nil:
                    requestID = value
                    fields.append(name)
                case "connection": fields.append("connection: \(value)")
                case "ratelimit": fields.append("\(name): \(value.replacing(/[rt]=\d+/, with: ""))")
                default: fields.append("\(name): \(value)")
                }
                if name.lowercased() == "content-length" { length = Int(value) ?? 0 }
            }
            if isToHead || status == 204 || status == 304 { length = 0 }
            guard let body = try take(length, on: socket) else { throw ConnectionFailure.closed(isBeforeAnswer: false) }
            var text = String(decoding: body, as: UTF8.self)
            if !requestID.isEmpty { text = text.replacing(requestID, with: "<request>") }
            let isLast = fields.contains("connection: close")
            return ("\(lines[0])\n\(fields.joined(separator: "\n"))\n\n\(text)", isLast)
        }
    }

    private func received(upTo mark: [UInt8], on socket: Socket) throws -> Int? {
        while true {
            if let end = received.firstRange(of: mark)?.upperBound { return end }
            guard try receive(socket) else { return nil }
        }
    }

    private func take(_ count: Int, on socket: Socket) throws -> [UInt8]? {
        while received.count < count { guard try receive(socket) else { return nil } }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    /// Waits for bytes. False: the connection is closed.
    private func receive(_ socket: Socket) throws -> Bool {
        while true {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .bytes(let count):
                received += buffer[..<count]
                return true
            case .closed: return false
            case .nothing: guard socket.awaitInput(60) else { throw ConnectionFailure.timedOut }
            }
        }
    }

    /// Whether nothing comes any more but the end.
    private func isAtEnd(_ socket: Socket) throws -> Bool { try received.isEmpty && !receive(socket) }
}

/// Runs what blocks on a thread of its own, so that it holds none that the tested server may need.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
