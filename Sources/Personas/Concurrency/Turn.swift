/// Waits in a line until there is an answer, the clock runs out, or the task is cancelled, whichever comes first.
///
/// The waiter stands in the line before its clock starts. A clock that started first could run out before there was a waiter to tell, and then
/// nothing would ever end the wait.
/// - Parameters:
///   - clock: returns when the wait is to end; nil for a wait without an end. It is cancelled once there is an answer.
///   - join: stands in line with the continuation, or answers at once. Looks at `Task.isCancelled` under the lock of the line, because a
///     cancellation before it found no waiter there.
///   - leave: leaves the line, if the waiter still stands there, and answers it; told whether the task was cancelled.
func waitForTurn<Answer: Sendable>(
    clock: (@Sendable () async throws -> Void)?, join: (CheckedContinuation<Answer, Never>) -> Answer?,
    leave: @escaping @Sendable (_ isCancelled: Bool) -> Void
) async -> Answer {
    var timer: Task<Void, Never>?
    defer { timer?.cancel() }
    return await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            if let answer = join(continuation) { return continuation.resume(returning: answer) }
            guard let clock else { return }
            timer = Task {
                do {
                    try await clock()
                    leave(false)
                } catch {
                    // The clock was stopped, so there is an answer.
                }
            }
        }
    } onCancel: {
        leave(true)
    }
}

/// A task that waits in a line.
struct Waiter<Answer: Sendable>: Sendable {
    /// Tells it apart from all others of the line.
    let ticket: UInt64
    /// To be resumed once, by the caller that takes it out of the line.
    let continuation: CheckedContinuation<Answer, Never>
}
