import Synchronization

/// Tells whoever follows the events of an account that there are new ones, and hands out the latest from memory.
///
/// The store publishes events here in the order of their commits, once these are on disk. A follower holds its place and a bell and nothing else: it is
/// rung, reads what it has not read when its client takes it, and so loses nothing however slow it is. Whoever begins to follow and reads the store
/// afterwards misses nothing.
package final class EventFeed: Sendable {
    /// Events that are kept in memory, of all accounts together: those of some seconds under load. Whoever lags behind reads the store.
    package static let recentMax = 4_096

    /// One that follows an account.
    package final class Bell: Sendable, Hashable {
        fileprivate let accountID: Identifier
        fileprivate let ring: @Sendable (Int) -> Void

        fileprivate init(_ accountID: Identifier, _ ring: @escaping @Sendable (Int) -> Void) {
            self.accountID = accountID
            self.ring = ring
        }

        /// Whether it is the same one.
        package static func == (left: Bell, right: Bell) -> Bool { left === right }

        /// Tells it from others.
        package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
    }

    fileprivate struct State {
        var bells: [Identifier: Set<Bell>] = [:]
        /// Rung whatever account there are events of.
        var commonBells: [WakeSignal] = []
        /// The latest events of each account.
        var recent: [Identifier: RecentEvents] = [:]
        /// Whose events there are, in the order in which they came.
        var order: [Identifier] = []
        /// How many of `order` are over; they go when they are many.
        var orderStart = 0
    }

    private let state = Mutex(State())

    /// A feed that nobody follows and that knows no event.
    package init() {}

    /// How many follow.
    package var bellCount: Int { state.withLock { $0.bells.values.reduce(0) { $0 + $1.count } } }

    /// Begins to follow an account.
    /// - Parameter ring: called from any thread after each commit with events of the account, and to return at once. It is told how many others the
    ///   same events have rung for before, so that very many need not all do something in the same moment.
    package func follow(_ accountID: Identifier, _ ring: @escaping @Sendable (_ before: Int) -> Void) -> Bell {
        let bell = Bell(accountID, ring)
        _ = state.withLock { $0.bells[accountID, default: []].insert(bell) }
        return bell
    }

    /// Ends following. A call of `ring` may still be under way.
    package func end(_ bell: Bell) {
        state.withLock { state in
            state.bells[bell.accountID]?.remove(bell)
            if state.bells[bell.accountID]?.isEmpty == true { state.bells[bell.accountID] = nil }
        }
    }

    /// Has a signal given whenever there are events of any account, for as long as the feed is there.
    package func signalAlways(_ signal: WakeSignal) { state.withLock { $0.commonBells.append(signal) } }

    /// Takes events that are on disk, in the order of their sequences, and rings for those who follow.
    package func publish(_ events: [Event]) {
        guard !events.isEmpty else { return }
        let (rung, signals) = state.withLock { state in
            for event in events { state.keep(event) }
            state.dropOldest()
            return (Set(events.map(\.accountID)).flatMap { state.bells[$0] ?? [] }, state.commonBells)
        }
        for (before, bell) in rung.enumerated() { bell.ring(before) }
        for signal in signals { signal.notify() }
    }

    /// Rings for those who follow an account without events: something about it has changed, or it is gone.
    package func ring(_ accountID: Identifier) {
        for (before, bell) in state.withLock({ state in Array(state.bells[accountID] ?? []) }).enumerated() { bell.ring(before) }
    }

    /// Rings for all, because something has changed that may concern each.
    package func ringAll() {
        let rung: [Bell] = state.withLock { state in state.bells.values.flatMap { Array($0) } }
        for (before, bell) in rung.enumerated() { bell.ring(before) }
    }

    /// The first events of an account after a sequence, at most `limit`, if memory has all that follow it; nil where the store has to be asked.
    package func recent(after sequence: Int64, limit: Int, accountID: Identifier) -> [Event]? {
        state.withLock { $0.recent[accountID]?.events(after: sequence, limit: limit) }
    }
}

extension EventFeed.State {
    fileprivate mutating func keep(_ event: Event) {
        let accountID = event.accountID
        let known = recent[accountID] ?? RecentEvents()
        recent[accountID] = known
        known.append(event)
        order.append(accountID)
    }

    fileprivate mutating func dropOldest() {
        while order.count - orderStart > EventFeed.recentMax {
            let accountID = order[orderStart]
            orderStart += 1
            recent[accountID]?.dropFirst()
            if recent[accountID]?.isEmpty == true { recent[accountID] = nil }
        }
        if orderStart > EventFeed.recentMax {
            order.removeFirst(orderStart)
            orderStart = 0
        }
    }
}

/// The latest events of one account, oldest first, without holes. Belongs to the state of one feed, and is touched under its lock alone.
private final class RecentEvents {
    private var events: [Event] = []
    /// How many at the beginning are over; they go when they are half.
    private var start = 0
    /// How many have been let go of and are still to be dropped from the order of the feed.
    private var forgotten = 0

    var isEmpty: Bool { start == events.count && forgotten == 0 }

    func append(_ event: Event) {
        if case .gone(let id, _) = event.subject { reduce(id) }
        // A hole would have a reader miss what fell into it.
        if let last = events.last, last.sequence + 1 != event.sequence { forgetAll() }
        events.append(event)
    }

    func dropFirst() {
        guard forgotten == 0 else { return forgotten -= 1 }
        start += 1
        guard start * 2 > events.count else { return }
        events.removeFirst(start)
        start = 0
    }

    func events(after sequence: Int64, limit: Int) -> [Event]? {
        guard start < events.count, let last = events.last, sequence >= events[start].sequence - 1 else { return nil }
        // There are no holes, so that the place of a sequence is known.
        let place = start + Int(min(sequence, last.sequence) - events[start].sequence + 1)
        return Array(events[place...].prefix(limit))
    }

    /// Forgets what an item was like that is gone.
    private func reduce(_ id: Identifier) {
        for place in start..<events.count where events[place].itemID == id { events[place] = events[place].reduced }
    }

    private func forgetAll() {
        forgotten += events.count - start
        events = []
        start = 0
    }
}
