import CoreMetrics
import Personas
import PersonasMetrics

/// What the store counts and measures.
struct StoreMetrics: Sendable {
    let commits: Counter
    let commitFailures: Counter
    let groupSize: Recorder
    let waitingWrites: Meter
    let waitingSearches: Meter
    let jobsCompleted: Counter
    let jobsFailed: Counter
    let leasesExpired: Counter
    private let credits: [CreditEntryKind: Counter]

    init(factory: any MetricsFactory) {
        commits = Metric("personas_store_commits_total", help: "Transactions that were committed to the disk.").counter(in: factory)
        commitFailures = Metric("personas_store_commit_failures_total", help: "Transactions whose commit failed.").counter(in: factory)
        groupSize = Metric(
            "personas_store_commit_group_size", help: "Operations that shared one transaction.", bounds: [1, 2, 4, 8, 16, 32, 64, 128, 256]
        ).histogram(in: factory)
        waitingWrites = Metric("personas_store_write_queue_depth", help: "Operations that wait for the next transaction.").meter(
            in: factory)
        waitingSearches = Metric("personas_search_queue_depth", help: "Searches that wait for a thread.").meter(in: factory)
        jobsCompleted = Metric("personas_training_jobs_completed_total", help: "Training jobs that ended well.").counter(in: factory)
        jobsFailed = Metric("personas_training_jobs_failed_total", help: "Training jobs that ended badly.").counter(in: factory)
        leasesExpired = Metric("personas_training_leases_expired_total", help: "Leases of training jobs that ran out.").counter(in: factory)
        let moved = Metric("personas_credits_total", help: "Credits that were entered in ledgers, by the kind of the entry.")
        credits = Dictionary(
            uniqueKeysWithValues: CreditEntryKind.allCases.map { ($0, moved.counter([("kind", $0.rawValue)], in: factory)) })
    }

    /// Counts the credits of an entry that is on disk.
    func count(_ entry: CreditEntry) { credits[entry.kind]?.increment(by: Int64(entry.amount.magnitude)) }

    /// Keeps nothing.
    static let none = StoreMetrics(factory: NOOPMetricsHandler.instance)
}
