import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// The tasks of a server's connections, each of which ends at the same cost however many others there are.
///
/// Hummingbird 2.28 runs all connections as children of one task group, and a child of a group that ends is looked for among all others, the
/// oldest first (Swift 6.3): beside 10,000 idle connections each short one cost three milliseconds of processor. So the group gets one child
/// that stays for as long as there are connections and stands for all of them: the group waits for it, and they are cancelled with it.
final class ConnectionTasks: Sendable {
    private struct State {
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var nextID: UInt64 = 0
        /// Whether a call of `run` stays for all.
        var isAttended = false
        /// Ends that call.
        var attendant: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Starts the work of a connection. Returns at once where an earlier call stays for all connections; else it is this one that stays, until
    /// none is left.
    func run(_ work: @escaping @Sendable () async -> Void) async {
        guard self.start(work) else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = self.state.withLock { state in
                    guard state.tasks.isEmpty else {
                        state.attendant = continuation
                        return false
                    }
                    state.isAttended = false
                    return true
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            for task in self.state.withLock({ Array($0.tasks.values) }) { task.cancel() }
        }
    }

    /// Returns whether the caller has to stay.
    private func start(_ work: @escaping @Sendable () async -> Void) -> Bool {
        self.state.withLock { state in
            state.nextID += 1
            let id = state.nextID
            // It cannot end before it is entered, because its end waits for the lock.
            let task = Task {
                await work()
                self.end(id)
            }
            state.tasks[id] = task
            if Task.isCancelled { task.cancel() }
            defer { state.isAttended = true }
            return !state.isAttended
        }
    }

    private func end(_ id: UInt64) {
        let attendant = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.tasks[id] = nil
            guard state.tasks.isEmpty, let attendant = state.attendant else { return nil }
            (state.isAttended, state.attendant) = (false, nil)
            return attendant
        }
        attendant?.resume()
    }
}

/// A kind of connection whose tasks are ``ConnectionTasks``.
struct TaskedChannel<Inner: ServerChildChannel>: ServerChildChannel {
    let inner: Inner
    let tasks = ConnectionTasks()

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Inner.Value> {
        self.inner.setup(channel: channel, logger: logger)
    }

    func handle(value: Inner.Value, logger: Logger) async {
        await self.tasks.run { await self.inner.handle(value: value, logger: logger) }
    }
}
