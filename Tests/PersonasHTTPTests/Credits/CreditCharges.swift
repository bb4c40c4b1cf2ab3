import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasHTTP
import Testing

/// What tests of credits ask of a service, and what they make of its answers.
extension TestService {
    /// Starts a service with prices; see the other `run`.
    static func runWithCredits(
        persona: Int = 2, style: Int = 3, balance: Int = 0, configuration: HTTPConfiguration = HTTPConfiguration(),
        fetcher: TestFetcher = TestFetcher(), payments: (any PaymentService)? = nil, _ test: @Sendable (TestService) async throws -> Void
    ) async throws {
        let prices = ["credits": "on", "persona-price": "\(persona)", "style-price": "\(style)"]
        try await run(configuration: configuration, fetcher: fetcher, settings: prices, payments: payments) { service in
            if balance > 0 { try await service.grant(balance) }
            try await test(service)
        }
    }

    /// Gives an account credits.
    @discardableResult
    func grant(_ amount: Int, to account: String = "studio", note: String? = nil) async throws -> CreditEntryReport {
        try await administration.perform(AdjustCredits(.grant, accountName: account, amount: "\(amount)", note: note))
    }

    /// What an account has, as its owner is told.
    func balance(key: Key = .own, sourceLocation: SourceLocation = #_sourceLocation) async throws -> Int? {
        try await send(.get, "/v2/credits", key: key, sourceLocation: sourceLocation).object?["balance"] as? Int
    }

    /// What became of an account's credits, the newest first: kind, amount and balance of each entry.
    func ledger(key: Key = .own, sourceLocation: SourceLocation = #_sourceLocation) async throws -> [String] {
        try await send(.get, "/v2/credits/entries?limit=100", key: key, sourceLocation: sourceLocation).items.map {
            "\($0["kind"] as? String ?? "") \($0["amount"] as? Int ?? 0) \($0["balance_after"] as? Int ?? -1)"
        }
    }
}

extension Answer {
    /// What the answer says is left.
    var creditsRemaining: Int? { header("X-Credits-Remaining").flatMap { Int($0) } }

    /// Compares the envelope of a refusal for want of credits.
    func expectInsufficient(price: Int, balance: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        expect(
            402, .insufficientCredits,
            "\(ErrorCode.insufficientCredits.defaultMessage): it costs \(price), and the balance is \(balance)",
            sourceLocation: sourceLocation)
        #expect(creditsRemaining == nil, sourceLocation: sourceLocation)
    }
}
