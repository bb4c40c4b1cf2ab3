/// One page of a ledger.
package struct CreditPage: Sendable, Equatable {
    /// Its entries, the newest first.
    package let entries: [CreditEntry]
    /// Whether more follow.
    package let hasMore: Bool

    package init(entries: [CreditEntry], hasMore: Bool) {
        self.entries = entries
        self.hasMore = hasMore
    }
}

/// Keeps the ledgers of accounts: nothing but adding to them is possible. What trainings cost and give back is written by whoever stores their begin and
/// their end, in the same transaction.
package protocol CreditStore: Sendable {
    /// How an account stands; with nothing, where it has never had any credits.
    func standing(accountID: Identifier) async throws(Failure) -> CreditStanding
    /// The same, where that needs no waiting; nil where it does.
    func standingNow(accountID: Identifier) throws(Failure) -> CreditStanding?
    /// At most `limit` entries of an account, the newest first.
    /// - Parameter number: that of the entry which they follow; nil for the newest.
    func entries(before number: Int?, limit: Int, accountID: Identifier) async throws(Failure) -> [CreditEntry]
    /// The same, where that needs no waiting; nil where it does.
    func entriesNow(before number: Int?, limit: Int, accountID: Identifier) throws(Failure) -> [CreditEntry]?
    /// Writes what an operator does.
    /// - Throws: `accountMissing`, `balanceTooHigh`, `balanceTooLow`.
    func adjust(
        _ adjustment: CreditAdjustment, accountID: Identifier, in context: WriteContext<CreditEntry>
    ) async throws(Failure) -> CreditEntry
}

/// An item whose training has begun, with what its account has left.
package struct StartedItem: Sendable, Equatable {
    /// The item.
    package let item: Pikzonality
    /// The balance after the charge; nil where trainings cost nothing, because there are no prices.
    package let creditsRemaining: Int?

    package init(_ item: Pikzonality, creditsRemaining: Int? = nil) {
        self.item = item
        self.creditsRemaining = creditsRemaining
    }
}
