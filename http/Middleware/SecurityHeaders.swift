import HTTPTypes
import Hummingbird

/// Adds to every answer what keeps browsers from making something of it that it is not. Errors are answers by the time they pass here.
struct SecurityHeaders: RouterMiddleware {
    typealias Context = PersonasRequestContext

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.contentSecurityPolicy] == nil {
            response.headers[.contentSecurityPolicy] = "default-src 'none'; frame-ancestors 'none'"
        }
        if response.headers[.cacheControl] == nil {
            // Answers belong to one key, and may be reused only after the entity tag was checked again.
            response.headers[.cacheControl] = "private, no-cache"
        }
        return response
    }
}
