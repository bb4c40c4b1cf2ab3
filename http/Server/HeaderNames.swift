import HTTPTypes

extension HTTPField.Name {
    /// `X-Api-Key`, which carries the secret of an API key.
    static let xAPIKey = named("X-Api-Key")
    /// `Idempotency-Key`, which names a POST.
    static let idempotencyKey = named("Idempotency-Key")
    /// `Idempotent-Replayed`, on an answer that was given before.
    static let idempotentReplayed = named("Idempotent-Replayed")
    /// `X-Credits-Remaining`, what the account has left after a training was charged.
    static let creditsRemaining = named("X-Credits-Remaining")
    /// `Original-Request`, the id of the request that was first answered so.
    static let originalRequest = named("Original-Request")
    /// `RateLimit`, what is left of a limit (draft-ietf-httpapi-ratelimit-headers).
    static let rateLimit = named("RateLimit")
    /// `RateLimit-Policy`, the limits in force.
    static let rateLimitPolicy = named("RateLimit-Policy")
    /// `Prefer` (RFC 7240), what a client would like.
    static let prefer = named("Prefer")
    /// `Preference-Applied`, which of that it got.
    static let preferenceApplied = named("Preference-Applied")
    /// `Last-Event-ID`, up to where a reader of a stream has read.
    static let lastEventID = named("Last-Event-ID")
    /// `X-Accel-Buffering`, whether a proxy in front may hold an answer back until there is more of it.
    static let xAccelBuffering = named("X-Accel-Buffering")
    /// `traceparent` (W3C Trace Context), the trace that a request belongs to.
    static let traceParent = named("traceparent")
    /// `tracestate`, which tracing systems add to that.
    static let traceState = named("tracestate")
    /// `Link` (RFC 8288), which names the next page.
    static let pageLink = named("Link")
    /// `Cross-Origin-Resource-Policy`, who may embed an answer.
    static let crossOriginResourcePolicy = named("Cross-Origin-Resource-Policy")
    /// `Cross-Origin-Opener-Policy`, who shares the window of a page.
    static let crossOriginOpenerPolicy = named("Cross-Origin-Opener-Policy")
    /// `Referrer-Policy`, what a page tells of its address to those it links to.
    static let referrerPolicy = named("Referrer-Policy")
    /// `X-Forwarded-For`, for whom each proxy on the way has passed the request on.
    static let xForwardedFor = named("X-Forwarded-For")
    /// What names the operation in a call of `AdministrationService`.
    static let administrationOperation = named(AdministrationService.operationHeader)

    private static func named(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no well-formed header name") }
        return name
    }
}
