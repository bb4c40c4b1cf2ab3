import Foundation

/// Wakes a thread that waits for a socket: a pipe that it waits for as well.
final class PulseBell: Sendable {
    /// What becomes readable when it is rung; negative where the process has no descriptor left, so that the thread looks when its time is over.
    let descriptor: Int32
    private let end: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            (descriptor, end) = (-1, -1)
            return
        }
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (descriptor, end) = (ends[0], ends[1])
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        if end >= 0 { close(end) }
    }

    /// Wakes the thread, if it waits; else it does not wait the next time. Never waits itself: a full pipe has been rung often enough.
    func ring() {
        var byte: UInt8 = 1
        _ = write(end, &byte, 1)
    }

    /// Takes what was rung.
    func take() {
        var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        while withUnsafeMutableBytes(of: &bytes, { read(descriptor, $0.baseAddress, $0.count) }) == 32 {}
    }

    /// Waits until it is rung, or the time is over.
    func wait(milliseconds: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, milliseconds)
    }
}
