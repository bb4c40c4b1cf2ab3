import CoreMetrics
import Synchronization

/// Bounds how many downloads run at once; the others wait in the order in which they came.
final class DownloadSlots: Sendable {
    private struct State {
        var free: Int
        var nextTicket: UInt64 = 0
        var waiting: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private let state: Mutex<State>
    private let waiting: Meter

    /// - Parameter waiting: told how many wait.
    init(count: Int, waiting: Meter) {
        state = Mutex(State(free: count))
        self.waiting = waiting
    }

    /// How many slots are free.
    var free: Int { state.withLock { $0.free } }

    /// Waits for a slot. True: the caller holds one and must release it. False: the task was cancelled first.
    func acquire() async -> Bool {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // Checked under the lock: a cancellation either is seen here or finds the ticket in the queue.
                    if Task.isCancelled { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((ticket, continuation))
                    waiting.set(state.waiting.count)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                defer { waiting.set(state.waiting.count) }
                return state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0).continuation }
            }
            continuation?.resume(returning: false)
        }
    }

    /// Gives a slot to the longest waiting, or back.
    func release() {
        let continuation: CheckedContinuation<Bool, Never>? = state.withLock { state in
            if !state.waiting.isEmpty {
                defer { waiting.set(state.waiting.count) }
                return state.waiting.removeFirst().continuation
            }
            state.free += 1
            return nil
        }
        continuation?.resume(returning: true)
    }
}
