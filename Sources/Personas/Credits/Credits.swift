/// The use cases of credits where trainings cost something.
package struct Credits: Sendable {
    /// What trainings cost.
    package let prices: CreditPrices
    /// Credits that are bought; nil where there is nobody who could be asked for any.
    let topUps: TopUps?
    let store: any CreditStore
    let smartBalances: any SmartBalanceStore
    let clock: WallClock

    /// Ties the use cases to their ports.
    /// - Parameter topUps: nil where there is no payment service.
    package init(
        prices: CreditPrices, store: any CreditStore, smartBalances: any SmartBalanceStore, topUps: TopUps?, clock: WallClock
    ) {
        self.prices = prices
        self.store = store
        self.smartBalances = smartBalances
        self.topUps = topUps
        self.clock = clock
    }

    /// How an account stands.
    package func standing(accountID: Identifier) async throws(Failure) -> CreditStanding { try await store.standing(accountID: accountID) }

    /// The same, where that needs no waiting; nil where it does.
    package func standingNow(accountID: Identifier) throws(Failure) -> CreditStanding? { try store.standingNow(accountID: accountID) }

    /// One page of an account's ledger, the newest entries first.
    /// - Parameter number: that of the entry which it follows; nil for the first page.
    package func entries(before number: Int?, limit: Int, accountID: Identifier) async throws(Failure) -> CreditPage {
        Self.page(try await store.entries(before: number, limit: limit + 1, accountID: accountID), limit: limit)
    }

    /// The same, where that needs no waiting; nil where it does.
    package func entriesNow(before number: Int?, limit: Int, accountID: Identifier) throws(Failure) -> CreditPage? {
        try store.entriesNow(before: number, limit: limit + 1, accountID: accountID).map { Self.page($0, limit: limit) }
    }

    private static func page(_ found: [CreditEntry], limit: Int) -> CreditPage {
        CreditPage(entries: Array(found.prefix(limit)), hasMore: found.count > limit)
    }

    /// Makes sure that an account can pay for a training, if need be after a top-up, as things stand. Whether it can is decided where the training begins;
    /// nothing is asked for here.
    /// - Parameter waits: whether it is waited for a top-up that is asked for already.
    /// - Throws: `insufficientCredits`, `topUpFailed`.
    func requireCoverable(_ mode: Mode, accountID: Identifier, waits: Bool = true) async throws(Failure) {
        let price = prices[mode]
        guard price > 0 else { return }
        let standing = try await store.standing(accountID: accountID)
        switch topUps == nil ? CreditStanding(balance: standing.balance).coverage(of: price) : standing.coverage(of: price) {
        case .covered, .askable: break
        case .awaited:
            if !waits || topUps?.mayComeInTime(standing) == false {
                throw .insufficientCredits(CreditShortage(price: price, balance: standing.balance, isTopUpAsked: true))
            }
        case .short: throw .insufficientCredits(CreditShortage(price: price, balance: standing.balance))
        case .paused: throw .topUpFailed
        }
    }
}
