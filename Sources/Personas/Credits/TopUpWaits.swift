import Synchronization

/// Tells creates that wait for a top-up of their account that it has come to its outcome. Whoever waits holds nothing else.
package final class TopUpWaits: Sendable {
    private struct Line {
        let signal = WakeSignal()
        var count = 0
    }

    private struct State {
        /// How many ask for top-ups whose outcomes are told here.
        var serverCount = 0
        var lines: [Identifier: Line] = [:]
        var forward: (@Sendable (Identifier) -> Void)?
    }

    private let state = Mutex(State())

    /// Nobody waits, and nobody asks.
    package init() {}

    /// How many wait.
    package var count: Int { state.withLock { $0.lines.values.reduce(0) { $0 + $1.count } } }

    /// Whether anything comes of waiting, because somebody asks for top-ups and tells of their outcomes here.
    package var isServed: Bool { state.withLock { $0.serverCount > 0 } }

    /// Somebody asks for top-ups from now on: the engine of this process, or one of those that share its store.
    package func begin() { state.withLock { $0.serverCount += 1 } }

    /// One does no more. When none does, nobody has to wait either.
    func end() {
        let signals = state.withLock { state in
            state.serverCount -= 1
            return state.serverCount > 0 ? [] : state.lines.values.map(\.signal)
        }
        for signal in signals { signal.notify() }
    }

    /// Has something done with each outcome that becomes known in this process: what tells other processes of it. Called from any thread, and to
    /// return at once.
    package func forward(_ forward: @escaping @Sendable (Identifier) -> Void) { state.withLock { $0.forward = forward } }

    /// Wakes whoever waits for a top-up of an account, here and wherever it is forwarded to.
    func settled(_ accountID: Identifier) {
        receive(accountID)
        state.withLock { $0.forward }?(accountID)
    }

    /// Wakes whoever waits here for a top-up of an account.
    package func receive(_ accountID: Identifier) { state.withLock { $0.lines[accountID]?.signal }?.notify() }

    /// Wakes whoever waits here, because outcomes may have been missed.
    package func receiveAll() {
        for signal in state.withLock({ $0.lines.values.map(\.signal) }) { signal.notify() }
    }

    /// Stands in the line of an account. Whoever does and then looks at the store misses no outcome.
    func join(_ accountID: Identifier) -> WakeSignal {
        state.withLock { state in
            state.lines[accountID, default: Line()].count += 1
            return state.lines[accountID, default: Line()].signal
        }
    }

    /// Leaves the line.
    func leave(_ accountID: Identifier) {
        state.withLock { state in
            state.lines[accountID]?.count -= 1
            if state.lines[accountID]?.count == 0 { state.lines[accountID] = nil }
        }
    }
}
