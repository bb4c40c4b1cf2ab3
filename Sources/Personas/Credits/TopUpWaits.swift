import Synchronization

/// Tells creates that wait for a top-up of their account that it has come to its outcome. Whoever waits holds nothing else.
package final class TopUpWaits: Sendable {
    private struct Line {
        let signal = WakeSignal()
        var count = 0
    }

    private struct State {
        /// Whether somebody asks for top-ups in this process.
        var isServed = false
        var lines: [Identifier: Line] = [:]
    }

    private let state = Mutex(State())

    /// Nobody waits, and nobody asks.
    package init() {}

    /// How many wait.
    package var count: Int { state.withLock { $0.lines.values.reduce(0) { $0 + $1.count } } }

    /// Whether anything comes of waiting, because somebody asks for top-ups in this process.
    package var isServed: Bool { state.withLock { $0.isServed } }

    /// Somebody asks for top-ups from now on.
    func begin() { state.withLock { $0.isServed = true } }

    /// Nobody does any more, so that nobody has to wait either.
    func end() {
        let signals = state.withLock { state in
            state.isServed = false
            return state.lines.values.map(\.signal)
        }
        for signal in signals { signal.notify() }
    }

    /// Wakes whoever waits for a top-up of an account.
    func settled(_ accountID: Identifier) { state.withLock { $0.lines[accountID]?.signal }?.notify() }

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
