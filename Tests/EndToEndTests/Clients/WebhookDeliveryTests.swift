import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// Webhooks as receivers get them from the running service.
@Suite("Deliveries of webhooks", .timeLimit(.minutes(5)))
struct WebhookDeliveryTests {
    /// Adds an endpoint and returns what the service says of it.
    static func endpoint(_ client: Client, _ url: String, _ events: [JSONValue] = ["*"]) async throws -> JSONValue {
        let answer = try await client.post("/v2/webhooks", ["url": .string(url), "events": .array(events)])
        try #require(answer.status == 201, "\(answer.text)")
        return answer.json
    }

    /// The id of a JSON object.
    static func id(_ value: JSONValue) throws -> String { try #require(value["id"]?.string) }

    @Test("What becomes of an item arrives in order, though another endpoint is dead, and the log says how it went")
    func arrives() async throws {
        try await Stage.run { stage in
            try await LocalReceiver.run({ $0.path == "/dead" ? .silence : $0.path == "/gone" ? .status(410) : .status(204) }) { receiver in
                let service = try await stage.serve("--development-downloads")
                let client = service.client(try await stage.key())
                let dead = try await Self.endpoint(client, receiver.url("/dead"))
                let gone = try await Self.endpoint(client, receiver.url("/gone"), ["persona.created"])
                let good = try await Self.endpoint(client, receiver.url("/good"), ["persona.*"])
                let item = try await client.create(name: "Ada").id
                _ = try await client.trained(item)
                try await eventually("created and completed") {
                    receiver.received.filter { $0.path == "/good" }.count >= 2
                }
                let messages = receiver.received.filter { $0.path == "/good" }
                #expect(messages.map { $0.event["type"]?.string } == ["persona.created", "persona.completed"])
                #expect(messages.allSatisfy { $0.event["id"]?.string == $0.id && $0.event["data"]?["id"]?.string == item })
                #expect(messages.last?.event["data"]?["portrait_url"]?.string?.hasPrefix(service.address) == true)
                #expect(receiver.received.contains { $0.path == "/dead" })
                let deliveries = "/v2/webhooks/\(try Self.id(good))/deliveries"
                try await eventually("success in the log") {
                    let list = try await client.all(deliveries)
                    return list.count == 2 && list.allSatisfy { $0["status"] == "succeeded" && $0["last_attempt"]?["http_status"] == 204 }
                }
                try await eventually("the end of the endpoint that is gone") {
                    try await client.get("/v2/webhooks/\(try Self.id(gone))").json["disabled_reason"] == "gone"
                }
                #expect(try await client.get("/v2/webhooks/\(try Self.id(dead))").json["status"] == "enabled")
                // What never answers keeps nobody from stopping.
                #expect(try await service.stop() == .status(0))
            }
        }
    }

    @Test("An endpoint is tried when its owner says so, and told as it is")
    func tested() async throws {
        try await Stage.run { stage in
            try await LocalReceiver.run({ _ in .status(202) }) { receiver in
                let service = try await stage.serve("--development-downloads")
                let client = service.client(try await stage.key())
                let id = try Self.id(try await Self.endpoint(client, receiver.url("/hook")))
                let answer = try await client.send(.POST, "/v2/webhooks/\(id)/test")
                #expect(answer.status == 200, "\(answer.text)")
                #expect(receiver.received.map { $0.event["type"]?.string } == ["webhook.test"])
                #expect(try await service.stop() == .status(0))
            }
        }
    }
}
