import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import Synchronization
import TestImages
import TestSupport
import Testing

/// Says what a test says of every top-up, once it says so.
final class TestPayments: PaymentService {
    private struct State {
        var answer: PaymentAnswer?
        var asked: [TopUp] = []
    }

    private let state: Mutex<State>
    private let changed = WakeSignal()

    /// - Parameter answer: nil for none until the test gives one.
    init(_ answer: PaymentAnswer? = nil) {
        state = Mutex(State(answer: answer))
    }

    /// What was asked, in its order.
    var asked: [TopUp] { state.withLock { $0.asked } }

    /// Answers so from now on, also what was asked before.
    func answer(_ answer: PaymentAnswer?) {
        state.withLock { $0.answer = answer }
        changed.notify()
    }

    func ask(for topUp: TopUp) async -> PaymentAnswer? {
        state.withLock { $0.asked.append(topUp) }
        while !Task.isCancelled {
            let seen = changed.count
            if let answer = state.withLock({ $0.answer }) { return answer }
            await changed.wait(after: seen, atMost: .seconds(60))
        }
        return nil
    }
}

/// The calls on `/v2/credits/smart-balance`, and creates of an account that has it.
@Suite("Smart Balance", .serialized, .timeLimit(.minutes(5)))
struct SmartBalanceTests {
    private static let path = "/v2/credits/smart-balance"
    private static let reference = CreditNote(excerptOf: "bill 7")

    /// Lets one key do what many clients do.
    private static var crowdConfiguration: HTTPConfiguration {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(inFlightMax: 64)
        return configuration
    }

    /// Runs a service that asks for top-ups, with a key that may say which.
    private static func run(
        _ payments: TestPayments, balance: Int = 0, persona: Int = 2,
        _ test: @Sendable (_ service: TestService, _ billing: TestService.Key) async throws -> Void
    ) async throws {
        try await TestService.runWithCredits(
            persona: persona, balance: balance, configuration: crowdConfiguration, payments: payments
        ) { service in
            let engine = try #require(service.topUpEngine)
            let asking = Task { await engine.run(endingWithin: .zero) }
            try await test(service, .text(try await service.key(scopes: [.billing]).key))
            engine.stop()
            await asking.value
        }
    }

    private static func standing(_ balance: Int, persona: Int = 2, _ smartBalance: String) -> String {
        #"{"balance":\#(balance),"prices":{"persona":\#(persona),"style":3},"smart_balance":\#(smartBalance)}"#
    }

    private static func active(_ threshold: Int, _ amount: Int) -> String {
        #"{"threshold":\#(threshold),"amount":\#(amount),"status":"active","paused_reason":null}"#
    }

    private static func paused(_ threshold: Int, _ amount: Int) -> String {
        #"{"threshold":\#(threshold),"amount":\#(amount),"status":"paused","paused_reason":"declined: bill 7"}"#
    }

