/// Which events somebody wants to be told.
package struct EventFilter: Sendable, Equatable {
    /// Only these types; nil for all.
    package var types: Set<EventType>?
    /// Only those of this item; nil for all.
    package var itemID: Identifier?

    /// Takes everything until its members are set.
    package init(types: Set<EventType>? = nil, itemID: Identifier? = nil) {
        self.types = types
        self.itemID = itemID
    }

    /// Whether an event is among them.
    package func matches(_ event: Event) -> Bool {
        (types?.contains(event.type) ?? true) && (itemID == nil || event.itemID == itemID)
    }
}

/// Events of an account that follow one another, oldest first.
package struct EventPage: Sendable, Equatable {
    /// Those that were asked for. Empty where `isGap`.
    package let events: [Event]
    /// Whether more follow that were not looked at: there may be some although there are no events here.
    package let hasMore: Bool
    /// The sequence up to which everything was looked at: where the next page goes on.
    package let last: Int64
    /// Whether events after the one that was named have expired, progress aside. Then `last` is that of the latest event.
    package let isGap: Bool

    package init(events: [Event], hasMore: Bool, last: Int64, isGap: Bool = false) {
        self.events = events
        self.hasMore = hasMore
        self.last = last
        self.isGap = isGap
    }
}

/// Whether there are events of an item to come.
package enum EventItemStanding: Sendable {
    /// The account never had such an item, as far as anything is left that tells of it.
    case unknown
    /// Its training is under way.
    case processing
    /// Its training has ended, or it is not in its collection any more.
    case settled
}

/// Remembers what became of the items of accounts. Events are written by the stores whose writes they tell of, in the same transaction.
package protocol EventStore: Sendable {
    /// The events of an account after a sequence, or from the oldest that is kept, at most `limit` of them. One call passes over `Limits.eventsPassedMax` at
    /// most. A sequence that is still to be given is one of another life of the account's events, and comes out as a gap.
    func events(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) async throws(Failure) -> EventPage
    /// The same, where that needs no waiting; nil where it does. Passes over `Limits.eventsPassedNowMax` at most.
    func eventsNow(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) throws(Failure) -> EventPage?
    /// The sequence of the latest event of an account; 0 before the first.
    func lastSequence(accountID: Identifier) async throws(Failure) -> Int64
    /// The same, where that needs no waiting; nil where it does.
    func lastSequenceNow(accountID: Identifier) throws(Failure) -> Int64?
    /// What there is to know of an item whose events are asked for.
    /// - Parameter mode: the one that it has to be of; nil for either.
    func standing(of itemID: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> EventItemStanding
    /// The same, where that needs no waiting; nil where it does.
    func standingNow(of itemID: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> EventItemStanding?
    /// Takes away what has expired, and what is left in events of items that are gone, at most `limit` events in one transaction.
    /// - Parameters:
    ///   - progressBefore: events of progress from before this moment have expired.
    ///   - before: so have all others from before this one.
    /// - Returns: how many were done; fewer than `limit` once nothing is left.
    func clear(progressBefore: Timestamp, before: Timestamp, limit: Int) async throws(Failure) -> Int
}
