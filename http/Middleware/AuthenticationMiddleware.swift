import HTTPTypes
import Hummingbird
import Personas

/// Finds out which key calls, before anything of the request beyond its head is looked at.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let authentication: Authentication

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do throws(Failure) {
            context.caller = try await authentication.caller(presenting: request.headers[.xAPIKey])
        } catch {
            context.isKeyUnknown = error == .unknownAPIKey
            throw error
        }
        return try await next(request, context)
    }
}
