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
    /// How long an answer to the question whether the client may be told more is good for, where stores answer nothing on the spot.
    private static let admissionMilliseconds: Int64 = 1_000

    /// What is asked for in one look at the store.
    private enum Question: Hashable, Sendable {
        /// Where the account's events end.
        case end
        /// What came after a sequence, and before that, if it is wanted, how the item stands.
        case events(after: Int64, wantsStanding: Bool)
    }

    /// What a look at the store has found.
    private struct Findings: Sendable {
        var end: Int64 = 0
        /// How the item stood before the events were read; nil where that was not looked at.
        var standing: EventItemStanding?
        var page = EventPage(events: [], hasMore: false, last: 0)
        /// Whether everything is in it that was rung for so far.
        var isLatest = true
    }

    /// Takes note of what is rung for.
    let ring: EventRing

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
    /// What stores that answer nothing on the spot were asked.
    private let look = EventLook<Question, Findings>()
    private let admissionLook = EventLook<Bool, Timestamp?>()
    /// Until when the client may be told more, as such a store has said, how long that is good for, and how often was rung before it was asked.
    private var admission: (end: NIODeadline, isGoodUntil: NIODeadline, ringCount: Int)?

    init(_ start: Start, reads: EventReads, ring: EventRing, at now: NIODeadline = .now()) {
        self.ring = ring
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
        guard let keyEnd = try deadlineOfRight(at: now) else {
            addPing(to: &piece, at: now)
            return .waits(until: now + admissionLook.delay)
        }
        switch try addEvents(to: &piece, at: now) {
        case .unread:
            addPing(to: &piece, at: now)
            return .waits(until: now + look.delay)
        case .more: return .more
        case .ends: return .ends
        case .all: break
        }
        addPing(to: &piece, at: now)
        let pingAt = (piece.bytes.readableBytes > 0 ? now : sentAt) + streams.pingInterval
        return .waits(until: min(pingAt, endsAt, keyEnd))
    }

    /// Says that the stream lives, where nothing else has for long.
    private func addPing(to piece: inout Piece, at now: NIODeadline) {
        if piece.bytes.readableBytes == 0, now >= sentAt + streams.pingInterval { piece.bytes.writeStaticString(EventFrames.ping) }
    }

    /// Until when the client may be told more; nil where that cannot be found out now.
    /// - Throws: why it may not.
    private mutating func deadlineOfRight(at now: NIODeadline) throws(Failure) -> NIODeadline? {
        try reads.maintenance.requireOpen(start.path)
        if let (caller, end) = try reads.authentication.admissionNow(presenting: start.secret) {
            try caller.require(.read)
            return deadline(of: end, at: now)
        }
        if let admission, now < admission.isGoodUntil { return nextLook(after: admission) }
        let (authentication, secret) = (reads.authentication, start.secret)
        let found = try admissionLook.answer(to: true, at: now, ringCount: ring.count) { () throws(Failure) in
            let (caller, end) = try await authentication.admission(presenting: secret)
            try caller.require(.read)
            return end
        }
        guard let found else { return nil }
        let admission = (deadline(of: found.answer, at: now), now + .milliseconds(Self.admissionMilliseconds), found.ringCount)
        self.admission = admission
        return nextLook(after: admission)
    }

    /// When to ask again whether the client may be told more: soon, where something was rung for since, which may be that it may not.
    private func nextLook(after admission: (end: NIODeadline, isGoodUntil: NIODeadline, ringCount: Int)) -> NIODeadline {
        ring.count == admission.ringCount ? admission.end : min(admission.end, admission.isGoodUntil)
    }

    private func deadline(of end: Timestamp?, at now: NIODeadline) -> NIODeadline {
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

    private mutating func addEvents(to piece: inout Piece, at now: NIODeadline) throws(Failure) -> Outcome {
        guard let last else { return try begin(&piece, at: now) }
        guard mayBeSettled, start.filter.itemID != nil else {
            guard let events = reads.feed.recent(after: last, limit: Self.eventsMax, accountID: start.caller.accountID) else {
                return try addStored(after: last, wantsStanding: false, to: &piece, at: now)
            }
            let outcome = add(
                events, isRecent: true, upTo: events.last?.sequence ?? last, hasMore: events.count == Self.eventsMax, to: &piece)
            return outcome == .all && mayBeSettled ? .more : outcome
        }
        // The feed may not have been told yet of what has settled the item.
        return try addStored(after: last, wantsStanding: true, to: &piece, at: now)
    }

    /// Finds the place where the stream begins.
    private mutating func begin(_ piece: inout Piece, at now: NIODeadline) throws(Failure) -> Outcome {
        guard let after = start.after else {
            guard let sequence = try find(.end, at: now)?.end else { return .unread }
            piece.add(reads.frames.ready(at: sequence))
            last = sequence
            return try addEvents(to: &piece, at: now)
        }
        // No sequence is as large, so that a place in another life of the database is none in this one.
        return try addStored(after: after.isOf(reads.epoch.epoch) ? after.sequence : .max, wantsStanding: false, to: &piece, at: now)
    }

    /// What the store says, on the spot or once it was asked; nil where it could not say it yet.
    private func find(_ question: Question, at now: NIODeadline) throws(Failure) -> Findings? {
        if let findings = try findNow(question) { return findings }
        let (events, filter, accountID) = (reads.events, start.filter, start.caller.accountID)
        let found = try look.answer(to: question, at: now, ringCount: ring.count) { () throws(Failure) in
            var findings = Findings()
            switch question {
            case .end: findings.end = try await events.lastSequence(accountID: accountID)
            case .events(let sequence, let wantsStanding):
                if wantsStanding, let itemID = filter.itemID {
                    findings.standing = try await events.standing(of: itemID, mode: nil, accountID: accountID)
                }
                findings.page = try await events.events(filter, after: sequence, limit: Self.eventsMax, accountID: accountID)
            }
            return findings
        }
        guard var findings = found?.answer else { return nil }
        findings.isLatest = found?.ringCount == ring.count
        return findings
    }

    private func findNow(_ question: Question) throws(Failure) -> Findings? {
        var findings = Findings()
        let accountID = start.caller.accountID
        switch question {
        case .end:
            guard let end = try reads.events.lastSequenceNow(accountID: accountID) else { return nil }
            findings.end = end
        case .events(let sequence, let wantsStanding):
            // How the item stands comes first, so that whatever has settled it is among what is read next.
            if wantsStanding, let itemID = start.filter.itemID {
                guard let standing = try reads.events.standingNow(of: itemID, mode: nil, accountID: accountID) else { return nil }
                findings.standing = standing
            }
            guard let page = try reads.events.eventsNow(start.filter, after: sequence, limit: Self.eventsMax, accountID: accountID) else {
                return nil
            }
            findings.page = page
        }
        return findings
    }

    /// Adds what the store has.
    private mutating func addStored(
        after sequence: Int64, wantsStanding: Bool, to piece: inout Piece, at now: NIODeadline
    ) throws(Failure) -> Outcome {
        guard let findings = try find(.events(after: sequence, wantsStanding: wantsStanding), at: now) else { return .unread }
        let outcome = add(findings, after: sequence, to: &piece)
        // Nobody rings again for what has come since the store was asked.
        return outcome == .all && !findings.isLatest ? .more : outcome
    }

    private mutating func add(_ findings: Findings, after sequence: Int64, to piece: inout Piece) -> Outcome {
        let (page, standing) = (findings.page, findings.standing)
        if page.isGap {
            piece.add(reads.frames.resync(sequence > page.last ? .restored : .expired, at: page.last))
            last = page.last
            mayBeSettled = start.endsWhenSettled
            return .more
        }
        let outcome = add(page.events, isRecent: false, upTo: page.last, hasMore: page.hasMore, to: &piece)
        // What settles the item may have been passed over, because it is not asked for.
        let mayHavePassed = start.filter.types != nil && page.last > sequence
        if start.endsWhenSettled, mayHavePassed { mayBeSettled = true }
        guard mayBeSettled, outcome == .all else { return outcome }
        guard let standing, page.events.isEmpty else { return .more }
        guard standing == .processing else {
            piece.add(reads.frames.end(at: page.last))
            return .ends
        }
        mayBeSettled = mayHavePassed
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
