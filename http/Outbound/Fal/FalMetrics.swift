package import CoreMetrics
package import Personas
import PersonasMetrics

/// What the trainer at fal counts.
package struct FalMetrics: Sendable {
    private let accepted: Counter
    private let notTaken: Counter
    private let unknown: Counter
    private let refused: Counter
    private let portrait: Counter
    private let rejected: Counter
    private let failed: Counter
    private let overdue: Counter
    private let downloadFailed: Counter
    private let closed: Counter
    private let leftAlone: Counter

    /// Declares them.
    package init(factory: any MetricsFactory) {
        let submissions = Metric("personas_fal_submissions_total", help: "Requests that were sent to fal, by what came of that.")
        let results = Metric("personas_fal_results_total", help: "Requests to fal that came to an end, by which.")
        let cancellations = Metric(
            "personas_fal_cancellations_total", help: "Requests to fal whose items were gone before, by whether fal was told.")
        func counter(_ metric: Metric, _ outcome: String) -> Counter { metric.counter([("outcome", outcome)], in: factory) }
        accepted = counter(submissions, "accepted")
        notTaken = counter(submissions, "not_taken")
        unknown = counter(submissions, "unknown")
        refused = counter(submissions, "refused")
        portrait = counter(results, "portrait")
        rejected = counter(results, "rejected")
        failed = counter(results, "failed")
        overdue = counter(results, "overdue")
        downloadFailed = counter(results, "download_failed")
        closed = counter(cancellations, "closed")
        leftAlone = counter(cancellations, "left_alone")
    }

    /// Counts what happened.
    package func take(_ news: FalNews) {
        switch news {
        case .sent(.accepted, _): accepted.increment()
        case .sent(.notTaken, _): notTaken.increment()
        case .sent(.unknown, _): unknown.increment()
        case .sent(.refused(let outcome), _):
            refused.increment()
            count(outcome)
        case .reported(let outcome, _): count(outcome)
        case .overdue: overdue.increment()
        case .downloadFailed: downloadFailed.increment()
        case .closed(_, let isHeard): (isHeard ? closed : leftAlone).increment()
        case .storeFailed: break
        }
    }

    private func count(_ outcome: FalOutcome) {
        switch outcome {
        case .portrait: portrait.increment()
        case .rejected: rejected.increment()
        case .failed: failed.increment()
        case .overdue: overdue.increment()
        }
    }
}
