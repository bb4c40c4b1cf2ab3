import Foundation

/// A connection to this machine that never blocks: it does at once what it can, so that one thread can hold hundreds of them.
package final class Socket: Sendable {
    /// What a look into the receive buffer gave.
    package enum Received: Equatable, Sendable {
        /// So many bytes, at least one.
        case bytes(Int)
        /// Nothing yet.
        case nothing
        /// The other side has closed or reset the connection.
        case closed
    }

    /// Where others listen.
    package enum Address: Sendable {
        /// A port of 127.0.0.1.
        case port(Int)
        /// A Unix socket.
        case path(String)

        fileprivate var family: Int32 {
            switch self {
            case .port: AF_INET
            case .path: AF_UNIX
            }
        }

        fileprivate func withPointer<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
            switch self {
            case .port(let port):
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = in_port_t(port).bigEndian
                address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
                return Self.rebound(&address, body)
            case .path(let path):
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
                return Self.rebound(&address, body)
            }
        }

        private static func rebound<Form, Value>(_ address: inout Form, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Form>.size)) }
            }
        }
    }

    /// Its descriptor, open for as long as this lives.
    package let descriptor: Int32

    /// Takes over a connection that was accepted, whose descriptor is closed with this.
    package init(accepted descriptor: Int32) {
        self.descriptor = descriptor
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Connects.
    /// - Parameters:
    ///   - seconds: how long to wait for the connection; 0 not to wait at all, whereupon nothing can be sent until it has come about.
    ///   - receiveBufferBytes: what the kernel keeps for this side, which bounds the window that the other side sees; nil for its default.
    ///   - segmentBytesMax: the largest segment that this side takes, as on a slow link; nil for that of the loopback interface.
    /// - Throws: `ConnectionFailure.notConnected`.
    package init(_ address: Address, within seconds: Double = 5, receiveBufferBytes: Int? = nil, segmentBytesMax: Int? = nil) throws {
        descriptor = try Self.open(address)
        if case .port = address { Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        if let receiveBufferBytes { Self.set(descriptor, SOL_SOCKET, SO_RCVBUF, Int32(receiveBufferBytes)) }
        if let segmentBytesMax { Self.set(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, Int32(segmentBytesMax)) }
        guard address.withPointer({ connect(descriptor, $0, $1) }) != 0 else { return }
        let isUnderWay = errno == EINPROGRESS
        if isUnderWay, seconds <= 0 { return }
        if isUnderWay, Self.wait(descriptor, POLLOUT, seconds: seconds) {
            var (problem, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &length)
            // The deinitialiser runs although this throws, because everything is initialised, and closes the descriptor.
            guard problem == 0 else { throw ConnectionFailure.notConnected(problem) }
            return
        }
        throw ConnectionFailure.notConnected(isUnderWay ? ETIMEDOUT : errno)
    }

    /// Takes an address for others to connect to.
    /// - Parameter waitingMax: how many connections may wait to be accepted; nil for an address at which no process listens.
    /// - Returns: the descriptor, which does not block and which the caller closes, and its port, if it has one: port 0 takes a free one.
    package static func bind(_ address: Address, waitingMax: Int32? = nil) throws -> (descriptor: Int32, port: Int) {
        let descriptor = try open(address)
        var taken = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isTaken = address.withPointer { Foundation.bind(descriptor, $0, $1) == 0 }
        guard isTaken, waitingMax.map({ listen(descriptor, $0) == 0 }) ?? true else {
            close(descriptor)
            throw MeasurementFailed("cannot take \(address): \(String(cString: strerror(errno)))")
        }
        withUnsafeMutablePointer(to: &taken) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return (descriptor, Int(in_port_t(bigEndian: taken.sin_port)))
    }

    private static func open(_ address: Address) throws -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, type, 0)
        guard descriptor >= 0 else { throw ConnectionFailure.notConnected(errno) }
        return descriptor
    }

    deinit { close(descriptor) }

    /// Sends what fits. Returns how many bytes that were, nil when the connection is broken.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard !bytes.isEmpty else { return 0 }
        let count = Foundation.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? 0 : nil
    }

    /// Sends all of it, waiting while the other side takes nothing.
    /// - Throws: `ConnectionFailure`.
    package func sendAll(_ bytes: [UInt8], within seconds: Double = 60) throws {
        let watch = Stopwatch()
        var sent = 0
        while sent < bytes.count {
            guard let count = bytes.withUnsafeBytes({ send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }) else {
                throw ConnectionFailure.closed(isBeforeAnswer: false)
            }
            sent += count
            if count == 0, !Self.wait(descriptor, POLLOUT, seconds: max(0, seconds - watch.seconds)) { throw ConnectionFailure.timedOut }
        }
    }

    /// Sends a text that certainly fits, such as the head of a request. Whether it was sent.
    @discardableResult
    package func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { send($0) } == bytes.count
    }

    /// Takes at most so many bytes that have arrived and puts them at the front of the buffer.
    package func receive(into buffer: inout [UInt8], atMost count: Int) -> Received {
        Self.received(recv(descriptor, &buffer, min(count, buffer.count), 0))
    }

    /// What has arrived, without taking it.
    package func peek(_ count: Int) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        guard case .bytes(let count) = Self.received(recv(descriptor, &buffer, count, Int32(MSG_PEEK))) else { return [] }
        return Array(buffer[..<count])
    }

    /// Whether the other side has closed or reset the connection and nothing is left to read.
    package var isClosed: Bool {
        var byte: UInt8 = 0
        return Self.received(recv(descriptor, &byte, 1, Int32(MSG_PEEK))) == .closed
    }

    /// Says that nothing more is sent, while answers may still come.
    package func endOutput() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Waits until something can be received, or the end.
    package func awaitInput(_ seconds: Double) -> Bool { Self.wait(descriptor, POLLIN, seconds: seconds) }

    private static func received(_ count: Int) -> Received {
        if count > 0 { return .bytes(count) }
        return count < 0 && [EAGAIN, EINTR, ENOTCONN].contains(errno) ? .nothing : .closed
    }

    private static func wait(_ descriptor: Int32, _ events: Int32, seconds: Double) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&entry, 1, Int32(min(seconds, 3_600) * 1_000)) > 0
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}

/// Why an exchange came to nothing.
package enum ConnectionFailure: Error, Equatable, CustomStringConvertible {
    /// The connection was refused or did not come about in time; with the number of the error.
    case notConnected(Int32)
    /// The other side closed; before it sent a byte of its answer or within.
    case closed(isBeforeAnswer: Bool)
    /// No whole answer came in time.
    case timedOut
    /// What came is no answer.
    case malformed

    package var description: String {
        switch self {
        case .notConnected(let number): "not connected: \(String(cString: strerror(number)))"
        case .closed(let isBeforeAnswer): isBeforeAnswer ? "closed before the answer" : "closed within the exchange"
        case .timedOut: "timed out"
        case .malformed: "malformed answer"
        }
    }
}
