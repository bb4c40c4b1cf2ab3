import Dispatch
import Logging
import Synchronization

/// Takes log lines in memory and writes them in the background, so that a request never waits for the reader of the log.
final class LogWriter: Sendable {
    /// The longest that a line waits.
    private static let delay = DispatchTimeInterval.milliseconds(50)
    /// Lines are dropped, and counted, rather than fill the memory when they are not read.
    private static let pendingBytesMax = 8 * 1_024 * 1_024

    private struct State {
        var pending: [UInt8] = []
        var isScheduled = false
        var droppedLines = 0
    }

    private let state = Mutex(State())
    private let writing = Mutex(())
    private let queue = DispatchQueue(label: "personas.log")
    private let write: @Sendable ([UInt8]) -> Void

    /// Hands what it has to `write`, one call after the other.
    init(write: @escaping @Sendable ([UInt8]) -> Void = Output.log) {
        self.write = write
    }

    /// Takes a line; an urgent one is on its way at once.
    func append(_ line: [UInt8], isUrgent: Bool) {
        let needsSchedule = state.withLock { state in
            guard state.pending.count + line.count <= Self.pendingBytesMax else {
                state.droppedLines += 1
                return false
            }
            state.pending.append(contentsOf: line)
            guard !state.isScheduled else { return false }
            state.isScheduled = true
            return true
        }
        if isUrgent {
            queue.async { self.flush() }
        } else if needsSchedule {
            queue.asyncAfter(deadline: .now() + Self.delay) { self.flush() }
        }
    }

    /// Writes everything taken so far; when this returns it is out.
    func flush() {
        writing.withLock { _ in
            let (bytes, droppedLines) = state.withLock { state in
                defer { state = State() }
                return (state.pending, state.droppedLines)
            }
            if !bytes.isEmpty { write(bytes) }
            if droppedLines > 0 {
                let line = LogLine(
                    .json, time: LineLogHandler.time(), level: .warning, message: "log lines were dropped, because they were not read",
                    error: nil,
                    metadata: ["lines": .stringConvertible(droppedLines)])
                write(line.bytes)
            }
        }
    }
}
