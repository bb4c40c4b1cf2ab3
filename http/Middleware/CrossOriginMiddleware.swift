import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird

/// Lets pages of other origins call the service where the operator has listed them, and read every answer, errors included (WHATWG Fetch, section 3.3).
///
/// A preflight, by which a browser asks whether it may send what a page wants to, carries no key. It is answered before anything is looked up or
/// counted, and in the same words for every path and method: whether there is such a call, the call itself says, in an answer that can be read.
struct CrossOriginMiddleware: RouterMiddleware {
    typealias Context = PersonasRequestContext

    /// The routes whose answers any page may read, because nobody needs a key for them: what their URL shows is not for one page alone, and only
    /// so can a canvas read an image that it draws.
    static let openRoutes: Set<String> = DocumentRoutes.documentPaths.union([MediaRoutes.path])

    /// Caches must not give one origin what was meant for another.
    private static let varyField = HTTPField(name: .vary, value: "Origin")
    private static let openField = HTTPField(name: .accessControlAllowOrigin, value: "*")

    /// What pages may read of the header of an answer, beyond what browsers let every page read.
    private static let exposedNames: [HTTPField.Name] = [
        .xRequestID, .eTag, .location, .pageLink, .retryAfter, .rateLimit, .rateLimitPolicy, .idempotentReplayed, .originalRequest,
        .preferenceApplied, .allow, .acceptRanges, .contentRange, .contentDisposition, .wwwAuthenticate, .xAccelBuffering,
    ]

    /// What a browser is told that asks for a listed origin, for two hours: none remembers it for longer, but for one that does for a day.
    private static let preflightFields = [
        HTTPField(name: .accessControlAllowMethods, value: "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS"),
        HTTPField(
            name: .accessControlAllowHeaders,
            value: list([
                .xAPIKey, .contentType, .accept, .idempotencyKey, .ifMatch, .ifNoneMatch, .prefer, .range, .ifRange, .lastEventID,
                .xRequestID, .traceParent, .traceState,
            ])),
        HTTPField(name: .accessControlMaxAge, value: "7200"),
    ]

    private let allowedOrigins: AllowedOrigins
    private let exposedField: HTTPField

    /// - Parameter hasCredits: whether answers say what an account has left.
    init(allowedOrigins: AllowedOrigins, hasCredits: Bool = false) {
        self.allowedOrigins = allowedOrigins
        exposedField = HTTPField(
            name: .accessControlExposeHeaders, value: Self.list(Self.exposedNames + (hasCredits ? [.creditsRemaining] : [])))
    }

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let origin = request.headers[.origin]
        if let origin, request.method == .options, request.headers[.accessControlRequestMethod] != nil {
            return preflight(from: origin)
        }
        var response = try await next(request, context)
        add(to: &response.headers, origin: origin, isOpen: context.route.map(Self.openRoutes.contains) ?? false)
        return response
    }

    /// Says in the header of an answer who may read it.
    /// - Parameters:
    ///   - origin: where the page comes from that sent the request, as its browser says; nil for a client that is no browser.
    ///   - isOpen: whether the route is one of those whose answers any page may read.
    func add(to fields: inout HTTPFields, origin: String?, isOpen: Bool) {
        fields.append(Self.varyField)
        if isOpen {
            fields.append(Self.openField)
        } else {
            guard let origin, let permission = allowedOrigins.permission(for: origin) else { return }
            fields.append(HTTPField(name: .accessControlAllowOrigin, value: permission))
        }
        fields.append(exposedField)
    }

    /// What is said in the answers to requests that no route sees.
    /// - Parameter request: the header of the request; nil where it did not come as far.
    func fields(ofRefusing request: HTTPFields?) -> HTTPFields {
        var fields: HTTPFields = [:]
        // Of what could not be read nobody knows the origin, which does not matter where all are let in.
        add(to: &fields, origin: request?[.origin], isOpen: request == nil && allowedOrigins.allowsAll)
        return fields
    }

    private func preflight(from origin: String) -> Response {
        var fields: HTTPFields = [Self.varyField.name: Self.varyField.value]
        if let permission = allowedOrigins.permission(for: origin) {
            fields.append(HTTPField(name: .accessControlAllowOrigin, value: permission))
            fields.append(contentsOf: Self.preflightFields)
        }
        return Response(status: .noContent, headers: fields)
    }

    private static func list(_ names: [HTTPField.Name]) -> String { names.map(\.rawName).joined(separator: ", ") }
}
