/// One page of the trash.
package struct TrashPage: Sendable, Equatable {
    /// The items, the newest first.
    package let items: [TrashedItem]
    /// Whether more follow.
    package let hasMore: Bool
}

/// The use cases of the trash: rules and ownership above the ports. HTTP and the command line both call these.
package struct Trash: Sendable {
    /// Items that expire in one transaction, so that no other write waits behind all of them.
    package static let itemsAtOnce = 20

    private let store: any TrashStore
    private let policy: ContentPolicy
    private let signals: WorkSignals
    private let clock: WallClock

    /// Ties the use cases to their ports.
    package init(store: any TrashStore, policy: ContentPolicy, signals: WorkSignals, clock: WallClock) {
        self.store = store
        self.policy = policy
        self.signals = signals
        self.clock = clock
    }

    /// Puts an item into the trash. Its links are dead when this returns, and its bytes stay.
    /// - Parameters:
    ///   - precondition: what the item has to be for that.
    ///   - requestID: the id of the request.
    /// - Throws: `notFound`, `stillProcessing`, `preconditionFailed`.
    package func put(
        _ id: Identifier, mode: Mode?, accountID: Identifier, if precondition: Precondition = .none, requestID: String? = nil
    ) async throws(Failure) -> TrashedItem {
        try await store.put(
            id, mode: mode, accountID: accountID, if: precondition, in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// One page of what the caller has in the trash.
    package func page(mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier) async throws(Failure) -> TrashPage {
        let found = try await store.page(mode: mode, after: after, limit: limit + 1, accountID: accountID)
        return TrashPage(items: Array(found.prefix(limit)), hasMore: found.count > limit)
    }

    /// Takes an item out of the trash, as it was but for what it is given anew, by the rules of a create.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - change: what it is given anew: a name, or its owner's own id.
    ///   - precondition: what the item has to be for that.
    ///   - claim: the claim on the client's idempotency key, under which the item is recorded.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `blockedContent`, `notFound`, `nameReserved`, `nameTaken`, `externalIDTaken`, `preconditionFailed`.
    package func restore(
        _ id: Identifier, accountID: Identifier?, change: PikzonalityChange, if precondition: Precondition = .none,
        claim: IdempotencyClaim<Pikzonality>? = nil, audit: AuditNote<Pikzonality>? = nil, requestID: String? = nil
    ) async throws(Failure) -> Pikzonality {
        try policy.check(change.texts)
        return try await store.restore(
            id, accountID: accountID, change: change, if: precondition,
            in: WriteContext(at: clock.now, claim: claim, audit: audit, requestID: requestID))
    }

    /// Removes an item from the trash for good. Its bytes leave the disk soon after.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: what the item has to be for that.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `notFound`, `preconditionFailed`.
    package func purge(
        _ id: Identifier, accountID: Identifier?, if precondition: Precondition = .none, audit: AuditNote<Mode>? = nil,
        requestID: String? = nil
    ) async throws(Failure) -> Mode {
        let mode = try await store.purge(
            id, accountID: accountID, if: precondition, in: WriteContext(at: clock.now, audit: audit, requestID: requestID))
        signals.removals.notify()
        return mode
    }

    /// Removes what has been in the trash long enough, a few items at a time.
    /// - Returns: how many went.
    package func purgeExpired() async throws(Failure) -> Int {
        var total = 0
        var count: Int
        repeat {
            count = try await store.purgeExpired(at: clock.now, limit: Self.itemsAtOnce)
            total += count
            if count > 0 { signals.removals.notify() }
        } while count == Self.itemsAtOnce && !Task.isCancelled
        return total
    }
}
