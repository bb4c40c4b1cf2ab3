import HTTPTypes
import Hummingbird
import Personas

/// Turns clients away while maintenance is on. Health checks still answer, because an orchestrator must not kill what is only paused, and so
/// do metrics, because an operator at work wants to see, the console, which says what goes on, the description of the API, images, because their
/// links stand in pages of others, which know nothing of maintenance, and what fal reports of items that it was given before.
struct MaintenanceMiddleware: RouterMiddleware {
    typealias Context = PersonasRequestContext

    private static let openPaths = HealthRoutes.paths.union([MetricsRoutes.path])

    let maintenance: any MaintenanceStore

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        try requireOpen(request.uri.path)
        return try await next(request, context)
    }

    /// Turns a request for a path away while maintenance is on.
    /// - Throws: `underMaintenance`.
    func requireOpen(_ path: String) throws(Failure) {
        let state = maintenance.maintenance
        if FalWebhookRoutes.isOpen(path) { return }
        if state.isOn, !Self.openPaths.contains(path), !DocumentRoutes.isOpen(path), !MediaRoutes.isOpen(path) {
            throw .underMaintenance(retryAfterSeconds: state.retryAfterSeconds)
        }
    }
}
