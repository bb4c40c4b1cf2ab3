import CoreMetrics
import ErrorEnvelope
import PersonasMetrics

/// Counts the envelopes that requests are answered with, by their code, wherever the answer comes from: each once. Cheap to copy and to count with.
struct ErrorCounters: Sendable {
    private let counters: [ErrorCode: Counter]

    /// Makes a counter for every code, so that the first of each is seen to rise.
    init(factory: any MetricsFactory) {
        let errors = Metric("personas_errors_total", help: "Requests answered with an error, by its code.")
        counters = ErrorCode.allCases.reduce(into: [:]) { $0[$1] = errors.counter([("code", $1.rawValue)], in: factory) }
    }

    /// Notes that a request was answered with a code.
    func count(_ code: ErrorCode) { counters[code]?.increment() }
}
