import Foundation
import Personas
import Synchronization

@testable import PersonasCLI

/// A fal that a test has in its hands, without HTTP: it takes everything, and believes signatures that say `good`.
final class TestFalAccess: FalQueue, FalWebhookVerifier {
    private let state = Mutex((verified: 0, hasKeys: true))

    /// How many bodies were verified.
    var verified: Int { state.withLock { $0.verified } }

    /// Whether its keys can be had.
    func publishKeys(_ isPublishing: Bool) { state.withLock { $0.hasKeys = isPublishing } }

    func handle(of requestID: String) -> FalHandle? {
        FalHandle(requestID: requestID, statusURL: "s", responseURL: "r", cancelURL: "c")
    }

    func submit(_ input: [UInt8], webhook: String) async -> FalSubmission { .unknown }
    func standing(of handle: FalHandle) async -> FalStanding { .open }
    func cancel(_ handle: FalHandle) async -> Bool { true }
    func prepare() async -> Bool { true }

    func verify(_ signature: FalSignature, of body: [UInt8], at now: Timestamp) async throws(Failure) {
        let hasKeys = state.withLock { state in
            state.verified += 1
            return state.hasKeys
        }
        guard hasKeys else { throw .providerUnavailable(retryAfterSeconds: 2) }
        guard signature.signature == "good" else { throw .invalid([Violation("X-Fal-Webhook-Signature", "is not good")]) }
    }

    /// The settings of a service that trains here.
    static func flags(in directory: String) throws -> [String: String] {
        let input = "\(directory)/fal-input.json"
        try Data(#"{"images": "{{reference_urls}}"}"#.utf8).write(to: URL(fileURLWithPath: input))
        return [
            "trainer": "fal", "fal-key": "key", "fal-model": "acme/portrait", "fal-input": input,
            "fal-portrait-pointer": "/images/0/url", "public-url": TestService.baseURL,
        ]
    }
}
