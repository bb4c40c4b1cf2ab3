import NIOCore
import NIOPosix
import Synchronization

/// The result of work that cannot be hurried, which its waiter gets at the deadline at the latest, whatever is still under way.
///
/// A task group would not do: it waits for all its children, and neither a name lookup nor a closing connection ends because it is cancelled.
final class DeadlineResult<Success: Sendable, Problem: Error>: Sendable {
    typealias Value = Result<Success, Problem>

    private struct State {
        var value: Value?
        var waiter: CheckedContinuation<Value, Never>?
        var timer: Scheduled<Void>?
    }

    private let state = Mutex(State())

    /// What is resolved when time is up, or when its waiter is cancelled.
    private let overdue: Value

    init(overdue: Problem) {
        self.overdue = .failure(overdue)
    }

    /// Does work that closes connections behind it, and returns its result, or what stands for being late. The work is cancelled then.
    /// - Parameters:
    ///   - work: may go on after this has returned, for as long as a connection takes to close.
    ///   - ended: called when nothing of it is left.
    static func of(
        overdue: Problem, before deadline: ContinuousClock.Instant, _ work: @escaping @Sendable (inout DiscardingTaskGroup) async -> Value,
        ended: @escaping @Sendable () -> Void
    ) async -> Value {
        let outcome = DeadlineResult(overdue: overdue)
        outcome.arm(until: deadline)
        let task = Task {
            await withDiscardingTaskGroup { closing in outcome.resolve(await work(&closing)) }
            ended()
        }
        let result = await outcome.wait()
        task.cancel()
        return result
    }

    /// Waits for the value. To be called once.
    func wait() async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state in
                    if state.value == nil { state.waiter = continuation }
                    return state.value
                }
                if let value { continuation.resume(returning: value) }
            }
        } onCancel: {
            resolve(overdue)
        }
    }

    /// Sets the value, unless it is set already.
    func resolve(_ value: Value) {
        let (waiter, timer) = state.withLock { state -> (CheckedContinuation<Value, Never>?, Scheduled<Void>?) in
            guard state.value == nil else { return (nil, nil) }
            state.value = value
            defer { (state.waiter, state.timer) = (nil, nil) }
            return (state.waiter, state.timer)
        }
        timer?.cancel()
        waiter?.resume(returning: value)
    }

    /// Sets when time is up, in place of what was set before.
    func arm(until deadline: ContinuousClock.Instant) {
        // A day stands for every longer time, so that no deadline is too far for the event loop's clock.
        let remaining = min(ContinuousClock.now.duration(to: deadline), .seconds(86_400))
        guard remaining > .zero else { return resolve(overdue) }
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: TimeAmount(remaining)) { self.resolve(self.overdue) }
        let superfluous = state.withLock { state in
            guard state.value == nil else { return Optional(timer) }
            defer { state.timer = timer }
            return state.timer
        }
        superfluous?.cancel()
    }
}
