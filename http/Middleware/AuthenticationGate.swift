import HTTPTypes
import Hummingbird
import Personas

/// Finds out who calls, before anything of the request beyond its head is looked at.
struct AuthenticationGate: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let authentication: Authentication

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        context.caller = try await authentication.caller(presenting: request.headers[.xAPIKey])
        return try await next(request, context)
    }
}
