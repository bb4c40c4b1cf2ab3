import Synchronization
import TestSupport
import Testing

@testable import Personas

@Suite("Asking for top-ups", .timeLimit(.minutes(2)))
struct TopUpEngineTests {
    private final class Told: Sendable {
        let words = Mutex<[String]>([])

        func take(_ news: TopUpEngine.News) {
            words.withLock {
                switch news {
                case .began: $0.append("began")
                case .ended(_, _, .credited): $0.append("credited")
                case .ended(_, _, .declined): $0.append("declined")
                case .ended(_, _, .repeated): $0.append("repeated")
                case .ended(_, _, .unawaited): $0.append("unawaited")
                case .givenUp: $0.append("given up")
                case .abandoned: $0.append("abandoned")
                case .storeFailed: $0.append("failed")
                }
            }
        }

        func count(_ word: String) -> Int { words.withLock { words in words.count { $0 == word } } }
    }

    private let store = MemoryTopUps()
    private let waits = TopUpWaits()
    private let signal = WakeSignal()
    private let told = Told()

    private func engine(_ payments: StubPayments) -> TopUpEngine {
        TopUpEngine(store: store, payments: payments, waits: waits, signal: signal, clock: .system, tell: { told.take($0) })
    }

    @Test("What is open at the start is asked for, and what is asked for later then; each once")
    func asks() async throws {
        let payments = StubPayments { _ in .paid(reference: nil) }
        let first = store.add(try .fixture())
        let engine = engine(payments)
        let running = Task { await engine.run(endingWithin: .seconds(10)) }
        #expect(await comesTrue { store.now.ended[first] == .paid(reference: nil) })
        let second = store.add(try .fixture(50))
        signal.notify()
        #expect(await comesTrue { store.now.ended[second] != nil })
        engine.stop()
        await running.value
        #expect(payments.asked.withLock { $0.map(\.id) } == [first, second] && store.now.balance == 150)
        #expect(told.words.withLock { $0 } == ["began", "credited", "began", "credited"])
    }

    @Test("What has no outcome is asked for again under the same id, until it has one")
    func repeats() async throws {
        let answers = Mutex<[PaymentAnswer]>([.unknown(.unanswered(.timeout)), .unknown(.status(500)), .declined(reference: nil)])
        let payments = StubPayments { _ in answers.withLock { $0.removeFirst() } }
        store.edit { $0.smartBalance = try? .fixture() }
        let id = store.add(try .fixture())
        let engine = engine(payments)
        let running = Task { await engine.run(endingWithin: .seconds(10)) }
        #expect(await comesTrue { store.now.ended[id] != nil })
        engine.stop()
        await running.value
        #expect(payments.asked.withLock { $0.map(\.id) } == [id, id, id])
        #expect(payments.asked.withLock { $0.map(\.attempts) } == [0, 1, 2])
        #expect(store.now.smartBalance?.status == .paused && store.now.balance == 0)
    }

    @Test("However many have no outcome and take their time, first questions find a place, and there are never more than there are places")
    func shares() async throws {
        let slow = Mutex<Set<Identifier>>([])
        let inHand = Mutex((now: 0, most: 0))
        let payments = StubPayments { topUp in
            inHand.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            defer { inHand.withLock { $0.now -= 1 } }
            guard slow.withLock({ $0.contains(topUp.id) }) else { return .paid(reference: nil) }
            try? await Task.sleep(for: .seconds(600))
            return nil
        }
        for _ in 0..<100 {
            let topUp = try TopUp.fixture(attempts: 3)
            slow.withLock { _ = $0.insert(topUp.id) }
            _ = store.add(topUp, nextAt: Timestamp(milliseconds: 0))
        }
        let engine = engine(payments)
        let running = Task { await engine.run(endingWithin: .zero) }
        #expect(await comesTrue { payments.count == TopUpEngine.repeatedPlacesMax })
        let first = try (0..<40).map { _ in store.add(try .fixture()) }
        signal.notify()
        #expect(await comesTrue { first.allSatisfy { store.now.ended[$0] != nil } })
        engine.stop()
        await running.value
        #expect(payments.count == TopUpEngine.repeatedPlacesMax + 40)
        #expect(inHand.withLock { $0.most } <= TopUpEngine.placesMax)
    }

    @Test("A question in hand ends before the engine does; one that takes longer is given up, and asked again at the next start")
    func stops() async throws {
        let go = WakeSignal()
        let id = store.add(try .fixture())
        let patient = engine(.waiting(for: go, then: .paid(reference: nil)))
        let hurried = engine(StubPayments { _ in .paid(reference: nil) })
        let running = Task { await patient.run(endingWithin: .zero) }
        #expect(await comesTrue { told.count("began") == 1 && waits.isServed })
        patient.stop()
        await running.value
        #expect(told.count("given up") == 1 && store.now.open[id]?.topUp.attempts == 0 && !waits.isServed)
        let again = Task { await hurried.run(endingWithin: .seconds(60)) }
        #expect(await comesTrue { store.now.ended[id] != nil })
        hurried.stop()
        await again.value

        let last = store.add(try .fixture())
        let finishing = engine(.waiting(for: go, then: .paid(reference: nil)))
        let ending = Task { await finishing.run(endingWithin: .seconds(60)) }
        #expect(await comesTrue { told.count("began") == 3 })
        finishing.stop()
        go.notify()
        await ending.value
        #expect(store.now.ended[last] != nil && told.count("given up") == 1)
    }

    @Test("While the store cannot write an outcome down, nothing is asked again")
    func busyStore() async throws {
        let store = store
        let payments = StubPayments { _ in
            store.edit { $0.failure = .storeBusy("full") }
            return .paid(reference: nil)
        }
        let id = store.add(try .fixture())
        let engine = engine(payments)
        let running = Task { await engine.run(endingWithin: .seconds(60)) }
        #expect(await comesTrue { told.count("failed") >= 2 })
        store.edit { $0.failure = nil }
        #expect(await comesTrue { store.now.ended[id] != nil })
        engine.stop()
        await running.value
        #expect(payments.count == 1 && store.now.balance == 100)
    }

    @Test("Top-ups of deleted accounts are told of, each once, before they are forgotten")
    func abandoned() async throws {
        store.edit {
            $0.abandoned = [AbandonedTopUp(id: .random(), accountID: .random())]
            $0.forgetFailure = .storeBusy("full")
        }
        let engine = engine(StubPayments { _ in nil })
        let running = Task { await engine.run(endingWithin: .zero) }
        #expect(await comesTrue { told.count("failed") >= 2 })
        #expect(told.count("abandoned") == 1 && store.now.abandoned.count == 1)
        store.edit { $0.forgetFailure = nil }
        #expect(await comesTrue { store.now.abandoned.isEmpty })
        engine.stop()
        await running.value
        #expect(told.count("abandoned") == 1)
    }
}
