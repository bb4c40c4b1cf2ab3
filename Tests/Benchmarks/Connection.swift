import Foundation

/// One HTTP connection to 127.0.0.1 that blocks its thread: the least that can stand between a measurement and the server.
final class Connection {
    /// An answer, read to its end.
    struct Answer {
        let status: Int
        let body: [UInt8]

        /// A text member of the body's JSON object.
        func member(_ name: String) -> String? {
            (try? JSONSerialization.jsonObject(with: Data(body))).flatMap { $0 as? [String: Any] }?[name] as? String
        }
    }

    private static let timeoutSeconds = 60

    private let descriptor: Int32
    private var received: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var timeout = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        var noDelay: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else {
            close(descriptor)
            throw MeasurementFailed("nothing listens on port \(port)")
        }
    }

    deinit { close(descriptor) }

    /// Sends a request and reads its answer.
    func exchange(_ method: String, _ path: String, key: String? = nil, json: [UInt8] = []) throws -> Answer {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if let key { head += "X-Api-Key: \(key)\r\n" }
        if !json.isEmpty { head += "Content-Type: application/json\r\nContent-Length: \(json.count)\r\n" }
        try send(Array((head + "\r\n").utf8) + json)
        return try receive()
    }

    private func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw MeasurementFailed("a server closed a connection during a request") }
            sent += count
        }
    }

    private func receive() throws -> Answer {
        received.removeAll(keepingCapacity: true)
        var headEnd: Int?
        while headEnd == nil {
            try receiveMore()
            headEnd = received.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
        }
        let bodyStart = headEnd ?? 0
        let lines = String(decoding: received[..<bodyStart], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first.flatMap({ Int($0.dropFirst(9).prefix(3)) }),
            let length = lines.first(where: { $0.lowercased().hasPrefix("content-length:") }).flatMap({ Int($0.filter(\.isNumber)) })
        else {
            throw MeasurementFailed("a server answered without a status or a length")
        }
        while received.count < bodyStart + length { try receiveMore() }
        return Answer(status: status, body: Array(received[bodyStart..<bodyStart + length]))
    }

    private func receiveMore() throws {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw MeasurementFailed("a server closed a connection or did not answer within \(Self.timeoutSeconds) s") }
        received += buffer[..<count]
    }
}
