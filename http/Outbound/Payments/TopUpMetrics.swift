package import CoreMetrics
package import Personas
import PersonasMetrics

/// What questions to the payment service count.
package struct TopUpMetrics: Sendable {
    private let inFlight: Meter
    private let paid: Counter
    private let declined: Counter
    private let unknown: Counter
    private let givenUp: Counter

    /// Declares them.
    package init(factory: any MetricsFactory) {
        let requests = Metric("personas_top_up_requests_total", help: "Questions to the payment service that ended, by what it said.")
        func ended(_ outcome: String) -> Counter { requests.counter([("outcome", outcome)], in: factory) }
        inFlight = Metric("personas_top_up_requests_in_flight", help: "Questions to the payment service that are under way.").meter(
            in: factory)
        paid = ended("paid")
        declined = ended("declined")
        unknown = ended("unknown")
        givenUp = ended("given_up")
    }

    /// Counts what happened to a top-up.
    package func take(_ news: TopUpEngine.News) {
        switch news {
        case .began: inFlight.increment()
        case .abandoned, .storeFailed: break
        case .givenUp:
            inFlight.decrement()
            givenUp.increment()
        case .ended(_, let answer, _):
            inFlight.decrement()
            switch answer {
            case .paid: paid.increment()
            case .declined: declined.increment()
            case .unknown: unknown.increment()
            }
        }
    }
}
