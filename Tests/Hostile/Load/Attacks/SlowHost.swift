import Foundation
import Synchronization
import TestSupport

/// A host that image addresses name, on this machine: it answers at once, a byte a second, or never, as the path says.
package final class SlowHost: Sendable {
    /// How a path is answered.
    package enum Manner: String, Sendable {
        /// With the image, at once.
        case quick
        /// With the image, a byte a second.
        case drip
        /// Not at all, while the connection stays open.
        case silent
    }

    private struct Visitor {
        let descriptor: Int32
        var head: [UInt8] = []
        var manner: Manner?
        var sent = 0
        var nextByte = Stopwatch()
    }

    private static let connectionsMax = 2_000

    private let listener: Int32
    private let image: [UInt8]
    private let paths = Mutex<Set<String>>([])
    private let isOver = Atomic(false)
    private let hasEnded = DispatchSemaphore(value: 0)
    /// Where it listens.
    package let port: Int

    /// Starts it.
    /// - Parameter image: what it answers with.
    package init(image: [UInt8]) throws {
        self.image = image
        (listener, port) = try Socket.bind(.port(0), waitingMax: 1_024)
        Thread { [self] in
            serve()
            hasEnded.signal()
        }.start()
    }

    /// An address of an image.
    /// - Parameter name: tells it from others.
    package func address(_ manner: Manner, _ name: String) -> String { "http://127.0.0.1:\(port)/\(manner.rawValue)/\(name)" }

    /// Whether an address has been asked for.
    package func wasAsked(_ manner: Manner, _ name: String) -> Bool { paths.withLock { $0.contains("/\(manner.rawValue)/\(name)") } }

    /// Whether anything has been asked for.
    package var wasAsked: Bool { paths.withLock { !$0.isEmpty } }

    /// Stops it and closes all its connections.
    package func stop() {
        isOver.store(true, ordering: .relaxed)
        hasEnded.wait()
    }

    private func serve() {
        var visitors: [Visitor] = []
        while !isOver.load(ordering: .relaxed) {
            var entries = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            entries += visitors.map { pollfd(fd: $0.descriptor, events: Int16($0.manner == nil ? POLLIN : 0), revents: 0) }
            poll(&entries, nfds_t(entries.count), 50)
            visitors = zip(visitors, entries.dropFirst()).compactMap { visitor, entry in
                var visitor = visitor
                // A visitor that was asked for nothing is looked at for its end alone.
                let hasLeft = Int32(entry.revents) & (POLLHUP | POLLERR) != 0
                guard !hasLeft, step(&visitor, isReadable: Int32(entry.revents) & POLLIN != 0) else {
                    close(visitor.descriptor)
                    return nil
                }
                return visitor
            }
            while visitors.count < Self.connectionsMax {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { break }
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                visitors.append(Visitor(descriptor: descriptor))
            }
        }
        for visitor in visitors { close(visitor.descriptor) }
        close(listener)
    }

    /// Goes on with a visitor. Whether it stays.
    private func step(_ visitor: inout Visitor, isReadable: Bool) -> Bool {
        if visitor.manner == nil, isReadable {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = recv(visitor.descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            visitor.head += buffer[..<count]
            guard visitor.head.firstRange(of: Array("\r\n\r\n".utf8)) != nil else { return visitor.head.count < 65_536 }
            let words = String(decoding: visitor.head.prefix { $0 != 13 }, as: UTF8.self).split(separator: " ")
            let path = words.count > 1 ? String(words[1]) : ""
            paths.withLock { _ = $0.insert(path) }
            let manner = Manner(rawValue: String(path.dropFirst().prefix { $0 != "/" })) ?? .silent
            visitor.manner = manner
            guard manner != .silent else { return true }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: \(image.count)\r\nConnection: close\r\n\r\n"
            return put(Array(head.utf8), to: visitor) && (manner == .drip || finish(visitor))
        }
        guard visitor.manner == .drip, visitor.nextByte.seconds >= 1, visitor.sent < image.count else { return true }
        visitor.nextByte = Stopwatch()
        visitor.sent += 1
        return put([image[visitor.sent - 1]], to: visitor)
    }

    /// Sends the whole image. Always false, because that is the end.
    private func finish(_ visitor: Visitor) -> Bool {
        _ = put(image, to: visitor)
        shutdown(visitor.descriptor, Int32(SHUT_WR))
        return false
    }

    private func put(_ bytes: [UInt8], to visitor: Visitor) -> Bool {
        bytes.withUnsafeBytes { Foundation.send(visitor.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } == bytes.count
    }
}
