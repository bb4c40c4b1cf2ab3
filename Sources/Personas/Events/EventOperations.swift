/// Lists events of an account, oldest first, and may wait a moment for the next ones.
package struct ListEvents: AdministrationOperation {
    private let accountName: String
    private let after: String?
    private let isFromNow: Bool
    private let types: String?
    private let item: String?
    private let limit: Int
    private let waits: Bool

    /// - Parameters:
    ///   - after: a cursor; nil for the oldest events that are kept.
    ///   - isFromNow: whether those that there are already are passed over, where there is no cursor.
    ///   - types: which events, as clients ask for them; nil for all.
    ///   - item: the id of an item; nil for all.
    ///   - waits: whether a server waits a moment where there are none yet.
    package init(
        accountName: String, after: String? = nil, isFromNow: Bool = false, types: String? = nil, item: String? = nil, limit: Int,
        waits: Bool = false
    ) {
        self.accountName = accountName
        self.after = after
        self.isFromNow = isFromNow
        self.types = types
        self.item = item
        self.limit = Limits.administrationRows(limit)
        self.waits = waits
    }

    /// How long it waits: briefly, because nothing that an operator asks for keeps a server from stopping.
    private static var waitMax: Duration { .seconds(1) }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> EventsReport {
        let (filter, cursor) = try checked()
        let stores = administration.stores
        let account = try await stores.accounts.account(named: try Account.normalName(accountName))
        if let id = filter.itemID {
            let standing = try await stores.events.standing(of: id, mode: nil, accountID: account.id)
            guard standing != .unknown else { throw .notFound }
        }
        let isServed = administration.presence.report != nil
        let signal = WakeSignal()
        let bell = stores.feed.follow(account.id) { _ in signal.notify() }
        defer { stores.feed.end(bell) }
        let seen = signal.count
        var page = try await page(filter, after: cursor, account.id, stores)
        if page.events.isEmpty, !page.hasMore, !page.isGap, waits, isServed {
            await signal.wait(after: seen, atMost: Self.waitMax)
            page = try await self.page(filter, after: EventCursor(sequence: page.last, epoch: stores.epoch.epoch), account.id, stores)
        }
        return EventsReport(page, epoch: stores.epoch.epoch, isServed: isServed)
    }

    private func checked() throws(Failure) -> (EventFilter, EventCursor?) {
        var filter = EventFilter()
        do throws(Violation) {
            filter.types = try EventFilter.types(types)
        } catch {
            throw .invalid([error])
        }
        if let item { filter.itemID = try Identifier(argument: item) }
        let cursor = after.flatMap { EventCursor($0) }
        guard after == nil || cursor != nil else { throw .invalid([Violation("after", "is not the cursor of an event")]) }
        return (filter, cursor)
    }

    private func page(
        _ filter: EventFilter, after cursor: EventCursor?, _ accountID: Identifier, _ stores: any AdministrationStores
    ) async throws(Failure) -> EventPage {
        if cursor == nil, isFromNow {
            return EventPage(events: [], hasMore: false, last: try await stores.events.lastSequence(accountID: accountID))
        }
        // No sequence is as large, so that a place in another life of the database is none in this one.
        let sequence = cursor.map { $0.isOf(stores.epoch.epoch) ? $0.sequence : Int64.max }
        return try await stores.events.events(filter, after: sequence, limit: limit, accountID: accountID)
    }
}

/// Events as operators look at them.
package struct EventsReport: Sendable, Codable {
    /// The events.
    package let events: [EventReport]
    /// The cursor from which to go on.
    package let next: String
    /// Whether there may be more by now.
    package let hasMore: Bool
    /// Whether events after the cursor that was given are gone, or the database is another; then there are none here, and `next` is the latest.
    package let isGap: Bool
    /// Whether the process that answers serves, so that there will be further ones.
    package let isServed: Bool

    init(_ page: EventPage, epoch: RandomToken, isServed: Bool) {
        events = page.events.map { EventReport($0, epoch: epoch) }
        next = EventCursor(sequence: page.last, epoch: epoch).description
        hasMore = page.hasMore
        isGap = page.isGap
        self.isServed = isServed
    }
}

/// An event as an operator's program sees it.
package struct EventReport: Sendable, Codable, Equatable {
    /// The place behind it.
    package let cursor: String
    /// The event's id.
    package let id: Identifier
    /// Counts the events of the account.
    package let sequence: Int64
    /// What it tells.
    package let type: String
    /// RFC 3339.
    package let timestamp: String
    /// The item that it tells of, if it tells of one.
    package let itemID: Identifier?
    /// The item's name after the change; nil once the item is gone for good.
    package let name: String?
    /// The item's status after the change; nil once the item is gone for good.
    package let status: Status?
    /// The members that were changed.
    package let changed: [String]
    /// The request that brought it about, if one of the account's did.
    package let requestID: String?

    init(_ event: Event, epoch: RandomToken) {
        cursor = EventCursor(sequence: event.sequence, epoch: epoch).description
        id = event.id
        sequence = event.sequence
        type = event.type.text
        timestamp = event.at.text
        itemID = event.itemID
        if case .item(let item) = event.subject { (name, status) = (item.name.text, item.status) } else { (name, status) = (nil, nil) }
        changed = event.changed
        requestID = event.requestID
    }
}
