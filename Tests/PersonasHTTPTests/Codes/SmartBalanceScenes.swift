import HTTPTypes
import Personas
import Testing

/// Credits that somebody else is to pay for.
extension CodeScene {
    private static let path = "/v2/credits/smart-balance"

    static let oddThreshold = refusal("Smart Balance from no amount of credits on", settings: ["credits": "on"]) { service in
        let billing = TestService.Key.text(try await service.key(scopes: [.billing]).key)
        return try await service.send(.put, path, #"{"threshold":1e3,"amount":5}"#, key: billing)
    }

    static let createAfterDecline = refusal(
        "a create whose top-up is declined", settings: ["credits": "on"], payments: TestPayments(.declined(reference: nil))
    ) { service in
        let engine = try #require(service.topUpEngine)
        let asking = Task { await engine.run(endingWithin: .zero) }
        defer { asking.cancel() }
        let billing = TestService.Key.text(try await service.key(scopes: [.billing]).key)
        #expect(try await service.send(.put, path, #"{"threshold":1,"amount":5}"#, key: billing).status == 200)
        let answer = try await service.send(.post, "/v2/personas", .create("Nova"))
        engine.stop()
        await asking.value
        return answer
    }
}
