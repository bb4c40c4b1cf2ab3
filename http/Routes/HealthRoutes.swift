import HTTPTypes
import Hummingbird
import Personas
import PersonasWire
import Synchronization

/// What orchestrators ask: whether the process lives, and whether it should get traffic.
struct HealthRoutes: Sendable {
    /// The paths of both calls.
    static let paths: Set<String> = [alivePath, readyPath]
    private static let alivePath = "/healthz"
    private static let readyPath = "/readyz"
    /// When a balancer may ask again.
    private static let retryAfterSeconds = 1

    let schema: any SchemaStore
    let stopping: StoppingFlag

    /// Adds the calls.
    func add(to router: Router<PersonasRequestContext>) {
        router.get(RouterPath(Self.alivePath)) { _, _ in Self.ok.response }
        router.get(RouterPath(Self.readyPath)) { _, _ in
            var isReady = !stopping.isSet
            if isReady { isReady = await schema.isReady() }
            return try Self.answer(isReady: isReady).response
        }
    }

    /// The answer to one of both calls, where that needs no waiting; nil where it does.
    func answerNow(_ path: String) throws(Failure) -> JSONAnswer? {
        if path.utf8.elementsEqual(Self.alivePath.utf8) { return Self.ok }
        if stopping.isSet { return try Self.answer(isReady: false) }
        return try schema.isReadyNow().map(Self.answer(isReady:))
    }

    private static func answer(isReady: Bool) throws(Failure) -> JSONAnswer {
        guard isReady else { throw .underMaintenance(retryAfterSeconds: retryAfterSeconds) }
        return ok
    }

    private static let ok = JSONAnswer { writer in writer.object { $0.member("status", "ok") } }
}

/// Set once the process was told to stop, so that balancers send nothing more while the last requests are finished.
final class StoppingFlag: Sendable {
    private let flag = Atomic(false)

    /// Whether the process is stopping.
    var isSet: Bool { flag.load(ordering: .relaxed) }

    /// The process was told to stop.
    func set() { flag.store(true, ordering: .relaxed) }
}
