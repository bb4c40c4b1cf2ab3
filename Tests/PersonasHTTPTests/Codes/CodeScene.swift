import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

@testable import PersonasCLI

/// How a code comes about in this service.
enum CodeTrigger: Sendable {
    /// A request is refused with it.
    case answered(CodeScene)
    /// The training of an item ends with it, which is the item's `error.code`.
    case item(CodeScene)
    /// An operator's command fails with it.
    case commanded(CodeScene)
    /// The service does not start with these settings.
    case start([String: String])
    /// It does not: sibling services send it.
    case siblings

    /// What is played for it; nil where nothing is.
    var scene: CodeScene? {
        switch self {
        case .answered(let scene), .item(let scene), .commanded(let scene): scene
        case .start, .siblings: nil
        }
    }
}

/// A whole service, and what is done to it until a code comes back.
struct CodeScene: Sendable {
    /// What came back.
    struct Sight: Sendable {
        /// The status of the answer; nil where there was none.
        let status: Int?
        let code: ErrorCode?

        /// A refusal.
        init(_ answer: Answer) throws { (status, code) = (answer.status, try answer.envelope.error.code) }

        /// What is told of an item.
        init(itemIn answer: Answer) {
            let error = answer.object?["error"] as? [String: Any]
            (status, code) = (nil, (error?["code"] as? String).flatMap(ErrorCode.init(rawValue:)))
        }

        /// What a command says that fails.
        init(_ failure: Failure) { (status, code) = (nil, CommandFailure(failure).code.flatMap(ErrorCode.init(rawValue:))) }
    }

    /// What is done, in words.
    let words: String
    let transport: TestService.Transport
    let configuration: HTTPConfiguration
    let policy: LeasePolicy
    let settings: [String: String]
    let payments: TestPayments?
    let play: @Sendable (TestService) async throws -> Sight

    init(
        _ words: String, _ transport: TestService.Transport = .router, configuration: HTTPConfiguration = HTTPConfiguration(),
        policy: LeasePolicy = LeasePolicy(), settings: [String: String] = [:], payments: TestPayments? = nil,
        _ play: @escaping @Sendable (TestService) async throws -> Sight
    ) {
        (self.words, self.transport, self.configuration, self.policy) = (words, transport, configuration, policy)
        (self.settings, self.payments) = (settings, payments)
        self.play = play
    }

    /// A scene that ends with a refusal.
    static func refusal(
        _ words: String, _ transport: TestService.Transport = .router, configuration: HTTPConfiguration = HTTPConfiguration(),
        settings: [String: String] = [:], payments: TestPayments? = nil,
        _ ask: @escaping @Sendable (TestService) async throws -> Answer
    ) -> CodeScene {
        CodeScene(words, transport, configuration: configuration, settings: settings, payments: payments) {
            try Sight(try await ask($0))
        }
    }

    /// Plays it on a service of its own.
    func sight() async throws -> Sight {
        let seen = Shared<Sight?>(nil)
        try await TestService.run(transport, configuration: configuration, policy: policy, settings: settings, payments: payments) {
            service in
            let sight = try await play(service)
            seen.withLock { $0 = sight }
        }
        return try #require(seen.value)
    }
}