    private static func set(_ service: TestService, _ key: TestService.Key, _ threshold: Int, _ amount: Int) async throws {
        let answer = try await service.send(.put, path, TestBody(#"{"threshold":\#(threshold),"amount":\#(amount)}"#), key: key)
        #expect(answer.status == 200, "\(answer.text)")
    }

    @Test("is asked for, told, changed and ended, each time with the same answer as the credits")
    func calls() async throws {
        try await Self.run(TestPayments(), balance: 5) { service, billing in
            try await service.send(.put, Self.path, #"{"threshold":5,"amount":100}"#, key: billing)
                .expect(200, Self.standing(5, Self.active(5, 100)))
            try await service.send(.get, "/v2/credits").expect(200, Self.standing(5, Self.active(5, 100)))
            try await service.send(.put, Self.path, #"{"threshold":1,"amount":1000000000000,"more":true}"#, key: billing)
                .expect(200, Self.standing(5, Self.active(1, 1_000_000_000_000)))
            for body in [nil, "{}"] as [TestBody?] {
                try await service.send(.post, "\(Self.path)/resume", body, key: billing)
                    .expect(200, Self.standing(5, Self.active(1, 1_000_000_000_000)))
            }
            let other = try await service.newKey(account: "other", scopes: [.read, .billing])
            try await service.send(.get, "/v2/credits", key: other).expect(200, Self.standing(0, "null"))
            try await service.send(.delete, Self.path, key: other).expect(404, .notFound, "Not found")
            try await service.send(.delete, Self.path, key: billing).expect(200, Self.standing(5, "null"))
            try await service.send(.get, "/v2/credits").expect(200, Self.standing(5, "null"))
            try await service.send(.delete, Self.path, key: billing).expect(404, .notFound, "Not found")
            try await service.send(.post, "\(Self.path)/resume", key: billing).expect(404, .notFound, "Not found")
        }
    }

    @Test("takes whole numbers from 1 to 10^12 and nothing else")
    func amounts() async throws {
        try await Self.run(TestPayments()) { service, billing in
            for bad in ["0", "-1", "1.0", "1e3", "1000000000001", "99999999999999999999999", #""5""#, "null", "true", "[5]"] {
                for (threshold, amount, name) in [(bad, "5", "threshold"), ("5", bad, "amount")] {
                    let body = TestBody(#"{"threshold":\#(threshold),"amount":\#(amount)}"#)
                    try await service.send(.put, Self.path, body, key: billing)
                        .expect(400, .invalidAmount, "\(name) must be a whole number from 1 to 1000000000000")
                }
            }
            try await service.send(.put, Self.path, #"{"amount":5}"#, key: billing)
                .expect(400, .invalidAmount, "threshold must be a whole number from 1 to 1000000000000")
            #expect(try await service.send(.put, Self.path, "[]", key: billing).status == 400)
            #expect(try await service.send(.put, Self.path, key: billing).status == 400)
            try await service.send(.get, "/v2/credits").expect(200, Self.standing(0, "null"))
        }
    }

    @Test("is the business of keys with the scope billing alone")
    func scopes() async throws {
        try await Self.run(TestPayments()) { service, billing in
            for scope in Scope.allCases where scope != .billing {
                let key = TestService.Key.text(try await service.key(scopes: [scope]).key)
                for (method, path, body) in [
                    (.put, Self.path, #"{"threshold":5,"amount":100}"#), (.delete, Self.path, nil), (.post, "\(Self.path)/resume", nil),
                ] as [(HTTPRequest.Method, String, TestBody?)] {
                    try await service.send(method, path, body, key: key)
                        .expect(403, .apiAccessNotEnabled, "The API key does not have the scope billing")
                }
            }
            let answer = try await service.send(.get, Self.path, key: billing)
            answer.expect(405, .methodNotAllowed, "This method is not allowed here")
            #expect(answer.headers[.allow] == "DELETE, PUT", "\(answer.headers[.allow] ?? "")")
        }
    }

    @Test("cannot be asked for where there is no payment service; what was asked for before buys nothing, and can be ended")
    func notOffered() async throws {
        try await TestService.runWithCredits(balance: 1) { service in
            let billing = TestService.Key.text(try await service.key(scopes: [.billing]).key)
            try await service.send(.put, Self.path, #"{"threshold":5,"amount":100}"#, key: billing)
                .expect(409, .conflict, "This service offers no automatic top-ups")
            let standing = try await service.send(.get, "/v2/credits")
            standing.expect(200, Self.standing(1, "null"))
            let me = try await service.administration.perform(ListAccounts(limit: 1))
            let account = try #require(me.first?.id)
            _ = try await service.storage.smartBalances.set(
                SmartBalance(threshold: CreditAmount(5, of: .own("a")), amount: CreditAmount(100, of: .own("a"))), accountID: account,
                in: WriteContext(at: .now))
            try await service.send(.post, "/v2/personas", .create("Nova")).expectInsufficient(price: 2, balance: 1)
            try await service.send(.delete, Self.path, key: billing).expect(200, Self.standing(1, "null"))
        }
    }

    @Test("buys credits when a charge leaves fewer than the threshold, and the create does not wait for that")
    func threshold() async throws {
        let payments = TestPayments()
        try await Self.run(payments, balance: 9) { service, billing in
            try await Self.set(service, billing, 6, 100)
            #expect(try await service.send(.post, "/v2/personas", .create("Nova")).creditsRemaining == 7)
            #expect(try await service.send(.post, "/v2/personas", .create("Iris")).creditsRemaining == 5)
            #expect(await comesTrue { payments.asked.count == 1 })
            #expect(try await service.send(.post, "/v2/personas", .create("Lux")).creditsRemaining == 3)
            payments.answer(.paid(reference: Self.reference))
            #expect(try await comesTrue { try await service.balance() == 103 })
            #expect(try await service.ledger().first == "top_up 100 103")
            let asked = try #require(payments.asked.first)
            #expect(payments.asked.count == 1 && asked.amount.value == 100 && asked.balance == 5)
            let newest = try await service.send(.get, "/v2/credits/entries?limit=1").items.first
            #expect(newest?["note"] as? String == "bill 7")
            let events = try await service.send(.get, "/v2/events?type=credits.topped_up").items
            #expect(events.count == 1 && (events[0]["data"] as? [String: Any])?["balance_after"] as? Int == 103)
        }
    }

    @Test("has twenty creates at once wait for one top-up")
    func together() async throws {
        let payments = TestPayments()
        try await Self.run(payments) { service, billing in
            try await Self.set(service, billing, 1, 40)
            try await withThrowingTaskGroup(of: Answer.self) { group in
                for number in 0..<20 { group.addTask { try await service.send(.post, "/v2/personas", .create("Nova \(number)")) } }
                #expect(await comesTrue { service.topUpWaits?.count == 20 && payments.asked.count == 1 })
                payments.answer(.paid(reference: nil))
                let left = try await group.reduce(into: []) { $0.append($1.creditsRemaining) }
                #expect(left.compactMap { $0 }.sorted() == (0..<20).map { $0 * 2 })
            }
            // The last charge has left less than the threshold.
            #expect(await comesTrue { payments.asked.count == 2 })
        }
    }

    @Test("lets a create that waits hold neither memory of bodies nor a place where images are looked at")
    func holdsNothing() async throws {
        let payments = TestPayments()
        try await Self.run(payments) { service, billing in
            try await Self.set(service, billing, 1, 40)
            let account = try #require(try await service.administration.perform(ListAccounts(limit: 1)).first?.id)
            let budget = MemoryBudget(bytesMax: 64 * 1_024 * 1_024)
            let memory = budget.reservation(for: account)
            try memory.grow(by: 32 * 1_024 * 1_024)
            let images = (1...3).map { ArraySlice(Picture.base64(Picture.png(seed: $0)).utf8) }
            let draft = CreateDraft(details: DetailsDraft.named("Nova"), imageURLs: .absent, imageBase64s: .value(images))
            let creating = Task {
                try await service.catalog.create(draft, mode: .persona, accountID: account, holding: memory).creditsRemaining
            }
            #expect(await comesTrue { service.topUpWaits?.count == 1 })
            #expect(budget.reservedBytes == 0)
            // All of the places for large bodies are free.
            for _ in 0..<2 {
                try await service.useCases.decoding.perform(on: 2 * 1_024 * 1_024, for: account) { () throws(Failure) in }
            }
            payments.answer(.paid(reference: nil))
            #expect(try await creating.value == 38)
        }
    }

    @Test("is paused where nobody pays, which those who wait are told, and everybody who listens; it can be resumed, under a key as well")
    func declined() async throws {
        let payments = TestPayments(.declined(reference: Self.reference))
        try await Self.run(payments) { service, billing in
            try await Self.set(service, billing, 1, 40)
            for _ in 0..<2 {
                try await service.send(.post, "/v2/personas", .create("Nova"))
                    .expect(402, .smartBalancePaymentFailed, ErrorCode.smartBalancePaymentFailed.defaultMessage)
                try await service.send(.post, "/v2/personas?validate_only=true", .create("Nova"))
                    .expect(402, .smartBalancePaymentFailed, ErrorCode.smartBalancePaymentFailed.defaultMessage)
            }
            #expect(payments.asked.count == 1)
            try await service.send(.get, "/v2/credits").expect(200, Self.standing(0, Self.paused(1, 40)))
            let events = try await service.send(.get, "/v2/events?type=smart_balance.*")
            #expect(events.items.count == 1 && events.text.contains(#""type":"smart_balance.paused""#))
            #expect(events.text.contains(#""data":\#(Self.paused(1, 40))"#), "\(events.text)")
            try await service.send(.put, Self.path, #"{"threshold":2,"amount":50}"#, key: billing)
                .expect(200, Self.standing(0, Self.paused(2, 50)))

            payments.answer(.paid(reference: nil))
            let headers: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "resume-1"]
            for isReplayed in [false, true] {
                let answer = try await service.send(.post, "\(Self.path)/resume", "{}", key: billing, headers: headers)
                answer.expect(200, Self.standing(0, Self.active(2, 50)))
                #expect((answer.header("Idempotent-Replayed") == "true") == isReplayed)
            }
            #expect(try await service.send(.post, "/v2/personas", .create("Nova")).creditsRemaining == 48)
        }
    }

    @Test("asks for nothing that would not suffice, and nothing for a validation")
    func short() async throws {
        let payments = TestPayments()
        try await Self.run(payments, balance: 1, persona: 50) { service, billing in
            try await Self.set(service, billing, 1, 48)
            try await service.withoutTrace {
                for query in ["", "?validate_only=true"] {
                    try await service.send(.post, "/v2/personas\(query)", .create("Nova")).expectInsufficient(price: 50, balance: 1)
                }
            }
            try await Self.set(service, billing, 1, 49)
            #expect(try await service.send(.post, "/v2/personas?validate_only=true", .create("Nova")).status == 200)
            #expect(payments.asked.isEmpty)
        }
    }

    @Test("tells a create whose top-up takes too long that one is asked for; a retry of the same request finds it paid")
    func overdue() async throws {
        let payments = TestPayments(.unknown(.unanswered(.timeout)))
        try await TestService.runWithCredits(payments: payments) { service in
            let billing = TestService.Key.text(try await service.key(scopes: [.billing]).key)
            try await Self.set(service, billing, 1, 40)
            let headers: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "create-1"]
            let first = try await service.send(.post, "/v2/personas", .create("Nova"), headers: headers)
            let reason = "it costs 2, and the balance is 0; a top-up is asked for, so try again in a while"
            first.expect(402, .insufficientCredits, "\(ErrorCode.insufficientCredits.defaultMessage): \(reason)")
            payments.answer(.paid(reference: nil))
            let engine = try #require(service.topUpEngine)
            let asking = Task { await engine.run(endingWithin: .zero) }
            #expect(try await comesTrue { try await service.balance() == 40 })
            let second = try await service.send(.post, "/v2/personas", .create("Nova"), headers: headers)
            #expect(second.status == 201 && second.creditsRemaining == 38)
            engine.stop()
            await asking.value
            #expect(payments.asked.count == 1)
        }
    }

    @Test("has nobody wait for a top-up that is asked for again too late, nor has the images of such a create written")
    func farAway() async throws {
        try await TestService.runWithCredits(payments: TestPayments()) { service in
            try await Self.set(service, .text(try await service.key(scopes: [.billing]).key), 1, 40)
            let account = try #require(try await service.administration.perform(ListAccounts(limit: 1)).first?.id)
            let asked = try await service.storage.smartBalances.ask(toCover: 2, accountID: account, at: .now)
            let topUp = try #require(asked.topUp)
            for (seconds, isRefused) in [(-10, false), (3_600, true)] {
                _ = try await service.storage.topUps.record(
                    .unknown(.unreadable), of: topUp.id, at: Timestamp.now.adding(seconds: seconds), waitFactor: 1)
                let answer = try await service.send(.post, "/v2/personas?validate_only=true", .create("Nova"))
                #expect((answer.status == 402) == isRefused, "\(answer.text)")
            }
            let answer = try await service.send(.post, "/v2/personas", .create("Nova"))
            #expect(answer.status == 402 && answer.text.contains("a top-up is asked for, so try again in a while"), "\(answer.text)")
            #expect(try await service.mediaFiles().isEmpty)
        }
    }

    @Test("is asked by an import as by a create; nobody waits there, and the same import under its key finds what was paid")
    func imports() async throws {
        let payments = TestPayments(.declined(reference: Self.reference))
        try await Self.run(payments) { service, billing in
            try await Self.set(service, billing, 1, 40)
            let archive = try TarFile.made(items: 2) { _, item in item["status"] = "processing" }
            func takeIn() async throws -> Answer { try await service.takeIn(archive.bytes, under: "import-1") }
            let first = try await takeIn()
            #expect(first.fates == ["INSUFFICIENT_CREDITS", "INSUFFICIENT_CREDITS"], "\(first.text)")
            #expect(first.text.contains("; a top-up is asked for, so try again in a while"), "\(first.text)")
            #expect(try await comesTrue { try await service.send(.get, "/v2/credits").text.contains(#""status":"paused""#) })
            #expect(try await takeIn().fates == ["SMART_BALANCE_PAYMENT_FAILED", "SMART_BALANCE_PAYMENT_FAILED"])
            #expect(payments.asked.count == 1)

            payments.answer(.paid(reference: nil))
            #expect(try await service.send(.post, "\(Self.path)/resume", "{}", key: billing).status == 200)
            #expect(try await takeIn().fates == ["INSUFFICIENT_CREDITS", "INSUFFICIENT_CREDITS"])
            #expect(try await comesTrue { try await service.balance() == 40 })
            #expect(try await takeIn().fates == ["created", "created"])
            #expect(try await service.balance() == 36)
            #expect(payments.asked.count == 2)
        }
    }

    @Test("records a create that has waited under its key, so that the same request costs nothing more")
    func keyed() async throws {
        let payments = TestPayments(.paid(reference: nil))
        try await Self.run(payments) { service, billing in
            try await Self.set(service, billing, 1, 40)
            let headers: HTTPFields = [HTTPField.Name("Idempotency-Key")!: "create-1"]
            for isReplayed in [false, true] {
                let answer = try await service.send(.post, "/v2/personas", .create("Nova"), headers: headers)
                #expect(answer.status == 201, "\(answer.text)")
                #expect((answer.header("Idempotent-Replayed") == "true") == isReplayed)
            }
            #expect(try await service.ledger() == ["charge -2 38", "top_up 40 40"])
            #expect(payments.asked.count == 1)
        }
    }

    @Test("pays for a training that is begun anew as well")
    func retry() async throws {
        let payments = TestPayments()
        try await Self.run(payments, balance: 2) { service, billing in
            let id = try await service.create(.persona, "Nova")
            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            _ = try await service.administration.perform(AdjustCredits(.revoke, accountName: "studio", amount: "2", note: nil))
            try await Self.set(service, billing, 1, 7)
            payments.answer(.paid(reference: nil))
            let answer = try await service.send(.post, "/v2/personas/\(id)/retry")
            #expect(answer.status == 200 && answer.creditsRemaining == 5, "\(answer.text)")
        }
    }
}

extension DetailsDraft {
    /// Of an item that has a name and nothing else.
    fileprivate static func named(_ name: String) -> DetailsDraft {
        DetailsDraft(name: .value(name), specialInstructions: .absent, externalID: .absent)
    }
}
