/// One page of the states of an item.
package struct RevisionPage: Sendable, Equatable {
    /// The states, the present one first.
    package let revisions: [Revision]
    /// Whether more follow.
    package let hasMore: Bool
}

/// The use cases of an item's earlier states.
package struct Revisions: Sendable {
    private let store: any RevisionStore
    private let items: any PikzonalityStore
    private let policy: ContentPolicy
    private let clock: WallClock

    /// Ties the use cases to their ports.
    package init(store: any RevisionStore, items: any PikzonalityStore, policy: ContentPolicy, clock: WallClock) {
        self.store = store
        self.items = items
        self.policy = policy
        self.clock = clock
    }

    /// One page of the states of an item of the caller's.
    /// - Throws: `notFound`.
    package func page(
        of id: Identifier, mode: Mode?, accountID: Identifier, before number: Int?, limit: Int
    ) async throws(Failure) -> RevisionPage {
        let found = try await store.revisions(of: id, mode: mode, accountID: accountID, before: number, limit: limit + 1)
        return RevisionPage(revisions: Array(found.prefix(limit)), hasMore: found.count > limit)
    }

    /// Brings an item back to a state, as a change that sends all of it would.
    ///
    /// What a state holds never changes, so that it may be read before the transaction in which the item is changed.
    /// - Parameters:
    ///   - precondition: what the item has to be for that.
    ///   - claim: the claim on the client's idempotency key, under which the item is recorded.
    ///   - requestID: the id of the request.
    /// - Throws: `notFound`, `blockedContent`, `nameReserved`, `nameTaken`, `externalIDTaken`, `preconditionFailed`.
    package func restore(
        _ number: Int, of id: Identifier, mode: Mode?, accountID: Identifier, if precondition: Precondition = .none,
        claim: IdempotencyClaim<Pikzonality>? = nil, requestID: String? = nil
    ) async throws(Failure) -> Pikzonality {
        let change = try await store.revision(number, of: id, mode: mode, accountID: accountID).change
        try policy.check(change.texts)
        return try await items.update(
            id, mode: mode, accountID: accountID, change: change, if: precondition,
            in: WriteContext(at: clock.now, claim: claim, requestID: requestID))
    }
}
