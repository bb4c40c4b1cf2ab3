import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("Webhooks in SQLite", .timeLimit(.minutes(1)))
struct WebhookStoreTests {
    @Test("An event is queued for the endpoints of its account that want it, in the commit of its change", arguments: House.all)
    func queued(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            let all = try await open.webhook(of: account)
            let completed = try await open.webhook(of: account, events: ["persona.completed"])
            let foreign = try await open.webhook(of: other)
            let item = try await open.completed("One", of: account, at: .second(1))
            #expect(try await open.log(all).map(\.eventType.text) == ["persona.completed", "persona.created"])
            #expect(try await open.log(completed).map(\.eventType.text) == ["persona.completed"])
            #expect(try await open.log(foreign).isEmpty)
            let events = try await open.storage.events.events(EventFilter(), after: 0, limit: 10, accountID: account).events
            #expect(try await open.log(all).map(\.eventID) == events.map(\.id).reversed())
            #expect(try await open.present(all).pending == 2)
            #expect(try await open.present(completed).pending == 1)
            #expect(try await open.due(completed, at: .second(1)).first?.event.itemID == item.id)
        }
    }

    @Test("A change that is undone leaves no delivery", arguments: House.all)
    func rolledBack(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let endpoint = try await open.webhook(of: account)
            _ = try await open.insert("One", of: account, at: .second(1))
            _ = await result { () throws(Failure) in try await open.insert("One", of: account, at: .second(2)) }
            #expect(try await open.log(endpoint).count == 1)
            #expect(try await open.present(endpoint).pending == 1)
        }
    }

    @Test("Progress is told only to who has named it", arguments: House.all)
    func progress(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let (all, group) = (try await open.webhook(of: account), try await open.webhook(of: account, events: ["persona.*"]))
            let named = try await open.webhook(of: account, events: ["persona.progress"])
            _ = try await open.insert("One", of: account, at: .second(1))
            let job = try #require(try await open.jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(1)).first)
            _ = try await open.jobs.heartbeat(job.id, token: job.leaseToken, progress: 40, policy: LeasePolicy(), at: .second(3))
            for endpoint in [all, group] {
                #expect(try await open.log(endpoint).allSatisfy { !$0.eventType.isProgress })
            }
            #expect(try await open.log(named).map(\.eventType.text).contains("persona.progress"))
        }
    }

    @Test("An eleventh endpoint is one too many, whoever else has some", arguments: House.all)
    func tenEach(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            for number in 0..<10 { _ = try await open.webhook(of: account, at: .second(number)) }
            await #expect(throws: Failure.quotaExceeded([QuotaExcess(.webhooks, limit: 10, used: 10)])) {
                try await open.webhook(of: account)
            }
            _ = try await open.webhook(of: other)
        }
    }

    @Test("Disabling cancels what waits at once, however it is looked at, and is told as an event", arguments: House.all)
    func disabling(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let (endpoint, witness) = (try await open.webhook(of: account), try await open.webhook(of: account, events: ["webhook.*"]))
            for number in 0..<5 { _ = try await open.insert("Item \(number)", of: account, at: .second(number)) }
            let first = try #require(try await open.log(endpoint).last)
            try await open.attempt(first, at: .second(6))
            let disabled = try await open.set(.disabled, endpoint, at: .second(7))
            #expect(disabled.status == .disabled)
            #expect(disabled.disabledReason == .manual)
            #expect((disabled.pending, disabled.missing) == (0, 4))
            #expect(try await open.due(endpoint, at: .second(100)).isEmpty)
            #expect(try await open.storage.deliveries.dueEndpoints(at: .second(100), after: nil, limit: 9).map(\.id) == [witness.id])

            func look() async throws -> [[WebhookDelivery]] {
                var looks = [try await open.log(endpoint)]
                for status in WebhookDelivery.Status.allCases { looks.append(try await open.log(endpoint, status)) }
                return looks
            }
            let before = try await look()
            #expect(before.map(\.count) == [5, 0, 1, 0, 4])
            let tag = try await open.present(endpoint).version
            try await open.clearDeliveries()
            #expect(try open.count("webhook_delivery", where: "status = 'pending'") == 1, "that of the witness")
            #expect(try await look() == before, "nobody sees that rows are brought in line later")
            #expect(try await open.present(endpoint).version == tag)

            let told = try #require(try await open.log(witness).first)
            #expect(told.eventType == .webhookDisabled)
            let event = try await open.storage.deliveryLog.delivery(told.id, of: witness.reference).event
            #expect(event.subject == .webhook(WebhookNotice(id: endpoint.id, url: "https://hooks.example/a", disabledReason: .manual)))
            #expect(event.requestID == "r")
            #expect(try await open.log(endpoint).count == 5, "an endpoint is not told of its own end")
        }
    }

    @Test("What comes while it is disabled is missing; enabling sends nothing, and replay sends what is asked for", arguments: House.all)
    func missing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let endpoint = try await open.webhook(of: account)
            let images = try await open.stored(1...3)
            _ = try await open.insert("Early", of: account, images: images, at: .second(1))
            try await open.set(.disabled, endpoint, at: .second(2))
            for number in 3..<6 { _ = try await open.insert("Item \(number)", of: account, images: images, at: .second(number)) }
            let enabled = try await open.set(.enabled, endpoint, at: .second(7))
            #expect((enabled.pending, enabled.missing) == (0, 4))
            #expect(try await open.due(endpoint, at: .second(100)).isEmpty)

            func replay(_ kind: ReplayRequest.Kind, since: Int, until: Int? = nil, max: Int = 100) async throws -> ReplayProgress {
                var progress = ReplayProgress()
                let request = ReplayRequest(kind: kind, since: .second(since), until: until.map { .second($0) })
                while !progress.isDone {
                    progress = try await open.storage.deliveryLog.replay(
                        request, of: endpoint.reference, after: progress, limit: 2, queuedMax: max, in: WriteContext(at: .second(10)))
                }
                return progress
            }
            #expect(try await replay(.failed, since: 0).queued == 0)
            let some = try await replay(.missing, since: 4, until: 5)
            #expect((some.queued, some.hasMore) == (1, false))
            let present = try await open.present(endpoint)
            #expect((present.pending, present.missing) == (1, 3))
            let bounded = try await replay(.all, since: 0, max: 2)
            #expect((bounded.queued, bounded.hasMore) == (2, true))
            #expect(try await replay(.all, since: 0).queued == 1, "what waits already is not queued again")
            #expect(try await open.present(endpoint).missing == 0)
            for delivery in try await open.log(endpoint) { try await open.attempt(delivery, at: .second(11)) }
            #expect(try await replay(.all, since: 0).queued == 4, "what has succeeded, too")
            try await open.clearDeliveries()
            #expect(try await open.storage.integrity.check(repairingWith: nil, at: .second(12)) { _ in }.sound)
        }
    }

    @Test("A disabled endpoint has nothing queued", arguments: House.all)
    func replayOfDisabled(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let endpoint = try await open.webhook(of: account)
            _ = try await open.insert("One", of: account, at: .second(1))
            let delivery = try #require(try await open.log(endpoint).first)
            try await open.set(.disabled, endpoint, at: .second(2))
            await #expect(throws: Failure.webhookDisabled) {
                try await open.storage.deliveryLog.replay(delivery.id, of: endpoint.reference, in: WriteContext(at: .second(3)))
            }
        }
    }

    @Test("A deleted endpoint is gone at once, and its deliveries some at a time", arguments: House.all)
    func deleted(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let (endpoint, other) = (try await open.webhook(of: account), try await open.webhook(of: account))
            let images = try await open.stored(1...3)
            for number in 0..<5 { _ = try await open.insert("Item \(number)", of: account, images: images, at: .second(number)) }
            let delivery = try #require(try await open.log(endpoint).first)
            try await open.attempt(delivery, status: 500, at: .second(6))
            try await open.storage.webhooks.delete(endpoint.reference, if: .none, in: WriteContext(at: .second(7)))
            await #expect(throws: Failure.notFound) { try await open.present(endpoint) }
            await #expect(throws: Failure.notFound) { try await open.log(endpoint) }
            #expect(try await open.attempt(delivery, at: .second(8)).outcome == nil, "what was on its way is not waited for")
            #expect(try open.count("webhook_delivery") == 10)
            #expect(try await open.storage.integrity.check(repairingWith: nil, at: .second(8)) { _ in }.sound)
            try await open.clearDeliveries()
            #expect(try open.count("webhook_delivery") == 5)
            #expect(try open.count("webhook_attempt") == 0)
            #expect(try open.count("webhook_removal") == 0)
            #expect(try await open.log(other).count == 5)
            try await open.accounts.delete(accountNamed: "acme", at: .second(9))
            try await open.clearDeliveries()
            for table in ["webhook", "webhook_delivery", "webhook_removal"] { #expect(try open.count(table) == 0, "\(table)") }
        }
    }

    @Test("A delivery goes with its event, and is counted no more", arguments: House.all)
    func expired(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let endpoint = try await open.webhook(of: account)
            for number in 0..<3 { _ = try await open.insert("Item \(number)", of: account, at: .second(number)) }
            try await open.attempt(try #require(try await open.log(endpoint).last), at: .second(4))
            try await open.set(.disabled, endpoint, at: .second(5))
            _ = try await open.storage.events.clear(progressBefore: .second(2), before: .second(2), limit: 100)
            #expect(try await open.log(endpoint).count == 1)
            let present = try await open.present(endpoint)
            #expect((present.pending, present.missing) == (0, 1))
            #expect(present.lastDelivery == nil)
            #expect(try open.count("webhook_attempt") == 0)
        }
    }

    @Test("Both secrets sign during an overlap, and the older one is wiped when it is over", arguments: House.all)
    func rotation(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (store, sealing) = (open.storage.webhooks, open.storage.secrets)
            let endpoint = try await open.webhook(of: try await open.account())
            func secrets(at time: Timestamp) async throws -> [WebhookSecret] {
                try await store.target(endpoint.reference, at: time).secrets.map { try sealing.open($0, for: endpoint.id) }
            }
            let (second, third) = (WebhookSecret.random(), WebhookSecret.random())
            let rotated = try await store.rotate(
                endpoint.reference, to: try sealing.seal(second, for: endpoint.id), previousUntil: .second(100), if: .none,
                in: WriteContext(at: .second(1)))
            #expect(rotated.previousSecretExpiresAt == .second(100))
            #expect(try await open.storage.deliveryLog.firstSecretEnd() == .second(100))
            #expect(try await secrets(at: .second(99)) == [second, .fixture])
            #expect(try await secrets(at: .second(100)) == [second])
            _ = try await store.rotate(
                endpoint.reference, to: try sealing.seal(third, for: endpoint.id), previousUntil: .second(200), if: .none,
                in: WriteContext(at: .second(2)))
            #expect(try await secrets(at: .second(3)) == [third, second], "the oldest ends")
            try await open.clearDeliveries(at: .second(200))
            #expect(try open.count("webhook", where: "previous_secret IS NOT NULL") == 0)
            #expect(try await open.present(endpoint).previousSecretExpiresAt == nil)
            #expect(try await open.storage.deliveryLog.firstSecretEnd() == nil)
            _ = try await store.rotate(
                endpoint.reference, to: try sealing.seal(second, for: endpoint.id), previousUntil: nil, if: .none,
                in: WriteContext(at: .second(201)))
            #expect(try await secrets(at: .second(201)) == [second], "without an overlap the former ends at once")
        }
    }

    @Test("Another URL, and being enabled again, begin anew with what is known of attempts", arguments: House.all)
    func health(on house: House) async throws {
        try await withStorage(on: house) { open in
            let endpoint = try await open.webhook(of: try await open.account())
            _ = try await open.insert("One", of: endpoint.accountID, at: .second(1))
            let delivery = try #require(try await open.log(endpoint).first)
            try await open.attempt(delivery, status: 500, at: .second(2))
            #expect(try await open.present(endpoint).failingSince == .second(2))
            let moved = try await open.storage.webhooks.update(
                endpoint.reference, WebhookChange(url: "https://hooks.example/b"), if: .none, in: WriteContext(at: .second(3)))
            #expect(moved.failingSince == nil)
            try await open.attempt(delivery, status: 410, at: .second(4))
            #expect(try await open.present(endpoint).status == .enabled, "it was the former URL that is gone")
        }
    }
}
