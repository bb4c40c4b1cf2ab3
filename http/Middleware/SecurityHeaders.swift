import HTTPTypes
import Hummingbird

/// Adds to every answer what keeps browsers from making something of it that it is not. Errors are answers by the time they pass here.
struct SecurityHeaders: RouterMiddleware {
    typealias Context = PersonasRequestContext

    /// What is added where a route says nothing else. Answers belong to one key, and may be reused only after the entity tag was checked again.
    private static let defaults = [
        HTTPField(name: .xContentTypeOptions, value: "nosniff"),
        HTTPField(name: .contentSecurityPolicy, value: "default-src 'none'; frame-ancestors 'none'"),
        HTTPField(name: .cacheControl, value: "private, no-cache"),
    ]

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        Self.add(to: &response.headers)
        return response
    }

    /// Adds to the header of an answer what it does not say itself.
    static func add(to fields: inout HTTPFields) {
        // One walk over the few fields costs less than the index that a look-up by name builds.
        var isSaid = 0
        for field in fields {
            for (index, ours) in defaults.enumerated() where ours.name == field.name { isSaid |= 1 << index }
        }
        for (index, ours) in defaults.enumerated() where isSaid & 1 << index == 0 { fields.append(ours) }
    }
}
