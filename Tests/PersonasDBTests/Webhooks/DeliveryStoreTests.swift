import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("Deliveries in SQLite", .timeLimit(.minutes(1)))
struct DeliveryStoreTests {
    @Test("Of each item the first event goes first, and a retry that waits holds nothing back", arguments: House.all)
    func order(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            let one = try await open.completed("One", of: endpoint.accountID, at: .second(1))
            let two = try await open.insert("Two", of: endpoint.accountID, at: .second(2))
            let due = try await open.due(endpoint, at: .second(3))
            #expect(due.map(\.event.itemID) == [one.id, two.id])
            #expect(due.map(\.event.type.text) == ["persona.created", "persona.created"])
            #expect(due.allSatisfy { $0.secrets == [.fixture] && $0.url == "https://hooks.example/a" })
            #expect(try await open.due(endpoint, at: .second(0)).isEmpty)
            #expect(try await open.due(endpoint, at: .second(3), limit: 1).count == 1)
            let inHand = try await open.due(endpoint, at: .second(3), excluding: [due[0].id], items: [one.id])
            #expect(inHand.map(\.event.itemID) == [two.id])

            let first = try #require(try await open.log(endpoint).first { $0.id == due[0].id })
            let recorded = try await open.attempt(first, status: 500, at: .second(3))
            #expect(recorded == RecordedAttempt(outcome: .retry(at: .second(8))))
            let next = try await open.due(endpoint, at: .second(4))
            #expect(next.map(\.event.type.text) == ["persona.completed", "persona.created"], "by the order of the events")
            #expect(try await open.due(endpoint, at: .second(8)).map(\.event.sequence) == [1, 3], "the retry is before what came after it")
        }
    }

    @Test("What is due, and when something will be, is known of enabled endpoints that are not to be left alone", arguments: House.all)
    func moments(on house: House) async throws {
        try await withStorage(on: house) { open in
            let store = open.storage.deliveries
            let endpoint = try await open.webhook(of: try await open.account())
            #expect(try await store.nextDueAt(after: .second(0)) == nil)
            #expect(try await store.oldestDueAt(.second(0)) == nil)
            for number in 1...2 { _ = try await open.insert("Item \(number)", of: endpoint.accountID, at: .second(number)) }
            #expect(try await store.nextDueAt(after: .second(0)) == .second(1))
            #expect(try await store.nextDueAt(after: .second(1)) == .second(2))
            #expect(try await store.oldestDueAt(.second(5)) == .second(1))
            #expect(try await store.dueEndpoints(at: .second(1), after: nil, limit: 5).map(\.id) == [endpoint.id])
            #expect(try await store.dueEndpoints(at: .second(1), after: endpoint.id, limit: 5).isEmpty)

            let first = try #require(try await open.log(endpoint).last)
            try await open.attempt(first, status: 503, at: .second(5))
            #expect(try await store.dueEndpoints(at: .second(6), after: nil, limit: 5).isEmpty, "it is overloaded")
            #expect(try await store.nextDueAt(after: .second(6)) == .second(65))
            let health = try #require(try await store.dueEndpoints(at: .second(65), after: nil, limit: 5).first).health
            #expect(
                health == EndpointHealth(failuresInRow: 1, failingSince: .second(5), lastFailureAt: .second(5), slowedUntil: .second(65)))
            try await open.set(.disabled, endpoint, at: .second(7))
            #expect(try await store.nextDueAt(after: .second(7)) == nil)
        }
    }

    @Test("What follows from an attempt is kept with it, in the log and of the endpoint", arguments: House.all)
    func recorded(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            _ = try await open.insert("One", of: endpoint.accountID, at: .second(1))
            let delivery = try #require(try await open.log(endpoint).first)
            let version = try await open.present(endpoint).version
            try await open.attempt(delivery, status: nil, error: .timeout, at: .second(2))
            #expect(try await open.attempt(delivery, at: .second(7)) == RecordedAttempt(outcome: .succeeded))
            let details = try await open.storage.deliveryLog.delivery(delivery.id, of: endpoint.reference)
            #expect(details.attempts.map(\.at) == [.second(2), .second(7)])
            #expect(details.attempts.map(\.error) == [.timeout, nil])
            #expect(details.attempts.map(\.httpStatus) == [nil, 200])
            #expect(details.delivery.status == .succeeded)
            #expect(details.delivery.attempts == 2)
            #expect(details.delivery.finishedAt == .second(7))
            #expect(details.delivery.nextAttemptAt == nil)
            let present = try await open.present(endpoint)
            #expect(present.pending == 0)
            #expect(present.failingSince == nil)
            #expect(present.lastDelivery?.id == delivery.id)
            #expect(present.lastDelivery?.status == .succeeded)
            #expect(present.version > version, "the tag says that there is something new to see")

            let again = try await open.storage.deliveryLog.replay(delivery.id, of: endpoint.reference, in: WriteContext(at: .second(9)))
            #expect(again.status == .pending)
            #expect(again.eventID == delivery.eventID)
            #expect(again.attempts == 2)
            try await open.attempt(again, status: 500, at: .second(10))
            #expect(try await open.log(endpoint).first?.nextAttemptAt == .second(15), "the schedule begins anew")
        }
    }

    @Test("A receiver that says it is gone disables its endpoint in the transaction of the attempt", arguments: House.all)
    func gone(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            let images = try await open.stored(1...3)
            for number in 1...3 { _ = try await open.insert("Item \(number)", of: endpoint.accountID, images: images, at: .second(number)) }
            let delivery = try #require(try await open.log(endpoint).last)
            #expect(try await open.attempt(delivery, status: 410, at: .second(4)) == RecordedAttempt(outcome: .cancelled, disabled: .gone))
            let present = try await open.present(endpoint)
            #expect(present.disabledReason == .gone)
            #expect((present.pending, present.missing) == (0, 3), "what it refused is missing like what waited")
            #expect(try await open.log(endpoint, .failed).isEmpty)
            #expect(try await open.log(endpoint, .cancelled).map(\.id).contains(delivery.id))
            let last = try await open.storage.events.events(EventFilter(), after: 3, limit: 9, accountID: endpoint.accountID).events
            #expect(last.map(\.type) == [.webhookDisabled])
            #expect(last.first?.requestID == nil)
            let late = try #require(try await open.log(endpoint, .cancelled).first)
            #expect(try await open.attempt(late, at: .second(5)).outcome == nil, "what was in hand then is logged, and settles nothing")
            #expect(try await open.log(endpoint, .cancelled).first?.attempts == 1)
            try await open.set(.enabled, endpoint, at: .second(6))
            let replayed = try await open.storage.deliveryLog.replay(
                ReplayRequest(kind: .missing, since: .second(0), until: nil), of: endpoint.reference, after: ReplayProgress(), limit: 9,
                queuedMax: 9, in: WriteContext(at: .second(7)))
            #expect(replayed.queued == 3)
            #expect(try await open.present(endpoint).missing == 0)
            try await open.clearDeliveries()
            #expect(try await open.storage.integrity.check(repairingWith: nil, at: .second(8)) { _ in }.sound)
        }
    }

    @Test("What a former URL says of itself is no reason to keep a delivery from the present one", arguments: House.all)
    func goneFromFormerURL(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            _ = try await open.insert("One", of: endpoint.accountID, at: .second(1))
            let delivery = try #require(try await open.log(endpoint).first)
            _ = try await open.storage.webhooks.update(
                endpoint.reference, WebhookChange(url: "https://hooks.example/b"), if: .none, in: WriteContext(at: .second(2)))
            #expect(try await open.attempt(delivery, status: 410, at: .second(3)) == RecordedAttempt(outcome: .retry(at: .second(3))))
            #expect(try await open.due(endpoint, at: .second(3)).map(\.url) == ["https://hooks.example/b"])
        }
    }

    @Test("What is queued anew while an attempt is under way goes to where the endpoint is now", arguments: House.all, [200, 500, 410])
    func queuedMeanwhile(on house: House, status: Int) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            _ = try await open.insert("One", of: endpoint.accountID, at: .second(1))
            let begun = try #require(try await open.due(endpoint, at: .second(1)).first)
            let delivery = try #require(try await open.log(endpoint).first)
            _ = try await open.storage.webhooks.update(
                endpoint.reference, WebhookChange(url: "https://hooks.example/b"), if: .none, in: WriteContext(at: .second(2)))
            _ = try await open.storage.deliveryLog.replay(delivery.id, of: endpoint.reference, in: WriteContext(at: .second(3)))
            let recorded = try await open.attempt(delivery, status: status, timesQueued: begun.timesQueued, at: .second(4))
            #expect(recorded == RecordedAttempt(outcome: nil))
            let details = try await open.storage.deliveryLog.delivery(delivery.id, of: endpoint.reference)
            #expect(details.delivery.status == .pending)
            #expect(details.attempts.map(\.httpStatus) == [status], "it is in the log")
            let again = try #require(try await open.due(endpoint, at: .second(4)).first)
            #expect(again.url == "https://hooks.example/b")
            #expect(again.timesQueued == 2)
            let failed = try await open.attempt(delivery, url: again.url, status: 500, timesQueued: again.timesQueued, at: .second(5))
            #expect(failed == RecordedAttempt(outcome: .retry(at: .second(10))), "the schedule begins with the first attempt since then")
            let told = try await open.attempt(delivery, url: again.url, timesQueued: again.timesQueued, at: .second(10))
            #expect(told == RecordedAttempt(outcome: .succeeded))
        }
    }

    @Test("The next attempt is said to be no earlier than the endpoint asked for", arguments: House.all)
    func nextWhileSlowed(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            for number in 1...2 { _ = try await open.insert("Item \(number)", of: endpoint.accountID, at: .second(number)) }
            let log = try await open.log(endpoint)
            try await open.attempt(log[0], status: 429, retryAfter: 600, at: .second(3))
            #expect(try await open.log(endpoint).map(\.nextAttemptAt) == [.second(603), .second(603)])
            let shown = try await open.storage.deliveryLog.delivery(log[1].id, of: endpoint.reference).delivery
            #expect(shown.nextAttemptAt == .second(603))
            try await open.attempt(log[1], at: .second(603))
            #expect(try await open.log(endpoint).last?.nextAttemptAt == nil)
        }
    }

    @Test("The latest attempts are kept", arguments: House.all)
    func attemptsKept(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            _ = try await open.insert("One", of: endpoint.accountID, at: .second(1))
            let delivery = try #require(try await open.log(endpoint).first)
            for number in 1...Limits.deliveryAttemptsKept + 3 {
                _ = try await open.storage.deliveryLog.replay(delivery.id, of: endpoint.reference, in: WriteContext(at: .second(number)))
                try await open.attempt(delivery, at: .second(number))
            }
            let details = try await open.storage.deliveryLog.delivery(delivery.id, of: endpoint.reference)
            #expect(details.delivery.attempts == Limits.deliveryAttemptsKept + 3)
            #expect(details.attempts.count == Limits.deliveryAttemptsKept)
            #expect(details.attempts.last?.at == .second(Limits.deliveryAttemptsKept + 3))
        }
    }

    @Test("A check finds counts, deliveries and events that disagree, and mends what it can", arguments: House.all)
    func check(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            let images = try await open.stored(1...3)
            for number in 1...2 { _ = try await open.insert("Item \(number)", of: endpoint.accountID, images: images, at: .second(number)) }
            func findings(repairing: Bool = false) async throws -> [String: Int] {
                try await open.storage.integrity.check(repairingWith: repairing ? open.collector : nil, at: .second(9)) { _ in }.counts
                    .findingsByKind
            }
            #expect(try await findings().isEmpty)
            try await open.execute("UPDATE webhook SET pending = 7")
            #expect(try await findings(repairing: true) == ["counts_disagree": 1])
            #expect(try await open.present(endpoint).pending == 2)
            try await open.execute(
                "UPDATE webhook_delivery SET sequence = 9 WHERE sequence = 1; UPDATE event_counter SET last_sequence = 1")
            #expect(try await findings() == ["deliveries_disagree": 1, "events_disagree": 1])
            try await open.execute(
                "UPDATE webhook_delivery SET sequence = 1 WHERE sequence = 9; UPDATE event_counter SET last_sequence = 2")
            try await open.execute("UPDATE webhook SET secret = \(house == .postgres ? "decode(repeat('00', 80), 'hex')" : "zeroblob(80)")")
            #expect(try await findings() == ["secret_sealed": 1])
            try await open.execute("DELETE FROM webhook; DELETE FROM webhook_removal")
            #expect(try await findings(repairing: true) == ["deliveries_orphaned": 1])
            try await open.clearDeliveries()
            #expect(try open.count("webhook_delivery") == 0)
        }
    }
}
