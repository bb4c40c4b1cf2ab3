import Hummingbird

@testable import PersonasHTTP

extension HTTPService {
    /// Every method of every path that has a route.
    var answeredRoutes: [(method: String, path: String)] {
        router(parts()).routes.map { (method: $0.method.rawValue, path: $0.path.description) }
    }
}
