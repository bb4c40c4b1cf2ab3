/// Trainings whose credits somebody else was to pay for.
extension CodeScene {
    static let createAfterDecline = refusal("a create that nobody pays for", settings: ["credits": "on"]) { service in
        try await service.send(.post, "/v2/personas", .create("Nova"))
    }
}
