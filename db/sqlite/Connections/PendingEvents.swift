import Personas
import Synchronization

/// The events of the transaction under way, which are told once it is on disk and forgotten where it is undone. Belongs to one `GroupWriter`, on whose
/// thread alone all calls come.
final class PendingEvents: Sendable {
    private let feed: EventFeed
    private let metrics: StoreMetrics
    private let events = Mutex<[Event]>([])

    init(feed: EventFeed, metrics: StoreMetrics) {
        self.feed = feed
        self.metrics = metrics
    }

    /// How many there are: where an operation begins.
    var count: Int { events.withLock { $0.count } }

    func append(_ event: Event) { events.withLock { $0.append(event) } }

    /// Forgets those of an operation that was undone.
    func removeAll(after count: Int) { events.withLock { $0.removeSubrange(count...) } }

    /// Tells of all of them, because they are on disk.
    func publish() {
        let events = events.withLock { events in
            defer { events = [] }
            return events
        }
        // Each entry of a ledger has its event, so that none is counted which is not on disk, or twice.
        for event in events { if case .credits(let entry) = event.subject { metrics.count(entry) } }
        feed.publish(events)
    }
}
