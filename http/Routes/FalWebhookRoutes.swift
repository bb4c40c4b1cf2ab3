import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// Where fal reports. It comes without a key of this service: the token in the address says which request it is about, and the signature that it is fal.
struct FalWebhookRoutes: Sendable {
    /// The path of the call, which is there whoever trains, and answered during maintenance: what trains goes on then.
    static let path = "/v2/training/fal/webhook"
    /// The parameter that holds the token.
    static let tokenParameter = "token"

    /// Nil where fal does not train.
    let webhooks: FalWebhooks?
    /// One for each body that is in memory. Whoever knows no token gets none, so that strangers cannot hold them.
    let places: AsyncSemaphore

    /// Adds the call.
    func add(to router: Router<PersonasRequestContext>) {
        router.post(RouterPath(Self.path)) { request, _ in try await receive(request) }
    }

    /// Whether a path is answered during maintenance.
    static func isOpen(_ path: String) -> Bool { path.utf8.elementsEqual(Self.path.utf8) }

    private func receive(_ request: Request) async throws -> Response {
        guard let webhooks, let text = QueryParameters(request.uri.query).value(of: Self.tokenParameter),
            let token = RandomToken(text: text)
        else { throw Failure.notFound }
        let jobID = try await webhooks.job(of: token)
        try request.requireJSON()
        guard let place = places.permit() else { throw Failure.usedUp(.bodyMemory, retryAfterSeconds: 1) }
        defer { withExtendedLifetime(place) {} }
        let body = try await request.bodyBytes(upTo: FalRules.bodyBytesMax)
        try await webhooks.take(body, FalSignature(request.headers), of: jobID)
        return JSONAnswer { writer in writer.object { $0.member("message", "Webhook received") } }.response
    }
}

extension FalSignature {
    /// The headers of a webhook.
    fileprivate init(_ headers: HTTPFields) {
        func value(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
        self.init(
            requestID: value("X-Fal-Webhook-Request-Id"), userID: value("X-Fal-Webhook-User-Id"),
            timestamp: value("X-Fal-Webhook-Timestamp"), signature: value("X-Fal-Webhook-Signature"))
    }
}
