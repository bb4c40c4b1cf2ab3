import Synchronization

/// Tells whoever follows the events of an account that there are new ones, and hands out the latest from memory.
///
/// The store publishes events here in the order of their commits, once these are on disk. A follower holds its place and a bell and nothing else: it is
/// rung, reads what it has not read when its client takes it, and so loses nothing however slow it is. Whoever begins to follow and reads the store
/// afterwards misses nothing.
package final class EventFeed: Sendable {
    /// Events that are kept in memory, of all accounts together: those of some seconds under load. Whoever lags behind reads the store.
    package static let recentMax = 4_096
    /// Bytes that they hold at most, about: an item may have many times the labels that items usually have, and each of its changes is an event.
    package static let recentBytesMax = 8 * 1_024 * 1_024

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
        var commonBells: [(signal: WakeSignal, isOfInterest: @Sendable (EventType) -> Bool)] = []
        /// The latest events of each account.
        var recent: [Identifier: RecentEvents] = [:]
        /// Whose events there are, and of what size, in the order in which they came.
        var order: [(accountID: Identifier, bytes: Int)] = []
        /// How many of `order` are over; they go when they are many.
        var orderStart = 0
        /// What the others hold.
        var bytes = 0
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
    /// - Parameter isOfInterest: of which types there have to be some.
    package func signalAlways(_ signal: WakeSignal, of isOfInterest: @escaping @Sendable (EventType) -> Bool = { _ in true }) {
        state.withLock { $0.commonBells.append((signal, isOfInterest)) }
    }

    /// Takes events that are on disk, in the order of their sequences, and rings for those who follow.
    package func publish(_ events: [Event]) {
        guard !events.isEmpty else { return }
        let (rung, signals) = state.withLock { state in
            for event in events { state.keep(event) }
            state.dropOldest()
            let signals = state.commonBells.filter { bell in events.contains { bell.isOfInterest($0.type) } }.map(\.signal)
            return (Set(events.map(\.accountID)).flatMap { state.bells[$0] ?? [] }, signals)
        }
        for (before, bell) in rung.enumerated() { bell.ring(before) }
        for signal in signals { signal.notifyHere() }
    }

    /// Rings for those who follow accounts of which there are events that the store alone can tell: those of other processes, and those of this one where
    /// others may have come between.
    package func announce(_ accountIDs: Set<Identifier>) {
        guard !accountIDs.isEmpty else { return }
        let (rung, signals) = state.withLock { state in
            (accountIDs.flatMap { state.bells[$0] ?? [] }, state.commonBells.map(\.signal))
        }
        for (before, bell) in rung.enumerated() { bell.ring(before) }
        for signal in signals { signal.notifyHere() }
    }

    /// Rings for all who follow any account, because there may be events of each that the store alone can tell.
    package func announceAll() {
        ringAll()
        for signal in state.withLock({ $0.commonBells.map(\.signal) }) { signal.notifyHere() }
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

    /// How many events are kept, and how many bytes they hold, about.
    package var recent: (count: Int, bytes: Int) { state.withLock { ($0.order.count - $0.orderStart, $0.bytes) } }

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
        let eventBytes = event.memoryBytes
        order.append((accountID, eventBytes))
        bytes += eventBytes
    }

    fileprivate mutating func dropOldest() {
        while order.count - orderStart > EventFeed.recentMax || bytes > EventFeed.recentBytesMax {
            let (accountID, eventBytes) = order[orderStart]
            orderStart += 1
            bytes -= eventBytes
            guard let known = recent[accountID] else { continue }
            known.dropFirst()
            if known.isEmpty { recent[accountID] = nil }
        }
        if orderStart > EventFeed.recentMax {
            order.removeFirst(orderStart)
            orderStart = 0
        }
    }
}
