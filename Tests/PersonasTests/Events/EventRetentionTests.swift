import Personas
import TestSupport
import Testing

@Suite("How long events are kept")
struct EventRetentionTests {
    @Test("Steps follow one another with a pause between until one finds too little to do")
    func steps() async throws {
        let store = CountingEvents(left: 2_050)
        let pauses = Shared(0)
        let now = Timestamp(milliseconds: 1_795_000_000_000)
        let retention = EventRetention(events: store, clock: WallClock { now }) { pauses.withLock { $0 += 1 } }
        #expect(try await retention.clear() == 2_050)
        let calls = store.calls.value
        #expect(calls.count > 2 && calls.count == pauses.value + 1)
        #expect(calls.allSatisfy { $0.limit == calls[0].limit && $0.limit <= 1_000 })
        #expect(
            calls.allSatisfy { $0.progressBefore == now.adding(seconds: -24 * 3_600) && $0.before == now.adding(seconds: -30 * 86_400) })
        #expect(try await retention.clear() == 0)
        #expect(store.calls.value.count == calls.count + 1)
    }

    @Test("A pause that is broken off ends it, and a failure is handed on")
    func ends() async throws {
        let store = CountingEvents(left: 5_000)
        let retention = EventRetention(events: store, clock: .system) { throw CancellationError() }
        let done = try await retention.clear()
        #expect(done > 0 && done < 5_000 && store.calls.value.count == 1)
        store.failure.withLock { $0 = .storeBusy("full") }
        await #expect(throws: Failure.storeBusy("full")) { try await retention.clear() }
    }
}

/// A store in which so many events have expired.
private final class CountingEvents: EventStore {
    struct Call: Sendable {
        let progressBefore: Timestamp
        let before: Timestamp
        let limit: Int
    }

    let calls = Shared<[Call]>([])
    let failure = Shared<Failure?>(nil)
    private let left: Shared<Int>

    init(left: Int) { self.left = Shared(left) }

    func events(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) async throws(Failure) -> EventPage {
        EventPage(events: [], hasMore: false, last: sequence ?? 0)
    }

    func eventsNow(_ filter: EventFilter, after sequence: Int64?, limit: Int, accountID: Identifier) throws(Failure) -> EventPage? { nil }

    func lastSequence(accountID: Identifier) async throws(Failure) -> Int64 { 0 }

    func lastSequenceNow(accountID: Identifier) throws(Failure) -> Int64? { nil }

    func standing(of itemID: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> EventItemStanding { .unknown }

    func standingNow(of itemID: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> EventItemStanding? { nil }

    func clear(progressBefore: Timestamp, before: Timestamp, limit: Int) async throws(Failure) -> Int {
        if let failure = failure.value { throw failure }
        calls.withLock { $0.append(Call(progressBefore: progressBefore, before: before, limit: limit)) }
        return left.withLock { left in
            let done = min(left, limit)
            left -= done
            return done
        }
    }
}
