import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import TestSupport
import Testing

@testable import PersonasHTTP

@Suite("Webhooks", .timeLimit(.minutes(1)))
struct WebhookTests {
    static let body: TestBody = #"{"url":"https://hooks.example/a","events":["persona.completed","style.*"],"description":"mine","x":1}"#

    private static let shown = """
        "id":"<id 1>","url":"https://hooks.example/a","description":"mine","events":["persona.completed","style.*"],"status":"enabled",\
        "disabled_reason":null,"failing_since":null,"pending":0,"missing":0,"previous_secret_expires_at":null,"last_delivery":null,\
        "created_at":"<time>","updated_at":"<time>"
        """

    @Test("A webhook is shown with its secret once, and without it ever after")
    func create() async throws {
        try await TestService.run { service in
            let created = try await service.send(.post, "/v2/webhooks", Self.body)
            let secret = try #require(created.string("secret"))
            #expect(WebhookSecret(secret)?.bytes.count == 32)
            let id = try #require(created.string("id"))
            #expect(created.header("Location") == "\(TestService.baseURL)/v2/webhooks/\(id)")
            #expect(created.header("ETag") == service.tag(1))
            #expect(
                created.shape.replacing(secret, with: "<secret>") == #"{\#(Self.shown),"secret":"<secret>","request_id":"<request>"}"#)
            let read = try await service.send(.get, "/v2/webhooks/\(id)")
            read.expect(200, "{\(Self.shown)}")
            #expect(read.header("ETag") == service.tag(1))
            let known = try await service.send(.get, "/v2/webhooks/\(id)", headers: [.ifNoneMatch: service.tag(1)])
            #expect(known.status == 304)
            let list = try await service.send(.get, "/v2/webhooks")
            list.expect(200, #"{"data":[{\#(Self.shown)}],"has_more":false,"next_cursor":null}"#)
            #expect(!service.log.lines.contains { $0.text.contains(secret) })
            let me = try await service.send(.get, "/v2/me")
            #expect((me.object?["limits"] as? [String: Any])?["webhooks"] as? Int == 10)
        }
    }

    @Test("The same request again tells everything but the secret, and makes no second one")
    func idempotency() async throws {
        try await TestService.run { service in
            let key: HTTPFields = [.idempotencyKey: "one"]
            let first = try await service.send(.post, "/v2/webhooks", Self.body, headers: key)
            let again = try await service.send(.post, "/v2/webhooks", Self.body, headers: key)
            #expect(again.header("Idempotent-Replayed") == "true")
            #expect(again.status == 201)
            let secret = try #require(first.string("secret"))
            #expect(again.text == first.text.replacing("\"\(secret)\"", with: "null"))
            #expect(again.header("ETag") == first.header("ETag"))
            #expect(try await service.send(.get, "/v2/webhooks").items.count == 1)
            let id = try #require(first.string("id"))
            let turned = try await service.send(.post, "/v2/webhooks/\(id)/rotate", headers: key)
            let turnedAgain = try await service.send(.post, "/v2/webhooks/\(id)/rotate", headers: key)
            let second = try #require(turned.string("secret"))
            #expect(turnedAgain.text == turned.text.replacing("\"\(second)\"", with: "null"))
            #expect(second != secret)
            let folder = try FileManager.default.contents(atPath: service.directory + "/personas.sqlite-wal") ?? Data()
            for text in [secret, second] {
                #expect(folder.range(of: Data(text.utf8)) == nil)
                #expect(folder.range(of: Data(try #require(WebhookSecret(text)).bytes)) == nil)
            }
        }
    }

    @Test("All that is wrong is told at once")
    func refusals() async throws {
        try await TestService.run { service in
            try await service.send(.post, "/v2/webhooks", "{}").expectViolations([
                ("url", "url is required"), ("events", "events is required"),
            ])
            let bad: TestBody = #"{"url":"https://a:b@hooks.example","events":[],"description":7}"#
            try await service.send(.post, "/v2/webhooks", bad).expectViolations([
                ("url", "url must be an https URL in ASCII (percent-encoded, names as punycode), without credentials"),
                ("events", "events must name at least one type of events, or * for all but progress"),
                ("description", "description must be a string"),
            ])
            try await service.send(.post, "/v2/webhooks", #"{"url":"https://db.internal/","events":["*"]}"#).expectViolations([
                ("url", "url must lead to a public host, by its name and on port 443")
            ])
            let id = try await service.webhook()
            try await service.send(.patch, "/v2/webhooks/\(id)", #"{"status":"gone","url":null}"#).expectViolations([
                ("url", "url is required"), ("status", "status must be enabled or disabled"),
            ])
            try await service.send(.post, "/v2/webhooks/\(id)/rotate", #"{"overlap_seconds":604801}"#).expectViolations([
                ("overlap_seconds", "overlap_seconds must be a whole number from 0 to 604800")
            ])
            for query in ["limit=0", "cursor=abc", "status=new", "event_id=7"] {
                #expect(try await service.send(.get, "/v2/webhooks/\(id)/deliveries?\(query)").status == 400, "\(query)")
            }
            #expect(try await service.send(.get, "/v2/webhooks?cursor=abc").status == 400)
        }
    }

    @Test("Another account's webhooks are not there, and a key that only reads changes none")
    func strangers() async throws {
        try await TestService.run { service in
            let id = try await service.webhook()
            _ = try await service.createCompleted(.persona, "One")
            let delivery = try #require(try await service.deliveries(of: id).first?["id"] as? String)
            let other = try await service.newKey(account: "other")
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            let calls: [(HTTPRequest.Method, String, TestBody?)] = [
                (.get, "", nil), (.patch, "", "{}"), (.delete, "", nil), (.post, "/rotate", nil), (.post, "/test", nil),
                (.get, "/deliveries", nil), (.get, "/deliveries/\(delivery)", nil), (.post, "/deliveries/\(delivery)/replay", nil),
                (.post, "/replay", #"{"since":"2020-01-01","status":"all"}"#),
            ]
            for (method, path, body) in calls {
                let answer = try await service.send(method, "/v2/webhooks/\(id)\(path)", body, key: other)
                #expect(answer.status == 404, "\(method) \(path)")
                #expect(try await service.send(method, "/v2/webhooks/nonsense\(path)", body).status == 404, "\(method) \(path)")
                let read = try await service.send(method, "/v2/webhooks/\(id)\(path)", body, key: reader)
                #expect(read.status == (method == .get ? 200 : 403), "\(method) \(path)")
            }
            #expect(try await service.send(.post, "/v2/webhooks", Self.body, key: reader).status == 403)
            #expect(try await service.send(.get, "/v2/webhooks", key: other).items.isEmpty)
        }
    }

    @Test("Changes heed If-Match, and a tag changes with what can be seen")
    func conditions() async throws {
        try await TestService.run { service in
            let id = try await service.webhook()
            let tag = try #require(try await service.send(.get, "/v2/webhooks/\(id)").header("ETag"))
            _ = try await service.createCompleted(.persona, "One")
            let path = "/v2/webhooks/\(id)"
            for (method, target, body) in [(.patch, path, "{}"), (.delete, path, nil), (.post, path + "/rotate", nil)]
                as [(HTTPRequest.Method, String, TestBody?)]
            {
                #expect(try await service.send(method, target, body, headers: [.ifMatch: tag]).status == 412, "\(method)")
            }
            let present = try #require(try await service.send(.get, path).header("ETag"))
            #expect(present != tag)
            let same = try await service.send(.patch, path, "{}", headers: [.ifMatch: present])
            #expect(same.header("ETag") == present, "nothing was changed")
            let changed = try await service.send(
                .patch, path, #"{"url":"https://hooks.example/b","events":["*"],"description":null,"status":"disabled"}"#,
                headers: [.ifMatch: present])
            #expect(changed.status == 200)
            #expect(changed.header("ETag") != present)
            #expect(changed.string("url") == "https://hooks.example/b")
            #expect(changed.string("disabled_reason") == "manual")
            #expect(changed.object?["missing"] as? Int == 1)
            let gone = try await service.send(.delete, path, headers: [.ifMatch: "*"])
            gone.expect(200, #"{"message":"Webhook deleted"}"#)
            #expect(try await service.send(.delete, path).status == 404)
        }
    }

    @Test("A list goes on where the page before ended, and an eleventh webhook is refused")
    func pages() async throws {
        try await TestService.run { service in
            var ids: [String] = []
            for _ in 0..<10 { ids.insert(try await service.webhook(), at: 0) }
            let refused = try await service.send(.post, "/v2/webhooks", Self.body)
            refused.expect(
                403, .quotaExceeded, "The quota of the account is used up: 10 of 10 webhooks are used",
                details: #"{"field":"webhooks","message":"10 of 10 webhooks are used","limit":10,"used":10}"#)
            var (seen, target): ([String], String?) = ([], "/v2/webhooks?limit=3")
            while let next = target {
                let page = try await service.send(.get, next)
                seen += page.items.compactMap { $0["id"] as? String }
                target = page.string("next_cursor").map { "/v2/webhooks?limit=3&cursor=\($0)" }
                #expect((page.header("Link") != nil) == (target != nil))
            }
            #expect(Set(seen) == Set(ids))
            #expect(seen.count == 10)
        }
    }

    @Test("A rotation has both secrets sign for as long as was asked")
    func rotation() async throws {
        let receiver = TestReceiver()
        try await TestService.run(receiver: receiver) { service in
            let created = try await service.send(.post, "/v2/webhooks", Self.body)
            let id = try #require(created.string("id"))
            let turned = try await service.send(.post, "/v2/webhooks/\(id)/rotate", #"{"overlap_seconds":60}"#)
            #expect(turned.string("previous_secret_expires_at") != nil)
            _ = try await service.send(.post, "/v2/webhooks/\(id)/test")
            let ended = try await service.send(.post, "/v2/webhooks/\(id)/rotate", #"{"overlap_seconds":0}"#)
            ended.expect(
                200, "{\"secret\":\"\(ended.string("secret") ?? "")\",\"previous_secret_expires_at\":null,\"request_id\":\"<request>\"}")
            _ = try await service.send(.post, "/v2/webhooks/\(id)/test")
            let secrets = [created, turned, ended].compactMap { $0.string("secret") }
            #expect(receiver.messages.map { $0.secrets.map(\.text) } == [[secrets[1], secrets[0]], [secrets[2]]])
        }
    }

    @Test("A test tells what an attempt meets, whether the webhook is enabled or not, and leaves no trace")
    func test() async throws {
        let receiver = TestReceiver()
        try await TestService.run(receiver: receiver) { service in
            let id = try await service.webhook()
            _ = try await service.send(.patch, "/v2/webhooks/\(id)", #"{"status":"disabled"}"#)
            let tag = try await service.send(.get, "/v2/webhooks/\(id)").header("ETag")
            receiver.answer(503)
            let key: HTTPFields = [.idempotencyKey: "try"]
            let tested = try await service.send(.post, "/v2/webhooks/\(id)/test", headers: key)
            tested.expect(
                200,
                """
                {"event_id":"<id 1>","event_type":"webhook.test","at":"<time>","url":"https://hooks.example/a","duration_ms":12,"http_status":503,\
                "error":null,"response_body":"heard","request_id":"<request>"}
                """)
            let again = try await service.send(.post, "/v2/webhooks/\(id)/test", headers: key)
            #expect(again.text == tested.text)
            let message = try #require(receiver.messages.first)
            #expect(receiver.messages.count == 1)
            let event = try #require(try JSONSerialization.jsonObject(with: Data(message.body)) as? [String: Any])
            #expect(event["type"] as? String == "webhook.test")
            #expect(event["id"] as? String == message.id.text)
            #expect(event["sequence"] == nil)
            #expect(try await service.deliveries(of: id).isEmpty)
            #expect(try await service.send(.get, "/v2/webhooks/\(id)").header("ETag") == tag)
        }
    }
}

extension TestService {
    /// Makes a webhook, and returns its id.
    func webhook(_ body: TestBody = WebhookTests.body) async throws -> String {
        let answer = try await send(.post, "/v2/webhooks", body)
        return try #require(answer.string("id"), "\(answer.text)")
    }

    /// The log of a webhook, newest first.
    func deliveries(of id: String, _ query: String = "") async throws -> [[String: Any]] {
        try await send(.get, "/v2/webhooks/\(id)/deliveries\(query)").items
    }
}
