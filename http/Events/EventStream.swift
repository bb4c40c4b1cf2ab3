import ErrorEnvelopeHummingbird
import NIOCore
import Personas

/// One stream of events: what it sends next, on whichever way it is sent.
///
/// There is no queue. It holds up to where its client was sent everything, and reads on from there when its client has taken that: from what the feed
/// remembers, or from the store. So a slow client loses nothing, and costs nothing but its connection.
struct EventStream {
    /// What a stream is opened with, once nothing stands against it.
    struct Start {
        /// The path, which maintenance may close.
        let path: String
        /// The secret of the key, which may become worthless.
        let secret: String?
        let caller: Caller
        let filter: EventFilter
        /// Up to where the client has read; nil for one that wants to be told from now on.
        let after: EventCursor?
        let endsWhenSettled: Bool
    }

    /// What it may send in one piece: no more than a moment's work of its event loop, and of memory no more than ten thousand slow clients can have.
    private static let eventsMax = 100
    private static let bytesMax = 32_768
    /// How long nobody looks for the end of a key at most.
    private static let lookMillisecondsMax: Int64 = 3_600_000
    /// When to look again where a connection of the database was not free.
    private static let retryDelay = TimeAmount.milliseconds(5)

    private let reads: EventReads
    private let start: Start
    private let streams: EventStreams
    private let endsAt: NIODeadline
    /// Whether it was opened when the server was about to stop already, so that nothing better is to be had elsewhere.
    private let isLate: Bool

    /// Up to where everything was sent that was asked for; nil before the first look at the store.
    private var last: Int64?
    private var hasGreeted = false
    /// Whether the item may have been settled since that was looked at last.
    private var mayBeSettled: Bool
    private var sentAt: NIODeadline

    init(_ start: Start, reads: EventReads, at now: NIODeadline = .now()) {
        self.start = start
        self.reads = reads
        streams = reads.streams
        endsAt = now + streams.lifetime()
        isLate = streams.isDraining
        mayBeSettled = start.endsWhenSettled
        sentAt = now
    }

    /// What is to be sent now, with how many events are in it.
    mutating func next(at now: NIODeadline = .now()) -> (piece: StreamedPiece, eventCount: Int) {
        var piece = Piece()
        if !hasGreeted {
            piece.bytes.writeStaticString(EventFrames.retry)
            hasGreeted = true
        }
        let continuation: StreamedPiece.Continuation
        do throws(Failure) {
            continuation = try fill(&piece, at: now)
        } catch {
            // Whatever it is, a client that comes back is told of it.
            continuation = .ends
        }
        if piece.bytes.readableBytes > 0 { sentAt = now }
        return (StreamedPiece(piece.bytes, continuation), piece.eventCount)
    }

    /// What is put together in one look.
    private struct Piece {
        var bytes = ByteBuffer()
        var eventCount = 0

        mutating func add(_ frame: ByteBuffer) { bytes.writeImmutableBuffer(frame) }
    }

    private mutating func fill(_ piece: inout Piece, at now: NIODeadline) throws(Failure) -> StreamedPiece.Continuation {
        if now >= endsAt || streams.isDraining && !isLate { return .ends }
        guard let keyEnd = try deadlineOfRight(at: now) else { return .waits(until: now + Self.retryDelay) }
        switch try addEvents(to: &piece) {
        case .unread: return .waits(until: now + Self.retryDelay)
        case .more: return .more
        case .ends: return .ends
        case .all: break
        }
        if piece.bytes.readableBytes == 0, now >= sentAt + streams.pingInterval { piece.bytes.writeStaticString(EventFrames.ping) }
        let pingAt = (piece.bytes.readableBytes > 0 ? now : sentAt) + streams.pingInterval
        return .waits(until: min(pingAt, endsAt, keyEnd))
    }

