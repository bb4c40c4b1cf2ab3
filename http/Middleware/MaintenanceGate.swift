import HTTPTypes
import Hummingbird
import Personas

/// Turns clients away while maintenance is on. Health checks still answer, because an orchestrator must not kill what is only paused.
struct MaintenanceGate: RouterMiddleware {
    typealias Context = PersonasRequestContext

    let maintenance: any MaintenanceStore

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let state = maintenance.maintenance
        if state.isOn, !HealthRoutes.paths.contains(request.uri.path) {
            throw Failure.underMaintenance(retryAfterSeconds: state.retryAfterSeconds)
        }
        return try await next(request, context)
    }
}
