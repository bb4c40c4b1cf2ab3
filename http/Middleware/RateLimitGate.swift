import HTTPTypes
import Hummingbird
import Personas

/// Holds each API key to its rate limits, before anything of a request beyond its head is looked at.
struct RateLimitGate: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let limiter: RateLimiter

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let caller = context.caller else { return try await next(request, context) }
        // A worker that waits for a job does nothing meanwhile.
        let countsInFlight = context.endpointPath != TrainingRoutes.leasePath
        let isWrite = request.method != .get && request.method != .head
        switch limiter.begin(caller.keyID, isWrite: isWrite, countsInFlight: countsInFlight) {
        case .refused(let standing):
            context.rateLimit = standing
            throw Failure.tooManyRequests(standing.limit, retryAfterSeconds: standing.resetSeconds)
        case .admitted(let standing):
            context.rateLimit = standing
            defer { if countsInFlight { limiter.end(caller.keyID) } }
            return try await next(request, context)
        }
    }
}

/// Tells every caller where it stands (draft-ietf-httpapi-ratelimit-headers), on errors as well.
struct RateLimitFields: RouterMiddleware {
    typealias Context = PersonasRequestContext

    private let policyText: String

    init(policy: RateLimitPolicy) {
        let seconds = RateLimitPolicy.windowSeconds
        policyText = """
            "\(RateLimit.reads.rawValue)";q=\(policy.readsPerMinute);w=\(seconds), \
            "\(RateLimit.writes.rawValue)";q=\(policy.writesPerMinute);w=\(seconds), \
            "\(RateLimit.inFlight.rawValue)";q=\(policy.inFlightMax);qu="concurrent-requests"
            """
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        guard let standing = context.rateLimit else { return response }
        response.headers.append(HTTPField(name: .rateLimitPolicy, value: policyText))
        let value = "\"\(standing.limit.rawValue)\";r=\(standing.remaining);t=\(standing.resetSeconds)"
        response.headers.append(HTTPField(name: .rateLimit, value: value))
        return response
    }
}
