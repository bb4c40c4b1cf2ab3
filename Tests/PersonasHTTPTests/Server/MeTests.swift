import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Personas
import TestImages
import Testing

@testable import PersonasHTTP

/// `GET /v2/me`.
@Suite("Who am I", .serialized)
struct MeTests {
    private static func counts(_ persona: (Int, Int, Int), _ style: (Int, Int, Int)) -> String {
        let items = [persona, style].reduce(0) { $0 + $1.0 + $1.1 + $1.2 }
        let bytes = items * (1...3).reduce(0) { $0 + Picture.png(seed: $1).count }
        func one(_ counts: (Int, Int, Int)) -> String {
            #"{"processing":\#(counts.0),"completed":\#(counts.1),"failed":\#(counts.2),"trash":0}"#
        }
        return #""counts":{"personas":\#(one(persona)),"styles":\#(one(style)),"items":\#(items),"stored_bytes":\#(bytes)},"credits":null}"#
    }

    private static func limits(_ configuration: HTTPConfiguration, quota: String = #""items":null,"stored_bytes":null"#) -> String {
        """
        "limits":{"reads_per_second":\(configuration.rateLimits.readsPerSecond),\
        "writes_per_second":\(configuration.rateLimits.writesPerSecond),"requests_in_flight":\(configuration.rateLimits.inFlightMax),\
        "streams":10,"webhooks":10,"body_bytes":\(configuration.limits.bodyBytesMax),"image_bytes":10485760,\
        "page_items":\(configuration.pageItemsMax),\(quota)}
        """
    }

    @Test("tells account, key, limits and counts, on both ways")
    func whole() async throws {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(readsPerSecond: 77, writesPerSecond: 66, inFlightMax: 5)
        configuration.pageItemsMax = 44
        try await TestService.run(configuration: configuration) { [configuration] service in
            let key = """
                {"account":{"id":"<id 1>","name":"studio","created_at":"<time>"},\
                "key":{"id":"<id 2>","prefix":"\(service.key.prefix(8))","label":null,"scopes":["read","write"],\
                "created_at":"<time>","expires_at":null},\(Self.limits(configuration)),
                """
            let before = service.shadow.answeredCount
            let first = try await service.send(.get, "/v2/me")
            first.expect(200, key + Self.counts((0, 0, 0), (0, 0, 0)))
            service.shadow.expectAnswered(before + 1)
            #expect(first.headers[.eTag] == nil)
            #expect(first.headers[.rateLimit]?.hasPrefix("\"reads\"") == true)

            for number in 0..<3 { _ = try await service.createCompleted(.persona, "Nova \(number)") }
            try await service.create(.style, "Broken")
            try await service.failTraining(TrainingError(code: .failed, message: "It broke"))
            try await service.create(.style, "Busy")
            let other = try await service.newKey(account: "other")
            try await service.create(.persona, "Theirs", key: other)
            try await service.send(.get, "/v2/me").expect(200, key + Self.counts((0, 3, 0), (1, 0, 1)))
            let id = try #require(try await service.send(.get, "/v2/personas?limit=1").items.first?["id"] as? String)
            try await service.send(.delete, "/v2/personas/\(id)")
            try await service.send(.get, "/v2/me").expect(200, key + Self.counts((0, 2, 0), (1, 0, 1)))
            let theirs = try await service.send(.get, "/v2/me", key: other)
            #expect(theirs.shape.hasSuffix(Self.counts((1, 0, 0), (0, 0, 0))))
            #expect(theirs.text.contains(#""name":"other""#))
        }
    }

    @Test("tells the quota of the account as soon as it is another")
    func quota() async throws {
        try await TestService.run { service in
            for (change, told) in [
                (QuotaChange(items: .max(7)), #""items":7,"stored_bytes":null"#),
                (QuotaChange(storedBytes: .max(12_345)), #""items":7,"stored_bytes":12345"#),
                (QuotaChange(items: QuotaChange.Bound.none, storedBytes: .max(0)), #""items":null,"stored_bytes":0"#),
            ] {
                _ = try await service.administration.perform(ChangeQuota(change, accountName: "studio"))
                let answer = try await service.send(.get, "/v2/me")
                #expect(answer.text.contains(Self.limits(HTTPConfiguration(), quota: told)), "\(answer.text)")
            }
        }
    }

    @Test("any scope may ask, and only for itself", arguments: Scope.allCases)
    func scopes(scope: Scope) async throws {
        try await TestService.run { service in
            let issued = try await service.key(scopes: [scope])
            let answer = try await service.send(.get, "/v2/me", key: .text(issued.key))
            #expect(answer.status == 200)
            let key = try #require(answer.object?["key"] as? [String: Any])
            #expect(key["id"] as? String == issued.id.text && key["prefix"] as? String == issued.prefix)
            #expect(key["scopes"] as? [String] == [scope.rawValue])
            try await service.send(.head, "/v2/me", key: .text(issued.key))
        }
    }

    @Test("without a key that is good it is refused as every call is; other methods are not allowed")
    func refusals() async throws {
        try await TestService.run { service in
            try await service.send(.get, "/v2/me", key: .none).expect(401, .missingAPIKey, ErrorCode.missingAPIKey.defaultMessage)
            try await service.send(.get, "/v2/me", key: .text("x"))
                .expect(401, .invalidAPIKeyFormat, ErrorCode.invalidAPIKeyFormat.defaultMessage)
            let gone = try await service.newKey(account: "gone")
            _ = try await service.administration.perform(DeleteAccount(name: "gone"))
            try await service.send(.get, "/v2/me", key: gone).expect(404, .apiUserNotFound, ErrorCode.apiUserNotFound.defaultMessage)
            let answer = try await service.send(.post, "/v2/me", "{}")
            answer.expect(405, .methodNotAllowed, ErrorCode.methodNotAllowed.defaultMessage)
            #expect(answer.header("Allow")?.contains("GET") == true)
            #expect(try await service.send(.get, "/v2/me/x").status == 404)
        }
    }
}
