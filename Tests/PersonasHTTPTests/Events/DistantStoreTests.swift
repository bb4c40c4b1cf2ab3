import CoreMetrics
import ErrorEnvelopeHummingbird
import NIOCore
import Personas
import PersonasDB
import TestSupport
import Testing

@testable import PersonasCLI
@testable import PersonasHTTP

/// Streams over stores that answer nothing on the spot, looked at piece by piece, and only when they are rung for or have asked for it.
@Suite("Streams of events from a distance", .serialized)
struct DistantStoreTests {
    /// Events behind a gate: what was read waits there.
    private final class DistantEvents: EventStore {
        private let store: any EventStore
        private let gate = Shared((isOpen: true, heldCount: 0))

        init(_ store: any EventStore) { self.store = store }

        var heldCount: Int { gate.value.heldCount }

        func setOpen(_ isOpen: Bool) { gate.withLock { $0.isOpen = isOpen } }

        func events(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) async throws(Failure) -> EventPage {
            let page = try await store.events(filter, after: sequence, limit: limit, accountID: accountID)
            gate.withLock { $0.heldCount += 1 }
            _ = await comesTrue { gate.value.isOpen }
            gate.withLock { $0.heldCount -= 1 }
            return page
        }

        func lastSequence(accountID: Identifier) async throws(Failure) -> Int64 { try await store.lastSequence(accountID: accountID) }

        func standing(of itemID: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> EventItemStanding {
            try await store.standing(of: itemID, mode: mode, accountID: accountID)
        }

        func eventsNow(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) -> EventPage? { nil }

        func lastSequenceNow(accountID: Identifier) -> Int64? { nil }

        func standingNow(of itemID: Identifier, mode: Mode?, accountID: Identifier) -> EventItemStanding? { nil }

        func clear(progressBefore: Timestamp, before: Timestamp, limit: Int) -> Int { 0 }
    }

    /// Keys none of which is known on the spot.
    private struct DistantKeys: APIKeyStore {
        let store: any APIKeyStore

        func find(secret: String) async throws(Failure) -> PresentedKey? { try await store.find(secret: secret) }

        func findNow(secret: String) -> KeyLookup { .waits }

        func insert(_ key: APIKey, secret: APIKeySecret, in context: WriteContext<Void>) async throws(Failure) {
            try await store.insert(key, secret: secret, in: context)
        }

        func keys(
            accountName: String?, includingDeleted includesDeleted: Bool, after id: Identifier?, limit: Int
        ) async throws(Failure) -> [ListedKey] {
            try await store.keys(accountName: accountName, includingDeleted: includesDeleted, after: id, limit: limit)
        }

        func key(_ id: Identifier) async throws(Failure) -> ListedKey { try await store.key(id) }

        func rotate(
            _ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, in context: WriteContext<ListedKey>
        ) async throws(Failure) -> ListedKey {
            try await store.rotate(id, to: secret, overlap: overlap, in: context)
        }

        func record(_ uses: [KeyUse]) async throws(Failure) { try await store.record(uses) }

        func setState(_ state: APIKey.State, of id: Identifier, in context: WriteContext<ListedKey>) async throws(Failure) -> ListedKey {
            try await store.setState(state, of: id, in: context)
        }
    }

    /// A stream that a test goes on with.
    private final class Follower {
        let events: DistantEvents
        private let feed = EventFeed()
        private let accountID: Identifier
        private var stream: EventStream
        private let open: OpenEventStream?
        private(set) var text = ""

        init(_ service: TestService, secret: String, filter: EventFilter = EventFilter(), endsWhenSettled: Bool = false) async throws {
            events = DistantEvents(service.storage.events)
            let authentication = Authentication(keys: DistantKeys(store: service.storage.keys))
            let caller = try await authentication.caller(presenting: secret)
            accountID = caller.accountID
            var bounds = EventStreamBounds()
            bounds.pingInterval = .seconds(600)
            let streams = EventStreams(feed: feed, bounds: bounds, factory: NOOPMetricsHandler.instance)
            let reads = EventReads(
                events: events, feed: feed, epoch: service.storage.epoch, publicURL: PublicURL(), streams: streams,
                authentication: authentication, maintenance: MaintenanceMiddleware(maintenance: service.storage.maintenance),
                pageItemsMax: 100)
            let start = EventStream.Start(
                path: EventReads.path, secret: secret, caller: caller, filter: filter, after: nil, endsWhenSettled: endsWhenSettled)
            stream = EventStream(start, reads: reads, ring: EventRing())
            open = streams.beginNow(accountID, stream.ring) { _ in }
        }

        /// Says that there is something about the account, and has the stream look.
        func ring() -> StreamedPiece.Continuation {
            feed.ring(accountID)
            return next()
        }

        /// Has the stream look as often as it asks for, until it waits to be rung for, or ends.
        func rest() async throws -> StreamedPiece.Continuation {
            var due = NIODeadline.now()
            return try await eventually("the stream has done all there is to do") { () -> StreamedPiece.Continuation? in
                guard due <= .now() else { return nil }
                let continuation = next()
                guard case .waits(let until) = continuation else {
                    if case .ends = continuation { return continuation }
                    return nil
                }
                due = until
                return until > .now() + .seconds(10) ? continuation : nil
            }
        }

        private func next() -> StreamedPiece.Continuation {
            let (piece, eventCount) = stream.next()
            open?.note(sent: eventCount)
            text += piece.bytes.map { String(buffer: $0) } ?? ""
            return piece.continuation
        }
    }

    private static func hasEnded(_ continuation: StreamedPiece.Continuation) -> Bool {
        if case .ends = continuation { true } else { false }
    }

    @Test("tell what comes while the store is asked for what came before")
    func overtaken() async throws {
        try await TestService.run { service in
            let follower = try await Follower(service, secret: service.key)
            #expect(!Self.hasEnded(try await follower.rest()))
            follower.events.setOpen(false)
            try await service.create(.persona, "First")
            _ = follower.ring()
            try await eventually("the first is read") { follower.events.heldCount == 1 }
            try await service.create(.persona, "Second")
            _ = follower.ring()
            follower.events.setOpen(true)
            #expect(!Self.hasEnded(try await follower.rest()))
            for name in ["First", "Second"] { #expect(follower.text.contains("\"name\":\"\(name)\""), "\(follower.text)") }
        }
    }

    @Test("of an item end when it settles, though they were not asked for what settles it")
    func passedOver() async throws {
        try await TestService.run { service in
            let id = try #require(Identifier(try await service.create(.persona, "Nova")))
            let filter = EventFilter(types: [try #require(EventType("persona.failed"))], itemID: id)
            let follower = try await Follower(service, secret: service.key, filter: filter, endsWhenSettled: true)
            #expect(!Self.hasEnded(try await follower.rest()))
            try await service.create(.style, "Other")
            _ = follower.ring()
            #expect(!Self.hasEnded(try await follower.rest()))
            try await service.train()
            _ = follower.ring()
            #expect(Self.hasEnded(try await follower.rest()))
            #expect(follower.text.contains("event: end\n") && !follower.text.contains("event: persona"), "\(follower.text)")
        }
    }

    @Test("end with the right to be told, though that was found to be good a moment before")
    func revoked() async throws {
        try await TestService.run { service in
            let key = try await service.key(scopes: [.read])
            let follower = try await Follower(service, secret: key.key)
            #expect(!Self.hasEnded(try await follower.rest()))
            _ = try await service.administration.perform(SetKeyState(.disabled, id: key.id.text))
            _ = follower.ring()
            #expect(Self.hasEnded(try await follower.rest()))
        }
    }
}
