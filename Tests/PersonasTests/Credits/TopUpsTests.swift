import Synchronization
import TestSupport
import Testing

@testable import Personas

@Suite("Creates that wait for a top-up", .timeLimit(.minutes(2)))
struct TopUpsTests {
    private let store = MemoryTopUps()
    private let waits = TopUpWaits()
    private let signals = WorkSignals()
    private let accountID = Identifier.random()

    private func topUps(waitingAtMost waitMax: Duration = .seconds(60)) -> TopUps {
        TopUps(store: store, waits: waits, signals: signals, clock: .system, waitMax: waitMax)
    }

    /// A create that costs something.
    private func buy(_ price: Int, waitingAtMost waitMax: Duration = .seconds(60)) async -> Result<Int, Failure> {
        let store = store
        do throws(Failure) {
            return .success(
                try await topUps(waitingAtMost: waitMax).paying(for: accountID) { () throws(Failure) in
                    var left: Int?
                    store.edit { state in
                        guard state.balance >= price else { return }
                        state.balance -= price
                        left = state.balance
                    }
                    guard let left else { throw .insufficientCredits(CreditShortage(price: price, balance: store.now.balance)) }
                    return left
                })
        } catch {
            return .failure(error)
        }
    }

    private func run(_ payments: StubPayments, _ body: () async throws -> Void) async throws {
        let engine = TopUpEngine(
            store: store, payments: payments, waits: waits, signal: signals.topUps, clock: .system, tell: { _ in })
        let running = Task { await engine.run(endingWithin: .zero) }
        #expect(await comesTrue { waits.isServed })
        try await body()
        engine.stop()
        await running.value
    }

    @Test("What is covered waits for nothing")
    func covered() async throws {
        store.edit { $0.balance = 5 }
        #expect(await buy(5) == .success(0))
        #expect(store.now.open.isEmpty)
    }

    @Test("Twenty at once ask once, and go on when it is paid")
    func together() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 100) }
        let go = WakeSignal()
        let payments = StubPayments.waiting(for: go, then: .paid(reference: nil))
        try await run(payments) {
            try await withThrowingTaskGroup(of: Result<Int, Failure>.self) { group in
                for _ in 0..<20 { group.addTask { await buy(5) } }
                #expect(await comesTrue { waits.count == 20 && payments.count == 1 })
                go.notify()
                let left = try await group.reduce(into: []) { $0.append(try $1.get()) }
                #expect(left.sorted() == (0..<20).map { $0 * 5 })
            }
        }
        #expect(payments.count == 1 && store.now.balance == 0 && waits.count == 0)
    }

    @Test("One that does not suffice for all is followed by another, for those who still wait")
    func again() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 10) }
        let payments = StubPayments { _ in .paid(reference: nil) }
        try await run(payments) {
            try await withThrowingTaskGroup(of: Result<Int, Failure>.self) { group in
                for _ in 0..<6 { group.addTask { await buy(5) } }
                for try await result in group { _ = try result.get() }
            }
        }
        #expect(payments.count == 3 && store.now.balance == 0)
    }

    @Test("Where nobody pays all who wait are told so at once, and who comes after asks nobody")
    func declined() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 100) }
        let payments = StubPayments { _ in .declined(reference: nil) }
        try await run(payments) {
            await withTaskGroup(of: Result<Int, Failure>.self) { group in
                for _ in 0..<5 { group.addTask { await buy(5) } }
                for await result in group { #expect(result == .failure(.topUpFailed)) }
            }
            #expect(await buy(5) == .failure(.topUpFailed))
        }
        #expect(payments.count == 1)
    }

    @Test("Where no top-up would help nobody is asked")
    func short() async throws {
        let payments = StubPayments { _ in .paid(reference: nil) }
        try await run(payments) {
            #expect(await buy(5) == .failure(.insufficientCredits(CreditShortage(price: 5, balance: 0))))
            store.edit { $0.smartBalance = try? .fixture(1, 4) }
            #expect(await buy(5) == .failure(.insufficientCredits(CreditShortage(price: 5, balance: 0))))
        }
        #expect(payments.count == 0)
    }

    @Test("Whoever has waited long enough is told that a top-up is asked for; it goes on, and the next finds it paid")
    func overdue() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 100) }
        let go = WakeSignal()
        let payments = StubPayments.waiting(for: go, then: .paid(reference: nil))
        let asked = Failure.insufficientCredits(CreditShortage(price: 5, balance: 0, isTopUpAsked: true))
        try await run(payments) {
            #expect(await buy(5, waitingAtMost: .milliseconds(20)) == .failure(asked))
            #expect(waits.count == 0)
            go.notify()
            #expect(await buy(5) == .success(95))
        }
        #expect(payments.count == 1)
    }

    @Test("Where nobody asks in this process nobody waits, but the request is there; when the asking ends, so does the waiting")
    func unserved() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 100) }
        let asked = Failure.insufficientCredits(CreditShortage(price: 5, balance: 0, isTopUpAsked: true))
        #expect(await buy(5) == .failure(asked))
        #expect(store.now.open.count == 1)
        let waiting = Mutex<Task<Result<Int, Failure>, Never>?>(nil)
        try await run(.waiting(for: WakeSignal(), then: .paid(reference: nil))) {
            let task = Task { await buy(5) }
            waiting.withLock { $0 = task }
            #expect(await comesTrue { waits.count == 1 })
        }
        #expect(await waiting.withLock { $0 }?.value == .failure(asked))
        #expect(store.now.open.count == 1)
    }

    @Test("A request that is cancelled does not wait")
    func cancelled() async throws {
        store.edit { $0.smartBalance = try? .fixture(1, 100) }
        try await run(.waiting(for: WakeSignal(), then: .paid(reference: nil))) {
            let task = Task { await buy(5) }
            #expect(await comesTrue { waits.count == 1 })
            task.cancel()
            _ = await task.value
            #expect(waits.count == 0)
        }
    }
}
