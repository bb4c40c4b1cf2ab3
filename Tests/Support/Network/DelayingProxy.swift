import Dispatch
import Foundation
import Synchronization

/// A way to a Unix socket that takes its time, as a network does: each byte comes later than it was sent by the same time, in order, and however many
/// may be under way. For what a round trip costs, on one machine.
///
/// One thread takes what comes, another hands it on. As all that is under way takes equally long, it leaves in the order in which it came.
package final class DelayingProxy: Sendable {
    /// One end of a connection.
    private final class End: Sendable {
        let socket: Socket
        /// The other end, which belongs to the same connection for as long as that lasts.
        let other = Mutex<End?>(nil)

        init(_ socket: Socket) { self.socket = socket }
    }

    /// What is under way.
    private struct Parcel {
        let to: End
        let due: ContinuousClock.Instant
        /// No bytes for the end of the stream.
        let bytes: [UInt8]
    }

    private static let chunkBytesMax = 262_144
    private static let waitMillisecondsMax: Int32 = 100

    /// Where it listens, on 127.0.0.1.
    package let port: Int
    private let listener: Int32
    private let target: String
    private let delay: Duration
    private let parcels = Mutex<[Parcel]>([])
    private let bell = DispatchSemaphore(value: 0)
    private let isStopped = Atomic(false)
    private let ended = DispatchGroup()

    /// Starts it.
    /// - Parameters:
    ///   - path: of the Unix socket that connections lead to.
    ///   - milliseconds: that each direction takes: half of a round trip.
    package init(to path: String, milliseconds: Double) throws {
        (listener, port) = try Socket.bind(.port(0), waitingMax: 256)
        target = path
        delay = .seconds(milliseconds / 1_000)
        for work in [take, handOn] {
            ended.enter()
            Thread { [ended] in
                Self.wakeOnTime()
                work()
                ended.leave()
            }.start()
        }
    }

    /// Ends it with all its connections.
    package func stop() {
        isStopped.store(true, ordering: .relaxed)
        bell.signal()
        ended.wait()
        close(listener)
    }

    /// Has the kernel wake this thread when it asked to be, not some 50 µs later, together with others.
    private static func wakeOnTime() {
        let thread = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? ""
        guard let number = thread.split(separator: "/").last else { return }
        try? "1".write(toFile: "/proc/\(number)/timerslack_ns", atomically: false, encoding: .utf8)
    }

    @Sendable private func take() {
        var ends: [End] = []
        var buffer = [UInt8](repeating: 0, count: Self.chunkBytesMax)
        while !isStopped.load(ordering: .relaxed) {
            var entries = ([listener] + ends.map(\.socket.descriptor)).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, nfds_t(entries.count), Self.waitMillisecondsMax) > 0 else { continue }
            var over: [Int] = []
            for (index, end) in ends.enumerated() where entries[index + 1].revents != 0 {
                let received = end.socket.receive(into: &buffer, atMost: buffer.count)
                if received == .nothing { continue }
                var bytes: [UInt8] = []
                if case .bytes(let count) = received { bytes = Array(buffer[..<count]) } else { over.append(index) }
                // With the end of both directions neither knows of the other any more.
                let other = end.other.withLock { other in
                    defer { if bytes.isEmpty { other = nil } }
                    return other
                }
                if let other { send(Parcel(to: other, due: .now + delay, bytes: bytes)) }
            }
            for index in over.reversed() { ends.remove(at: index) }
            if entries[0].revents != 0 { ends += connected() }
        }
        for end in ends { end.other.withLock { $0 = nil } }
    }

    /// Both ends of the connections that have come; whoever finds the target closed finds this closed.
    private func connected() -> [End] {
        var ends: [End] = []
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return ends }
            let near = End(Socket(accepted: descriptor))
            guard let far = try? End(Socket(.path(target))) else { continue }
            near.other.withLock { $0 = far }
            far.other.withLock { $0 = near }
            ends += [near, far]
        }
    }

    private func send(_ parcel: Parcel) {
        let isFirst = parcels.withLock { parcels in
            parcels.append(parcel)
            return parcels.count == 1
        }
        if isFirst { bell.signal() }
    }

    @Sendable private func handOn() {
        while true {
            bell.wait()
            if isStopped.load(ordering: .relaxed) { return }
            let due = parcels.withLock { parcels in
                defer { parcels = [] }
                return parcels
            }
            for parcel in due {
                let left = parcel.due - .now
                if left > .zero { Self.sleep(left) }
                if parcel.bytes.isEmpty {
                    parcel.to.socket.endOutput()
                } else {
                    // One that is closed gets nothing more, as with any network.
                    try? parcel.to.socket.sendAll(parcel.bytes)
                }
            }
        }
    }

    private static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        nanosleep(&left, nil)
    }
}
