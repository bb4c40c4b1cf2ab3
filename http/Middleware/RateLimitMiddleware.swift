import HTTPTypes
import Hummingbird
import Personas

/// Holds each API key to its rate limits, before anything of a request beyond its head is looked at.
struct RateLimitMiddleware: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let limiter: RateLimiter
    /// How long a request waits for others of its key to end, and how long a refusal is held back: a client that sends without looking at its
    /// answers is slowed by it on each of its connections, and leaves the processor to the others.
    let overLimitWait: Duration
    let limits: LimitCounters

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await admit(request, context, next)
        } catch let failure as Failure {
            switch failure {
            case .tooManyRequests(let limit, _): limits.hit(ClientLimit(limit))
            case .usedUp(let resource, _): limits.hit(ClientLimit(resource))
            default: break
            }
            throw failure
        }
    }

    private func admit(
        _ request: Request, _ context: Context, _ next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let caller = context.caller else { return try await next(request, context) }
        // Counted before there is a place for it, so that a refusal that is held back keeps no other request from running.
        try await count(request, caller, context)
        guard !Self.mayWait(request, context) else { return try await next(request, context) }
        guard await limiter.enter(caller.keyID, waiting: overLimitWait) else {
            context.rateLimit = RateLimiter.Standing(limit: .inFlight, remaining: 0, resetSeconds: 1)
            throw Failure.tooManyRequests(.inFlight, retryAfterSeconds: 1)
        }
        defer { limiter.leave(caller.keyID) }
        return try await next(request, context)
    }

    /// Whether a request may wait for something to happen, for which it does nothing meanwhile: a worker's for a job, a read for a change, a stream for
    /// events. So does an import for its archive, of which an account has one at a time.
    private static func mayWait(_ request: Request, _ context: Context) -> Bool {
        guard let path = context.endpointPath else { return false }
        return path == TrainingRoutes.leasePath || path == AccountRoutes.importPath || EventRoutes.mayStream(request, path: path)
            || !request.isWrite && PikzonalityReads.itemPaths.contains(path) && ItemWait.isAsked(by: request)
    }

    private func count(_ request: Request, _ caller: Caller, _ context: Context) async throws {
        let (isAdmitted, standing) = limiter.count(caller.keyID, isWrite: request.isWrite)
        context.rateLimit = standing
        guard !isAdmitted else { return }
        await limiter.holdBack(caller.keyID, for: overLimitWait)
        throw Failure.tooManyRequests(standing.limit, retryAfterSeconds: standing.resetSeconds)
    }
}

/// Tells every caller where it stands (draft-ietf-httpapi-ratelimit-headers), on errors as well.
///
/// Answers that were given before a request came to be counted, by another layer or because no route was found, count it here: a client that tries
/// paths or methods, or comes while the account is suspended or the service under maintenance, is told as much as every other.
struct RateLimitFields: RouterMiddleware {
    typealias Context = PersonasRequestContext

    /// What is known at once of where a caller stands.
    enum StandingLookup {
        case known(RateLimiter.Standing)
        /// No key is known.
        case ofNobody
        /// To find out takes waiting.
        case waits
    }

    /// The routes that need no key, whose answers say nothing of limits.
    private static let keylessRoutes = HealthRoutes.paths.union(DocumentRoutes.paths).union([MetricsRoutes.path, MediaRoutes.path])

    private let policyField: HTTPField
    private let limiter: RateLimiter
    private let authentication: Authentication

    init(policy: RateLimitPolicy, limiter: RateLimiter, authentication: Authentication) {
        self.limiter = limiter
        self.authentication = authentication
        let seconds = RateLimitPolicy.windowSeconds
        policyField = HTTPField(
            name: .rateLimitPolicy,
            value: """
                "\(RateLimit.reads.rawValue)";q=\(policy.readsPerWindow);w=\(seconds), \
                "\(RateLimit.writes.rawValue)";q=\(policy.writesPerWindow);w=\(seconds), \
                "\(RateLimit.inFlight.rawValue)";q=\(policy.inFlightMax);qu="concurrent-requests"
                """)
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        guard let standing = await standing(request, context) else { return response }
        add(standing, to: &response.headers)
        return response
    }

    /// Says in the header of an answer where its caller stands.
    func add(_ standing: RateLimiter.Standing, to fields: inout HTTPFields) {
        fields.append(policyField)
        fields.append(
            HTTPField(
                name: .rateLimit, value: "\"\(standing.limit.rawValue)\";r=\(standing.remaining);t=\(standing.resetSeconds)"))
    }

    /// Where the caller of a read stands that was answered before it came to be counted.
    func standingNow(presenting secret: String?) -> StandingLookup {
        switch authentication.knownKeyIDNow(presenting: secret) {
        case .known(let keyID): .known(limiter.count(keyID, isWrite: false).standing)
        case .unknown: .ofNobody
        case .waits: .waits
        }
    }

    private func standing(_ request: Request, _ context: Context) async -> RateLimiter.Standing? {
        if let standing = context.rateLimit { return standing }
        let route = context.route
        if let route, Self.keylessRoutes.contains(route) { return nil }
        guard !context.isKeyUnknown, let keyID = await authentication.knownKeyID(presenting: request.headers[.xAPIKey]) else { return nil }
        // A path that is not in the table changes nothing, whatever the method.
        return limiter.count(keyID, isWrite: route != nil && request.isWrite).standing
    }
}

extension Request {
    /// Whether the method may change something.
    fileprivate var isWrite: Bool { method != .get && method != .head }
}
