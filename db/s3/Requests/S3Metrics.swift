import CoreMetrics
import Personas
import PersonasMetrics

/// What requests to the object store count. Each try is one.
struct S3Metrics: Sendable {
    /// What came of a try.
    enum Outcome: String, CaseIterable, Sendable {
        /// It was done; of a GET, its head has come.
        case done
        /// What it was about is not there, or is there already.
        case passed
        /// It was refused for good.
        case refused
        /// The store was busy, or not well.
        case unavailable
        /// The connection could not be made, or broke.
        case broken
        /// It took too long.
        case overdue
        /// Whoever asked for it was told to stop.
        case cancelled
    }

    private let requests: [S3Request.Operation: [Outcome: Counter]]
    private let durations: [S3Request.Operation: CoreMetrics.Timer]

    init(factory: any MetricsFactory) {
        let requests = Metric("personas_object_store_requests_total", help: "Requests to the object store, by operation and outcome.")
        let durations = Metric(
            "personas_object_store_request_duration_seconds",
            help: "How long the object store took to answer, to the head of the answer to a GET and to its end otherwise.")
        self.requests = Self.each { operation in
            Self.each { requests.counter([("operation", operation.rawValue), ("outcome", $0.rawValue)], in: factory) }
        }
        self.durations = Self.each { durations.timer([("operation", $0.rawValue)], in: factory) }
    }

    /// Counts a try that came to an end.
    func count(_ operation: S3Request.Operation, _ outcome: Outcome, took duration: Duration) {
        requests[operation]?[outcome]?.increment()
        let (seconds, attoseconds) = duration.components
        durations[operation]?.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    private static func each<Key: CaseIterable & Hashable, Value>(_ make: (Key) -> Value) -> [Key: Value] {
        Dictionary(uniqueKeysWithValues: Key.allCases.map { ($0, make($0)) })
    }
}
