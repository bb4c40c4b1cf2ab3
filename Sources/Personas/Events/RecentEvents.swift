/// The latest events of one account, oldest first, without holes. Belongs to the state of one feed, and is touched under its lock alone.
final class RecentEvents {
    /// Oldest first; nil for those that are over, which go when they are half.
    private var events: [Event?] = []
    /// How many at the beginning are over.
    private var start = 0
    /// How many have been let go of and are still to be dropped from the order of the feed.
    private var forgotten = 0
    /// Items that are gone, whose events are told reduced. Each stays until the event of its end is dropped, which is its last.
    private var gone: Set<Identifier> = []

    var isEmpty: Bool { start == events.count && forgotten == 0 }

    func append(_ event: Event) {
        // A hole would have a reader miss what fell into it.
        if let last = events.last ?? nil, last.sequence + 1 != event.sequence { forgetAll() }
        if case .gone(let id, _) = event.subject { gone.insert(id) }
        events.append(event)
    }

    func dropFirst() {
        guard forgotten == 0 else { return forgotten -= 1 }
        if case .gone(let id, _) = events[start]?.subject { gone.remove(id) }
        events[start] = nil
        start += 1
        guard start * 2 > events.count else { return }
        events.removeFirst(start)
        start = 0
    }

    func events(after sequence: Int64, limit: Int) -> [Event]? {
        guard start < events.count, let first = events[start], let last = events[events.count - 1], sequence >= first.sequence - 1 else {
            return nil
        }
        // There are no holes, so that the place of a sequence is known.
        let place = start + Int(min(sequence, last.sequence) - first.sequence + 1)
        return events[place...].prefix(limit).compactMap { event in
            guard let event, let id = event.itemID, gone.contains(id) else { return event }
            return event.reduced
        }
    }

    private func forgetAll() {
        forgotten += events.count - start
        events = []
        start = 0
        gone = []
    }
}
