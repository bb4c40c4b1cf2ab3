import Synchronization

/// Wakes tasks that wait for something to happen, without losing a signal between a look and the wait.
///
/// Read `count`, look whether there is work, and if not wait for a signal after that count.
package final class WakeSignal: Sendable {
    private struct State {
        var count: UInt64 = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var forward: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// A signal that was never given.
    package init() {}

    /// How often it was given.
    package var count: UInt64 { state.withLock { $0.count } }

    /// Has something done whenever it is given in this process: what tells other processes of it. Called from any thread, and to return at once.
    package func forward(_ forward: @escaping @Sendable () -> Void) { state.withLock { $0.forward = forward } }

    /// Wakes every waiting task, here and wherever it is forwarded to.
    package func notify() {
        notifyHere()
        state.withLock { $0.forward }?()
    }

    /// Wakes every waiting task of this process: for what others learn by themselves, or have told of.
    package func notifyHere() {
        let woken = state.withLock { state in
            state.count += 1
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in woken { waiter.resume() }
    }

    /// Waits until the signal is given after `seen`, the duration is over, or the task is cancelled, whichever comes first.
    package func wait(after seen: UInt64, atMost duration: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(after: seen) }
            group.addTask { try? await Task.sleep(for: duration) }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait(after seen: UInt64) async {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // A cancellation before this line found no waiter to wake, so it is looked for here, under the same lock.
                    guard state.count == seen, !Task.isCancelled else { return true }
                    state.waiters[waiter] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume()
        }
    }
}
