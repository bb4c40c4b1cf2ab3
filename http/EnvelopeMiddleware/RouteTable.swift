import ErrorEnvelope
public import HTTPTypes
public import Hummingbird

/// The routes of a service, looked up by path alone: which methods does a path take?
///
/// Hummingbird answers 404 to a known path with another method. This tells the two apart. It is only asked after a request has found no
/// route, so it costs nothing on requests that do.
public struct RouteTable: Sendable {
    private struct Entry {
        let path: RouterPath
        var methods: [HTTPRequest.Method]
    }

    private var entries: [Entry] = []

    /// Makes the table of `router.routes`, after the last route has been added to the router.
    public init<Context>(_ routes: [Router<Context>.RouteDescription]) {
        for route in routes {
            if let index = self.entries.firstIndex(where: { $0.path == route.path }) {
                self.entries[index].methods.append(route.method)
            } else {
                self.entries.append(Entry(path: route.path, methods: [route.method]))
            }
        }
    }

    /// The methods that a path takes, in alphabetical order, or none if no route has this path.
    ///
    /// As in Hummingbird, the most specific route that fits decides alone: beside `items/{id}` a route `items/new` hides the methods of
    /// the former.
    public func methods(at path: String) -> [HTTPRequest.Method] {
        let segments = path.split(separator: "/", omittingEmptySubsequences: true)
        var best: (specificity: [Int], methods: [HTTPRequest.Method])?
        for entry in self.entries where Self.matches(entry.path[...], segments[...]) {
            let specificity = entry.path.map(Self.specificity)
            if let current = best, !current.specificity.lexicographicallyPrecedes(specificity) { continue }
            best = (specificity, entry.methods)
        }
        return (best?.methods ?? []).sorted { $0.rawValue < $1.rawValue }
    }

    /// The value of `Allow` for a request that found no route, or `nil` if its path is unknown altogether.
    ///
    /// `HEAD` counts where `GET` does, unless it is `HEAD` that found no route: then the service has none.
    public func allow(for method: HTTPRequest.Method, at path: String) -> String? {
        var methods = self.methods(at: path)
        if method != .head, methods.contains(.get), !methods.contains(.head) { methods.append(.head) }
        guard !methods.isEmpty, !methods.contains(method) else { return nil }
        return methods.map(\.rawValue).sorted().joined(separator: ", ")
    }

    private static func matches(_ pattern: Slice<RouterPath>, _ segments: ArraySlice<Substring>) -> Bool {
        guard let element = pattern.first else { return segments.isEmpty }
        guard let segment = segments.first else { return false }
        if element == .recursiveWildcard {
            return (1...segments.count).contains { Self.matches(pattern.dropFirst(), segments.dropFirst($0)) }
        }
        return element ~= segment && Self.matches(pattern.dropFirst(), segments.dropFirst())
    }

    /// Hummingbird's order among the elements that fit one segment, the highest first.
    private static func specificity(of element: RouterPath.Element) -> Int {
        if element == .recursiveWildcard { return 0 }
        if element == .wildcard { return 1 }
        let text = element.description
        if text.hasPrefix("*") || text.hasSuffix("*") { return 3 }
        if text.hasPrefix("{") { return text.hasSuffix("}") ? 2 : 4 }
        return text.hasSuffix("}") ? 4 : 5
    }
}

extension Router where Context: EnvelopeRequestContext {
    /// Answers 405 with `Allow` where a path is known but not with this method. Call it once, after the last route.
    ///
    /// It works because Hummingbird sends requests that found no route through every middleware of the router, while a middleware that is
    /// added after the last route sees no others. A ``ErrorEnvelopeMiddleware`` has to be on the same router.
    public func refuseOtherMethods() {
        self.add(middleware: OtherMethodMiddleware<Context>(routes: RouteTable(self.routes)))
    }
}

/// Sees only the requests that found no route, see ``Hummingbird/Router/refuseOtherMethods()``.
private struct OtherMethodMiddleware<Context: EnvelopeRequestContext>: RouterMiddleware {
    let routes: RouteTable

    func handle(
        _ request: Request,
        context: Context,
        next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let allow = self.routes.allow(for: request.method, at: request.uri.path) else {
            return try await next(request, context)
        }
        throw EnvelopeError(.methodNotAllowed, headers: [.allow: allow])
    }
}