    /// Until when the client may be told more; nil where that cannot be found out now.
    /// - Throws: why it may not.
    private func deadlineOfRight(at now: NIODeadline) throws(Failure) -> NIODeadline? {
        try reads.maintenance.requireOpen(start.path)
        guard let (caller, end) = try reads.authentication.admissionNow(presenting: start.secret) else { return nil }
        try caller.require(.read)
        guard let end else { return .distantFuture }
        return now + .milliseconds(min(max(1, end.milliseconds - reads.authentication.now.milliseconds), Self.lookMillisecondsMax))
    }

    private enum Outcome {
        /// Everything there is was looked at.
        case all
        /// There is more.
        case more
        /// There is nothing to come.
        case ends
        /// The store could not be asked.
        case unread
    }

    private mutating func addEvents(to piece: inout Piece) throws(Failure) -> Outcome {
        guard let last else { return try begin(&piece) }
        guard mayBeSettled, let itemID = start.filter.itemID else {
            guard let events = reads.feed.recent(after: last, limit: Self.eventsMax, accountID: start.caller.accountID) else {
                return try addStored(after: last, nil, to: &piece)
            }
            let outcome = add(
                events, isRecent: true, upTo: events.last?.sequence ?? last, hasMore: events.count == Self.eventsMax, to: &piece)
            return outcome == .all && mayBeSettled ? .more : outcome
        }
        // First, so that whatever has settled the item is among what is read next. The feed may not have been told of it yet.
        guard let standing = try reads.events.standingNow(of: itemID, mode: nil, accountID: start.caller.accountID) else { return .unread }
        return try addStored(after: last, standing, to: &piece)
    }

    /// Finds the place where the stream begins.
    private mutating func begin(_ piece: inout Piece) throws(Failure) -> Outcome {
        guard let after = start.after else {
            guard let sequence = try reads.events.lastSequenceNow(accountID: start.caller.accountID) else { return .unread }
            piece.add(reads.frames.ready(at: sequence))
            last = sequence
            return try addEvents(to: &piece)
        }
        // No sequence is as large, so that a place in another life of the database is none in this one.
        return try addStored(after: after.isOf(reads.epoch.epoch) ? after.sequence : .max, nil, to: &piece)
    }

    /// Adds what the store has.
    /// - Parameter standing: how the item stood before; nil where that was not looked at.
    private mutating func addStored(
        after sequence: Int64, _ standing: EventItemStanding?, to piece: inout Piece
    ) throws(Failure) -> Outcome {
        guard
            let page = try reads.events.eventsNow(
                start.filter, after: sequence, limit: Self.eventsMax, accountID: start.caller.accountID)
        else { return .unread }
        if page.isGap {
            piece.add(reads.frames.resync(sequence > page.last ? .restored : .expired, at: page.last))
            last = page.last
            mayBeSettled = start.endsWhenSettled
            return .more
        }
        let outcome = add(page.events, isRecent: false, upTo: page.last, hasMore: page.hasMore, to: &piece)
        guard mayBeSettled, outcome == .all else { return outcome }
        guard let standing, page.events.isEmpty else { return .more }
        guard standing == .processing else {
            piece.add(reads.frames.end(at: page.last))
            return .ends
        }
        // What settles it may have been passed over meanwhile, because it is not asked for.
        mayBeSettled = start.filter.types != nil && page.last > sequence
        return .all
    }

    /// Adds those of some events that are asked for, as far as there is room.
    private mutating func add(
        _ events: [Event], isRecent: Bool, upTo end: Int64, hasMore: Bool, to piece: inout Piece
    ) -> Outcome {
        for event in events {
            guard piece.bytes.readableBytes < Self.bytesMax else { return .more }
            last = event.sequence
            if start.endsWhenSettled, !event.type.isProgress, event.itemID == start.filter.itemID { mayBeSettled = true }
            guard start.filter.matches(event) else { continue }
            piece.add(reads.frames.event(event, isRecent: isRecent))
            piece.eventCount += 1
        }
        last = end
        return hasMore ? .more : .all
    }
}
