import CoreMetrics
import NIOCore
import Personas
import PersonasMetrics
import Synchronization

/// The streams of events that are open: how many there may be, how long they last, and what wakes them. Both ways to an answer share it.
final class EventStreams: Sendable {
    /// When to come back where too many are open.
    private static let retryAfterSeconds = 5
    /// How many of those that follow one account look for events in the same millisecond: as many as leave some of the processor to others.
    private static let looksPerMillisecond = 64

    private struct Places {
        var open: [Identifier: Int] = [:]
        var openCount = 0
    }

    let feed: EventFeed
    private let bounds: EventStreamBounds
    private let places = Mutex(Places())
    private let draining = Atomic(false)
    private let open: Meter
    private let sent: Counter
    private let lag: CoreMetrics.Timer

    init(feed: EventFeed, bounds: EventStreamBounds, factory: any MetricsFactory) {
        self.feed = feed
        self.bounds = bounds
        open = Metric("personas_http_event_streams", help: "Streams of events that are open.").meter(in: factory)
        sent = Metric("personas_http_events_sent_total", help: "Events sent on streams, each as often as it was sent.").counter(in: factory)
        lag = Metric(
            "personas_http_event_lag_seconds", help: "Seconds from the commit of an event to its being sent to one who follows its account."
        ).timer(in: factory)
    }

    /// How long a stream may be silent.
    var pingInterval: TimeAmount { TimeAmount(bounds.pingInterval) }

    /// How long a stream lasts that begins now: not all equally long, so that those that began together do not come back together.
    func lifetime() -> TimeAmount {
        let nanoseconds = Double(TimeAmount(bounds.lifetime).nanoseconds)
        return .nanoseconds(Int64(nanoseconds * Double.random(in: 0.9...1.1)))
    }

    /// Whether the server is about to stop, so that streams from before that end.
    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Ends the streams that are open. Those that are opened afterwards last until the server stops.
    func drain() {
        draining.store(true, ordering: .relaxed)
        feed.ringAll()
    }

    /// Begins to follow an account for a stream, if there is a place for it.
    /// - Parameters:
    ///   - ring: takes note of what is rung for.
    ///   - wake: called from any thread when there may be something to send, with the time after which to look.
    /// - Returns: nil where the account, or all of them, have no place left.
    func beginNow(
        _ accountID: Identifier, _ ring: EventRing, _ wake: @escaping @Sendable (TimeAmount) -> Void
    ) -> OpenEventStream? {
        let isAdmitted = places.withLock { places in
            let own = places.open[accountID] ?? 0
            guard own < bounds.perAccountMax, places.openCount < bounds.allMax else { return false }
            places.open[accountID] = own + 1
            places.openCount += 1
            open.set(places.openCount)
            return true
        }
        guard isAdmitted else { return nil }
        let bell = feed.follow(accountID) { before in
            ring.note()
            wake(.milliseconds(Int64(before / Self.looksPerMillisecond)))
        }
        return OpenEventStream(accountID: accountID, bell: bell, ring: ring, streams: self)
    }

    /// The same.
    /// - Throws: `tooManyRequests`.
    func begin(
        _ accountID: Identifier, _ ring: EventRing, _ wake: @escaping @Sendable (TimeAmount) -> Void
    ) throws(Failure) -> OpenEventStream {
        guard let stream = beginNow(accountID, ring, wake) else {
            throw .tooManyRequests(.streams, retryAfterSeconds: Self.retryAfterSeconds)
        }
        return stream
    }

    /// Counts events that are on their way.
    /// - Parameter ring: what was rung for them.
    fileprivate func note(sent count: Int, after ring: EventRing) {
        let rungAt = ring.take()
        guard count > 0 else { return }
        sent.increment(by: Int64(count))
        if let rungAt { lag.recordNanoseconds((NIODeadline.now() - rungAt).nanoseconds) }
    }

    fileprivate func end(_ bell: EventFeed.Bell, of accountID: Identifier) {
        feed.end(bell)
        places.withLock { places in
            let left = (places.open[accountID] ?? 0) - 1
            places.open[accountID] = left > 0 ? left : nil
            places.openCount -= 1
            open.set(places.openCount)
        }
    }
}

/// How many streams of events there may be, and for how long.
package struct EventStreamBounds: Sendable {
    /// Streams of one account at once.
    package var perAccountMax = 10
    /// Streams at once.
    package var allMax = 10_000
    /// How long a stream may be silent: less than proxies wait for a sign of life.
    package var pingInterval = Duration.seconds(12)
    /// How long a stream lasts, by a tenth more or less.
    package var lifetime = Duration.seconds(1_800)

    /// The defaults.
    package init() {}
}

/// A stream that is open. It ends with the last reference to this.
final class OpenEventStream: Sendable {
    private let accountID: Identifier
    private let bell: EventFeed.Bell
    private let ring: EventRing
    private let streams: EventStreams

    fileprivate init(accountID: Identifier, bell: EventFeed.Bell, ring: EventRing, streams: EventStreams) {
        self.accountID = accountID
        self.bell = bell
        self.ring = ring
        self.streams = streams
    }

    /// Counts events that are on their way, none where there was nothing to send.
    func note(sent count: Int) { streams.note(sent: count, after: ring) }

    deinit { streams.end(bell, of: accountID) }
}

/// Since when there is something to send on a stream, and how often that was said.
final class EventRing: Sendable {
    private let rungAt = Atomic<UInt64>(0)
    private let rungCount = Atomic(0)

    /// How often the stream was rung for so far. What was rung for before this is read is found by a look that begins afterwards.
    var count: Int { rungCount.load(ordering: .acquiring) }

    fileprivate func note() {
        rungCount.add(1, ordering: .releasing)
        _ = rungAt.compareExchange(expected: 0, desired: NIODeadline.now().uptimeNanoseconds, ordering: .relaxed)
    }

    fileprivate func take() -> NIODeadline? {
        let rungAt = rungAt.exchange(0, ordering: .relaxed)
        return rungAt > 0 ? .uptimeNanoseconds(rungAt) : nil
    }
}
