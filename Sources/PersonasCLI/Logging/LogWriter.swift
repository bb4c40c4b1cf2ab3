import Dispatch
import Logging
import Personas
import Synchronization

/// Takes log lines in memory and writes them in the background, so that a request never waits for the reader of the log.
final class LogWriter: Sendable {
    /// The longest that a line waits.
    private static let delay = DispatchTimeInterval.milliseconds(50)
    /// Lines are dropped, and counted, rather than fill the memory when they are not read.
    private static let pendingBytesMax = 8 * 1_024 * 1_024
    /// Room that is kept for the next lines when some are written, so that a busy service does not make it anew each time.
    private static let keptRoomBytesMax = 1_024 * 1_024

    private struct State {
        var pending = LogText()
        var isScheduled = false
        var droppedLines = 0
    }

    private let state = Mutex(State())
    /// Held while lines are written. The text in it is empty between two times, and has the room of the last.
    private let writing = Mutex(LogText())
    private let queue = DispatchQueue(label: "personas.log")
    private let write: @Sendable ([UInt8]) -> Void

    /// Hands what it has to `write`, one call after the other.
    init(write: @escaping @Sendable ([UInt8]) -> Void = Output.log) {
        self.write = write
    }

    /// Takes a line; an urgent one is on its way at once.
    func append(_ line: [UInt8], isUrgent: Bool) {
        append(isUrgent: isUrgent) { $0.put(lines: line) }
    }

    /// Takes a line where it is put, behind those that wait. It is put under a lock, and must not call what logs.
    func append(isUrgent: Bool = false, _ put: (inout LogText) -> Void) {
        let needsSchedule = state.withLock { state in
            let count = state.pending.bytes.count
            put(&state.pending)
            guard state.pending.bytes.count <= Self.pendingBytesMax else {
                state.pending.cut(to: count)
                state.droppedLines += 1
                return false
            }
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
        writing.withLock { lines in
            let droppedLines = state.withLock { state in
                // Each text changes hands whole, because one that two hold is copied by the next line.
                swap(&lines, &state.pending)
                defer { (state.isScheduled, state.droppedLines) = (false, 0) }
                return state.droppedLines
            }
            if !lines.bytes.isEmpty { write(lines.bytes) }
            lines.removeAll(keepingRoomOf: Self.keptRoomBytesMax)
            if droppedLines > 0 {
                let line = LogLine(
                    .json, time: Timestamp.now.text, level: .warning, message: "log lines were dropped, because they were not read",
                    error: nil,
                    metadata: ["lines": .stringConvertible(droppedLines)])
                write(line.bytes)
            }
        }
    }
}
