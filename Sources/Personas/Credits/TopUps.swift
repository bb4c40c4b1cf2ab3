/// The use cases of Smart Balance where there is a payment service.
package struct TopUps: Sendable {
    /// How long a create waits for top-ups in all: as long as one question to the payment service may take.
    package static let waitMax = Duration.seconds(TopUpRules.attemptSecondsMax)

    private let store: any SmartBalanceStore
    private let waits: TopUpWaits
    private let asked: WakeSignal
    private let clock: WallClock
    private let waitMax: Duration

    /// Ties the use cases to their ports.
    /// - Parameters:
    ///   - waits: told by whoever asks for top-ups.
    ///   - waitMax: how long a create waits.
    package init(
        store: any SmartBalanceStore, waits: TopUpWaits, signals: WorkSignals, clock: WallClock, waitMax: Duration = Self.waitMax
    ) {
        self.store = store
        self.waits = waits
        asked = signals.topUps
        self.clock = clock
        self.waitMax = waitMax
    }

    /// Does what is to be paid for, as soon as the balance covers it: at once, or after a top-up, which is waited for. Whoever waits holds no connection
    /// to the store, and is one of the requests of its own key alone.
    /// - Parameter body: throws `insufficientCredits`, and has done nothing then. It may be called several times.
    /// - Throws: `insufficientCredits` where no top-up would help, or its outcome is not known in time; `topUpFailed`; what the body throws else.
    func paying<Value>(for accountID: Identifier, _ body: () async throws(Failure) -> Value) async throws(Failure) -> Value {
        var deadline: ContinuousClock.Instant?
        while true {
            let shortage: CreditShortage
            do throws(Failure) {
                return try await body()
            } catch .insufficientCredits(let found) {
                shortage = found
            }
            let end = deadline ?? .now + waitMax
            deadline = end
            try await cover(shortage.price, for: accountID, before: end)
        }
    }

    /// Whether the outcome of a top-up that is asked for may be known in time. After several questions without one the next is far away, and whoever
    /// waited for that would hold a place among the requests of its key for nothing.
    /// - Parameter limit: how long it is waited for; by default as long as a create that comes now does.
    func mayComeInTime(_ standing: CreditStanding, within limit: Duration? = nil) -> Bool {
        guard let next = standing.topUp?.nextAttemptAt else { return true }
        return .milliseconds(next.milliseconds - clock.now.milliseconds) <= limit ?? waitMax
    }

    private func left(before deadline: ContinuousClock.Instant) -> Duration { ContinuousClock.now.duration(to: deadline) }

    /// Waits until the balance covers a price, and has a top-up asked for where that helps.
    private func cover(_ price: Int, for accountID: Identifier, before deadline: ContinuousClock.Instant) async throws(Failure) {
        let settled = waits.join(accountID)
        defer { waits.leave(accountID) }
        while true {
            let seen = settled.count
            let standing = try await store.ask(toCover: price, accountID: accountID, at: clock.now)
            switch standing.coverage(of: price) {
            case .covered: return
            case .awaited where mayComeInTime(standing, within: left(before: deadline)): asked.notify()
            case .awaited: throw .insufficientCredits(CreditShortage(price: price, balance: standing.balance, isTopUpAsked: true))
            case .askable, .short: throw .insufficientCredits(CreditShortage(price: price, balance: standing.balance))
            case .paused: throw .topUpFailed
            }
            let left = left(before: deadline)
            guard waits.isServed, left > .zero, !Task.isCancelled else {
                throw .insufficientCredits(CreditShortage(price: price, balance: standing.balance, isTopUpAsked: true))
            }
            await settled.wait(after: seen, atMost: left)
        }
    }
}
