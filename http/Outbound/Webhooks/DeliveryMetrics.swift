package import CoreMetrics
package import Personas
import PersonasMetrics

/// What deliveries of webhooks count.
package struct DeliveryMetrics: Sendable {
    private let inFlight: Meter
    private let lag: Meter
    private let duration: CoreMetrics.Timer
    private let succeeded: Counter
    private let retried: Counter
    private let failed: Counter
    private let superseded: Counter
    private let givenUp: Counter

    /// Declares them.
    package init(factory: any MetricsFactory) {
        let attempts = Metric(
            "personas_webhook_attempts_total", help: "Attempts to deliver a webhook that ended, by what became of the delivery.")
        func ended(_ outcome: String) -> Counter { attempts.counter([("outcome", outcome)], in: factory) }
        inFlight = Metric("personas_webhook_attempts_in_flight", help: "Attempts to deliver a webhook that are under way.").meter(
            in: factory)
        lag = Metric(
            "personas_webhook_delivery_lag_seconds", help: "How long the delivery of a webhook has been due that has been due for longest."
        ).meter(in: factory)
        duration = Metric(
            "personas_webhook_attempt_duration_seconds",
            help: "How long attempts to deliver a webhook took, from looking up the host to the end of the answer."
        ).timer(in: factory)
        succeeded = ended("succeeded")
        retried = ended("retried")
        failed = ended("failed")
        superseded = ended("superseded")
        givenUp = ended("given_up")
    }

    /// Counts what happened to a delivery.
    package func take(_ news: DeliveryEngine.News) {
        switch news {
        case .began: inFlight.increment()
        case .storeFailed: break
        case .givenUp:
            inFlight.decrement()
            givenUp.increment()
        case .ended(_, let attempt, let recorded):
            inFlight.decrement()
            duration.recordNanoseconds(attempt.durationMilliseconds * 1_000_000)
            switch recorded.outcome {
            case .succeeded: succeeded.increment()
            case .retry: retried.increment()
            case .failed, .cancelled: failed.increment()
            case nil: superseded.increment()
            }
        }
    }

    /// Tells how far deliveries are behind.
    /// - Parameter oldest: when that became due which has been due for longest; nil where nothing is.
    package func tellLag(since oldest: Timestamp?, at now: Timestamp) {
        lag.set(oldest.map { Double(max(0, now.milliseconds - $0.milliseconds)) / 1_000 } ?? 0)
    }

    /// Tells that nobody knows how far deliveries are behind.
    package func tellNoLag() { lag.set(Double.nan) }
}
