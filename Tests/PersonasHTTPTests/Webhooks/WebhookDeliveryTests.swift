import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import Testing

@testable import PersonasHTTP

@Suite("Deliveries of webhooks", .timeLimit(.minutes(1)))
struct WebhookDeliveryTests {
    private static let all: TestBody = #"{"url":"https://hooks.example/a","events":["*"]}"#

    /// Makes an attempt at everything that is due.
    private func deliver(_ service: TestService, _ status: Int, to id: String) async throws {
        let endpointID = try #require(Identifier(id))
        for due in try await service.storage.deliveries.dueDeliveries(of: endpointID, at: .now, excluding: [], items: [], limit: 100) {
            _ = try await service.storage.deliveries.record(
                DeliveryAttempt(at: .now, url: due.url, durationMilliseconds: 5, httpStatus: status, responseBody: "heard"), of: due.id,
                timesQueued: due.timesQueued, waitFactor: 1)
        }
    }

    @Test("The log shows what waits and what was heard, newest first, by status and by event")
    func log() async throws {
        try await TestService.run { service in
            let id = try await service.webhook(Self.all)
            _ = try await service.createCompleted(.persona, "One")
            try await deliver(service, 200, to: id)
            let list = try await service.deliveries(of: id)
            #expect(list.map { $0["event_type"] as? String } == ["persona.completed", "persona.created"])
            #expect(list.map { $0["status"] as? String } == ["pending", "succeeded"])
            let first = try #require(list.last)
            #expect((first["last_attempt"] as? [String: Any])?["http_status"] as? Int == 200)
            let event = try #require(first["event_id"] as? String)
            for (query, count) in [("?status=succeeded", 1), ("?status=failed", 0), ("?event_id=\(event)", 1), ("?event_id=\(id)", 0)] {
                #expect(try await service.deliveries(of: id, query).count == count, "\(query)")
            }
            let page = try await service.send(.get, "/v2/webhooks/\(id)/deliveries?limit=1")
            let cursor = try #require(page.string("next_cursor"))
            #expect(try await service.deliveries(of: id, "?limit=1&cursor=\(cursor)").first?["event_id"] as? String == event)
            let other = try await service.send(.get, "/v2/webhooks/\(id)/deliveries?status=pending&cursor=\(cursor)")
            #expect(other.status == 400, "a cursor belongs to its list")

            let details = try await service.send(.get, "/v2/webhooks/\(id)/deliveries/\(try #require(first["id"] as? String))")
            let request = try #require(details.object?["request"] as? [String: Any])
            #expect((request["headers"] as? [String: String])?["webhook-id"] == event)
            let body = try #require(request["body"] as? String)
            #expect(body.hasPrefix(#"{"id":"\#(event)","sequence":1,"type":"persona.created""#))
            #expect((details.object?["all_attempts"] as? [Any])?.count == 1)
            #expect(!details.text.contains("whsec_"))
            let webhook = try await service.send(.get, "/v2/webhooks/\(id)")
            let last = try #require(webhook.object?["last_delivery"] as? [String: Any])
            #expect(last["event_id"] as? String == event)
            #expect(last["http_status"] as? Int == 200)
        }
    }

    @Test("One is sent again under the same id, and the same request again does not send it twice")
    func replay() async throws {
        try await TestService.run { service in
            let id = try await service.webhook(Self.all)
            _ = try await service.create(.persona, "One")
            try await deliver(service, 200, to: id)
            let delivery = try #require(try await service.deliveries(of: id).first)
            let target = "/v2/webhooks/\(id)/deliveries/\(try #require(delivery["id"] as? String))/replay"
            let key: HTTPFields = [.idempotencyKey: "again"]
            let queued = try await service.send(.post, target, headers: key)
            #expect(queued.status == 202)
            #expect(queued.string("status") == "pending")
            #expect(queued.string("event_id") == delivery["event_id"] as? String)
            try await deliver(service, 200, to: id)
            #expect(try await service.send(.post, target, headers: key).text == queued.text)
            #expect(try await service.deliveries(of: id, "?status=pending").isEmpty)
            #expect(try await service.send(.post, "/v2/webhooks/\(id)/deliveries/\(id)/replay").status == 404)
            _ = try await service.send(.patch, "/v2/webhooks/\(id)", #"{"status":"disabled"}"#)
            try await service.send(.post, target).expect(409, .conflict, "The webhook is disabled; enable it first")
        }
    }

    @Test("What was missed is counted, and sent when it is asked for")
    func missing() async throws {
        try await TestService.run { service in
            let id = try await service.webhook(Self.all)
            _ = try await service.send(.patch, "/v2/webhooks/\(id)", #"{"status":"disabled"}"#)
            for name in ["One", "Two"] { _ = try await service.create(.persona, name) }
            let enabled = try await service.send(.patch, "/v2/webhooks/\(id)", #"{"status":"enabled"}"#)
            #expect(enabled.object?["missing"] as? Int == 2)
            #expect(enabled.object?["pending"] as? Int == 0)
            #expect(try await service.deliveries(of: id, "?status=cancelled").count == 2)
            let body: TestBody = #"{"since":"2020-01-01T00:00:00Z","status":"missing"}"#
            let key: HTTPFields = [.idempotencyKey: "missed"]
            let queued = try await service.send(.post, "/v2/webhooks/\(id)/replay", body, headers: key)
            queued.expect(202, #"{"queued":2,"has_more":false,"request_id":"<request>"}"#)
            #expect(try await service.send(.post, "/v2/webhooks/\(id)/replay", body, headers: key).text == queued.text)
            #expect(try await service.send(.get, "/v2/webhooks/\(id)").object?["pending"] as? Int == 2)
            try await service.send(.post, "/v2/webhooks/\(id)/replay", "{}").expectViolations([
                ("since", "since is required"), ("status", "status must be one of failed, missing, all"),
            ])
        }
    }

    @Test("Operators see every webhook, disable one, and have the audit tell of it")
    func operators() async throws {
        try await TestService.run { service in
            let id = try await service.webhook(Self.all)
            let administration = service.administration.acting(as: Operator(uid: 7))
            let listed = try await administration.perform(ListWebhooks(accountName: "studio"))
            #expect(listed.map(\.id.text) == [id])
            #expect(listed.map(\.account) == ["studio"])
            await #expect(throws: Failure.notFound) { try await administration.perform(ListWebhooks(accountName: "nobody")) }
            await #expect(throws: Failure.notFound) { try await administration.perform(ShowWebhook(id: UUID().uuidString)) }
            for _ in 1...2 {
                let disabled = try await administration.perform(DisableWebhook(id: id))
                #expect(disabled.disabledReason == .manual)
            }
            let entries = try await service.storage.audit.entries(since: nil, after: nil, limit: 9).rows
            #expect(entries.filter { $0.action == "webhooks.disable" }.map(\.target) == [id], "the second time changed nothing")
            let metrics = try await service.send(.get, "/metrics", key: .none)
            #expect(metrics.text.contains("personas_webhooks_disabled{reason=\"manual\"} 1"))
            #expect(metrics.text.contains("personas_webhook_deliveries_pending 0"))
        }
    }
}
