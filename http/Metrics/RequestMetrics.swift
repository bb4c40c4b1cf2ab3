import CoreMetrics
import ErrorEnvelope
import HTTPTypes
import ErrorEnvelopeHummingbird
import Hummingbird
import PersonasMetrics
import Synchronization

/// Counts and times requests by method, route and status.
///
/// The labels are route templates, never paths, and methods that are known, so that no client can make more series than there are routes.
/// What is looked up per request is one route and one status, under a lock that only requests of the same method and route share.
struct RequestMetrics: Sendable {
    /// What stands for the route of a request that has none.
    private static let noRoute = "none"
    private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .patch, .put, .delete, .options, .trace, .connect]

    private let inFlight: Meter
    private let immediate: Counter
    private let errors: ErrorCounters
    /// By route, then in the order of `methods`, with one more for all others.
    private let endpoints: [String: [EndpointMetrics]]
    private let unknown: [EndpointMetrics]

    /// - Parameter routes: the templates of all routes.
    init(routes: Set<String>, factory: any MetricsFactory) {
        func metrics(of route: String) -> [EndpointMetrics] {
            (Self.methods.map(\.rawValue) + ["other"]).map { EndpointMetrics(method: $0, route: route, factory: factory) }
        }
        inFlight = Metric("personas_http_requests_in_flight", help: "Requests whose answer has not begun yet.").meter(in: factory)
        immediate = Metric("personas_http_immediate_answers_total", help: "Requests answered on the event loop, without waiting.")
            .counter(in: factory)
        errors = ErrorCounters(factory: factory)
        endpoints = routes.reduce(into: [:]) { $0[$1] = metrics(of: $1) }
        unknown = metrics(of: Self.noRoute)
    }

    /// A request begins.
    func begin() { inFlight.increment() }

    /// A request is answered.
    /// - Parameters:
    ///   - route: the template of the route that it found, if any.
    ///   - code: that of the answer, where that is an error envelope.
    func end(_ method: HTTPRequest.Method, route: String?, status: Int, code: ErrorCode?, duration: Duration) {
        inFlight.decrement()
        count(method, route: route, status: status, code: code, duration: duration)
    }

    /// A request was answered as soon as it came.
    /// - Parameters:
    ///   - route: the template of the route that it found, if any.
    ///   - code: that of the answer, where that is an error envelope.
    func countImmediate(_ method: HTTPRequest.Method, route: String?, status: Int, code: ErrorCode?, duration: Duration) {
        immediate.increment()
        count(method, route: route, status: status, code: code, duration: duration)
    }

    private func count(_ method: HTTPRequest.Method, route: String?, status: Int, code: ErrorCode?, duration: Duration) {
        if let code { errors.count(code) }
        let methods = route.flatMap { endpoints[$0] } ?? unknown
        let endpoint = methods[Self.methods.firstIndex(of: method) ?? Self.methods.count]
        endpoint.record(status: status, duration: duration)
    }
}

/// The metrics of one method at one route, made when there is something to record.
private final class EndpointMetrics: Sendable {
    private static let answers = Metric(
        "personas_http_requests_total", help: "Requests answered, by method, route template and status; 499 where the client broke off.")
    private static let duration = Metric(
        "personas_http_request_duration_seconds",
        help: "Seconds from the head of a request to that of its answer, by method and route template.")

    private let labels: [(String, String)]
    private let factory: any MetricsFactory
    private let known = Mutex<(duration: CoreMetrics.Timer?, answers: [Int: Counter])>((nil, [:]))

    init(method: String, route: String, factory: any MetricsFactory) {
        labels = [("method", method), ("route", route)]
        self.factory = factory
    }

    func record(status: Int, duration: Duration) {
        let (timer, counter) = metrics(of: status)
        let (seconds, attoseconds) = duration.components
        timer.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        counter.increment()
    }

    private func metrics(of status: Int) -> (CoreMetrics.Timer, Counter) {
        known.withLock { known in
            let timer = known.duration ?? Self.duration.timer(labels, in: factory)
            let counter = known.answers[status] ?? Self.answers.counter(labels + [("status", String(status))], in: factory)
            if known.duration == nil { known.duration = timer }
            if known.answers[status] == nil { known.answers[status] = counter }
            return (timer, counter)
        }
    }
}

/// Measures what another responder does. It stands outside of the router, because it has to know all routes.
struct MeasuredResponder<Inner: HTTPResponder<PersonasRequestContext>>: HTTPResponder {
    let inner: Inner
    let metrics: RequestMetrics

    func respond(to request: Request, context: PersonasRequestContext) async throws -> Response {
        let start = ContinuousClock.now
        metrics.begin()
        do {
            let response = try await inner.respond(to: request, context: context)
            end(request, context, status: response.status.code, code: context.error?.code, since: start)
            return response
        } catch {
            // Whatever was to be the answer, nobody got it.
            end(request, context, status: AccessLog.brokenOffStatus, code: nil, since: start)
            throw error
        }
    }

    private func end(
        _ request: Request, _ context: PersonasRequestContext, status: Int, code: ErrorCode?, since start: ContinuousClock.Instant
    ) {
        metrics.end(request.method, route: context.endpointPath, status: status, code: code, duration: start.duration(to: .now))
    }
}
