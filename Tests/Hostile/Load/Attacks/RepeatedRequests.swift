import Foundation
package import TestSupport

/// A number of requests at once, by one thread: as soon as one is answered, the next is sent on a new connection.
package struct RepeatedRequests: Attack {
    package let name: String
    /// How many at once.
    let connections: Int
    /// Seconds from an answer to the next request.
    let pauseSeconds: Double
    /// The bytes of the request with a number.
    let request: @Sendable (_ number: Int, _ service: Service) -> [UInt8]
    /// What an answer counts as.
    let label: @Sendable (_ number: Int, _ answer: RawAnswer) -> String

    /// Takes all members.
    package init(
        name: String, connections: Int, pauseSeconds: Double = 0.05,
        label: @escaping @Sendable (Int, RawAnswer) -> String = { RepeatedRequests.label($1) },
        _ request: @escaping @Sendable (Int, Service) -> [UInt8]
    ) {
        self.name = name
        self.connections = connections
        self.pauseSeconds = pauseSeconds
        self.request = request
        self.label = label
    }

    /// Status and code.
    package static func label(_ answer: RawAnswer) -> String { "\(answer.status)\(answer.code.map { " \($0)" } ?? "")" }

    package func run(on service: Service, _ run: AttackRun) throws {
        var number = 0
        func next() -> PendingRequest {
            number += 1
            return PendingRequest(number, request(number, service), service.port)
        }
        var pending = (0..<connections).map { _ in next() }
        var idle: [(since: Stopwatch, count: Int)] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        run.ready()
        while run.pause(0.01) {
            var done = 0
            pending.removeAll { request in
                guard let end = request.step(&buffer, label) else { return false }
                run.count(end)
                done += 1
                return true
            }
            if done > 0 { idle.append((Stopwatch(), done)) }
            while let first = idle.first, first.since.seconds >= pauseSeconds {
                pending += (0..<first.count).map { _ in next() }
                idle.removeFirst()
            }
        }
    }

    /// The bytes of a request.
    package static func bytes(
        _ method: String, _ path: String, key: String? = nil, headers: String = "", json: [UInt8] = [], announcing length: Int? = nil
    ) -> [UInt8] {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)"
        if let key { head += "X-Api-Key: \(key)\r\n" }
        if !json.isEmpty { head += "Content-Type: application/json\r\nContent-Length: \(length ?? json.count)\r\n" }
        return Array((head + "\r\n").utf8) + json
    }
}

/// A request under way on a connection of its own, which does at once what it can.
private final class PendingRequest {
    private let number: Int
    private let bytes: [UInt8]
    private let socket: Socket?
    private var sent = 0
    private var reader = RawAnswerReader()

    init(_ number: Int, _ bytes: [UInt8], _ port: Int) {
        self.number = number
        self.bytes = bytes
        socket = try? Socket(.port(port), within: 0)
    }

    /// Goes on. Returns how it ended, nil before.
    func step(_ buffer: inout [UInt8], _ label: (Int, RawAnswer) -> String) -> String? {
        guard let socket else { return "not connected" }
        while sent < bytes.count {
            // One that was answered before it was sent may be closed already, with its answer still to be read.
            guard let count = bytes.withUnsafeBytes({ socket.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }) else { break }
            guard count > 0 else { break }
            sent += count
        }
        while true {
            switch socket.receive(into: &buffer, atMost: buffer.count) {
            case .nothing: return nil
            case .closed: return "closed"
            case .bytes(let count):
                guard let answer = try? reader.read(buffer[..<count]) else { continue }
                return label(number, answer)
            }
        }
    }
}
