import HTTPTypes
import Hummingbird
import Personas

/// Holds each API key to its rate limits, before anything of a request beyond its head is looked at.
struct RateLimitGate: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let limiter: RateLimiter
    /// How long a refusal is held back. A client that sends without looking at its answers is slowed by it on each of its connections, and
    /// leaves the processor to the others.
    let refusalDelay: Duration
    let limits: LimitCounters

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await admit(request, context, next)
        } catch let failure as Failure {
            if case .tooManyRequests(let limit, _) = failure { limits.hit(ClientLimit(limit)) }
            throw failure
        }
    }

    private func admit(
        _ request: Request, _ context: Context, _ next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let caller = context.caller else { return try await next(request, context) }
        // A worker that waits for a job does nothing meanwhile.
        let countsInFlight = context.endpointPath != TrainingRoutes.leasePath
        let isWrite = request.method != .get && request.method != .head
        switch limiter.begin(caller.keyID, isWrite: isWrite, countsInFlight: countsInFlight) {
        case .refused(let standing):
            context.rateLimit = standing
            try? await Task.sleep(for: refusalDelay)
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
            "\(RateLimit.reads.rawValue)";q=\(policy.readsPerWindow);w=\(seconds), \
            "\(RateLimit.writes.rawValue)";q=\(policy.writesPerWindow);w=\(seconds), \
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
