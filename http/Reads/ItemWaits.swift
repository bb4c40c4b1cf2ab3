import CoreMetrics
import Personas
import PersonasMetrics
import Synchronization

/// The reads that wait for their item to change: how many there may be, and what wakes them. Both ways to an answer share it.
final class ItemWaits: Sendable {
    /// When to come back where too many wait. A read that does not wait is answered at any time.
    private static let retryAfterSeconds = 2
    /// Times that a read may be woken in vain. What it waits for is told as closely as it can be, so that it happens to those alone who name versions
    /// that are still to come; with many connections they would turn each change into as many reads.
    private static let vainWakesMax = 3

    private let changes: ItemChanges
    private let places: AsyncSemaphore
    private let open: Meter
    private let openCount = Mutex(0)

    /// - Parameter waitsMax: reads that wait at once; one account may have half.
    init(changes: ItemChanges, waitsMax: Int, factory: any MetricsFactory) {
        self.changes = changes
        places = AsyncSemaphore(count: waitsMax)
        open = Metric("personas_http_waits", help: "Reads that wait for their item to change.").meter(in: factory)
    }

    /// Begins a wait, if there is a place for it.
    /// - Parameter wake: see `ItemChanges.watch`.
    /// - Returns: nil where the account, or all of them, have no place left.
    func beginNow(
        _ id: Identifier, of accountID: Identifier, for interest: ItemChanges.Interest, _ wake: @escaping @Sendable (Int) -> Void
    ) -> OpenWait? {
        guard let permit = places.permit(accountID) else { return nil }
        count(1)
        return OpenWait(permit: permit, watch: changes.watch(id, of: accountID, for: interest, wake), waits: self)
    }

    /// The same.
    /// - Throws: `tooManyRequests`.
    func begin(
        _ id: Identifier, of accountID: Identifier, for interest: ItemChanges.Interest, _ wake: @escaping @Sendable (Int) -> Void
    ) throws(Failure) -> OpenWait {
        guard let wait = beginNow(id, of: accountID, for: interest, wake) else {
            throw .tooManyRequests(.waits, retryAfterSeconds: Self.retryAfterSeconds)
        }
        return wait
    }

    /// Whether a read that was woken so often goes on waiting.
    static func mayGoOn(vainWakes: Int) -> Bool { vainWakes <= vainWakesMax }

    fileprivate func end(_ watch: ItemChanges.Watch) {
        changes.end(watch)
        count(-1)
    }

    private func count(_ difference: Int) {
        openCount.withLock { count in
            count += difference
            open.set(count)
        }
    }
}

/// A read that waits. It ends with the last reference to this.
final class OpenWait: Sendable {
    private let permit: AsyncSemaphore.Permit
    private let watch: ItemChanges.Watch
    private let waits: ItemWaits

    fileprivate init(permit: AsyncSemaphore.Permit, watch: ItemChanges.Watch, waits: ItemWaits) {
        self.permit = permit
        self.watch = watch
        self.waits = waits
    }

    deinit { waits.end(watch) }
}
