import Synchronization
import TestSupport
import Testing

@testable import Personas

/// Answers messages as it is told, and remembers them.
private final class StubSender: WebhookSender {
    let sent = Mutex<[WebhookMessage]>([])
    private let answer: @Sendable (WebhookMessage) async -> DeliveryAttempt?

    init(_ answer: @escaping @Sendable (WebhookMessage) async -> DeliveryAttempt?) {
        self.answer = answer
    }

    func send(_ message: WebhookMessage) async -> DeliveryAttempt? {
        sent.withLock { $0.append(message) }
        return await answer(message)
    }

    static func attempt(_ status: Int) -> DeliveryAttempt {
        DeliveryAttempt(at: .now, url: "https://example.com/", durationMilliseconds: 1, httpStatus: status)
    }
}

@Suite("Delivering", .timeLimit(.minutes(2)))
struct DeliveryEngineTests {
    private final class Told: Sendable {
        let words = Mutex<[String]>([])

        func take(_ news: DeliveryEngine.News) {
            words.withLock {
                switch news {
                case .began: $0.append("began")
                case .ended: $0.append("ended")
                case .givenUp: $0.append("given up")
                case .storeFailed: $0.append("failed")
                }
            }
        }

        func count(_ word: String) -> Int { words.withLock { words in words.count { $0 == word } } }
    }

    private let store = MemoryDeliveryStore()
    private let signal = WakeSignal()
    private let told = Told()

    private func engine(_ sender: StubSender) -> DeliveryEngine {
        DeliveryEngine(
            store: store, sender: sender, signal: signal, clock: .system, body: { Array($0.id.text.utf8) }, tell: { told.take($0) })
    }

    private func add(to endpointID: Identifier, item: Identifier? = nil) -> Identifier {
        store.addDelivery(to: endpointID, item: item, sequence: 1, at: .now)
    }

    @Test("What is due at the start is sent, and what becomes due is sent when it does, by signal and by time")
    func delivers() async throws {
        let sender = StubSender { _ in StubSender.attempt(204) }
        let endpoint = store.addEndpoint(of: .random())
        let first = add(to: endpoint)
        let engine = engine(sender)
        let running = Task { await engine.run(endingWithin: .seconds(10)) }
        #expect(await comesTrue { store.delivery(first)?.status == .succeeded })
        let second = store.addDelivery(to: endpoint, item: nil, sequence: 2, at: .now.adding(seconds: 1))
        signal.notify()
        #expect(await comesTrue { store.delivery(second)?.status == .succeeded })
        engine.stop()
        await running.value
        let sent = sender.sent.withLock { $0 }
        #expect(sent.map { $0.body } == sent.map { Array($0.id.text.utf8) } && sent.count == 2)
        #expect(told.words.withLock { $0 } == ["began", "ended", "began", "ended"])
    }

    @Test("An attempt in hand ends before the engine does, and nothing is begun meanwhile")
    func finishes() async throws {
        let go = WakeSignal()
        let sender = StubSender { _ in
            await go.wait(after: 0, atMost: .seconds(60))
            return StubSender.attempt(200)
        }
        let (endpoint, other) = (store.addEndpoint(of: .random()), store.addEndpoint(of: .random()))
        let id = add(to: endpoint)
        let engine = engine(sender)
        let running = Task { await engine.run(endingWithin: .seconds(60)) }
        #expect(await comesTrue { told.count("began") == 1 })
        engine.stop()
        let late = add(to: other)
        signal.notify()
        go.notify()
        await running.value
        #expect(store.delivery(id)?.status == .succeeded && store.delivery(late)?.status == .pending)
        #expect(sender.sent.withLock { $0.count } == 1)
    }

    @Test("An attempt that takes longer than the engine waits is given up, and due again at the next start")
    func givesUp() async throws {
        let sender = StubSender { _ in
            do {
                try await Task.sleep(for: .seconds(600))
                return StubSender.attempt(200)
            } catch {
                return nil
            }
        }
        let id = add(to: store.addEndpoint(of: .random()))
        let engine = engine(sender)
        let running = Task { await engine.run(endingWithin: .milliseconds(20)) }
        #expect(await comesTrue { told.count("began") == 1 })
        engine.stop()
        await running.value
        #expect(told.count("given up") == 1 && store.delivery(id)?.status == .pending && store.delivery(id)?.attempts == 0)
        let next = self.engine(StubSender { _ in StubSender.attempt(200) })
        let again = Task { await next.run(endingWithin: .seconds(1)) }
        #expect(await comesTrue { store.delivery(id)?.status == .succeeded })
        next.stop()
        await again.value
    }

    @Test("While the store cannot write an attempt down, the delivery is not sent again")
    func busyStore() async throws {
        let store = store
        let sender = StubSender { _ in
            store.edit { $0.failure = .storeBusy("full") }
            return StubSender.attempt(200)
        }
        let id = add(to: store.addEndpoint(of: .random()))
        let engine = engine(sender)
        let running = Task { await engine.run(endingWithin: .seconds(60)) }
        #expect(await comesTrue { told.count("failed") >= 2 })
        store.edit { $0.failure = nil }
        #expect(await comesTrue { store.delivery(id)?.status == .succeeded })
        engine.stop()
        await running.value
        #expect(sender.sent.withLock { $0.count } == 1)
    }

    @Test("A dead receiver delays nobody")
    func dead() async throws {
        let accountID = Identifier.random()
        let dead = (0..<10).map { store.addEndpoint(of: accountID, url: "https://dead.example.com/\($0)") }
        for endpoint in dead { for _ in 0..<20 { _ = add(to: endpoint) } }
        let sender = StubSender { message in
            guard message.url.hasPrefix("https://dead") else { return StubSender.attempt(200) }
            try? await Task.sleep(for: .seconds(600))
            return nil
        }
        let engine = engine(sender)
        let running = Task { await engine.run(endingWithin: .zero) }
        #expect(await comesTrue { told.count("began") == 32 })
        let others = (0..<50).map { _ in add(to: store.addEndpoint(of: .random())) }
        signal.notify()
        #expect(await comesTrue { others.allSatisfy { store.delivery($0)?.status == .succeeded } })
        engine.stop()
        await running.value
    }
}
