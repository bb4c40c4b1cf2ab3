import HTTPTypes
import Hummingbird
import Personas
import PersonasWire
import Synchronization

/// What orchestrators ask: whether the process lives, and whether it should get traffic.
struct HealthRoutes: Sendable {
    /// The paths of both calls.
    static let paths: Set<String> = ["/healthz", "/readyz"]
    /// When a balancer may ask again.
    private static let retryAfterSeconds = 1

    let schema: any SchemaStore
    let stopping: StoppingFlag

    /// Adds the calls.
    func add(to router: Router<PersonasRequestContext>) {
        router.get("/healthz") { _, _ in Self.ok }
        router.get("/readyz") { _, _ in
            guard !stopping.isSet, await schema.isReady() else { throw Failure.underMaintenance(retryAfterSeconds: Self.retryAfterSeconds) }
            return Self.ok
        }
    }

    private static var ok: Response {
        JSONAnswer { writer in writer.object { $0.member("status", "ok") } }.response
    }
}

/// Set once the process was told to stop, so that balancers send nothing more while the last requests are finished.
final class StoppingFlag: Sendable {
    private let flag = Atomic(false)

    /// Whether the process is stopping.
    var isSet: Bool { flag.load(ordering: .relaxed) }

    /// The process was told to stop.
    func set() { flag.store(true, ordering: .relaxed) }
}
