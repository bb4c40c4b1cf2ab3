import CoreMetrics

/// What the store counts and measures.
struct StoreMetrics: Sendable {
    /// Committed transactions.
    let commits: Counter
    /// Transactions whose commit failed.
    let commitFailures: Counter
    /// Operations of one transaction.
    let groupSize: Recorder
    /// Operations that wait for the next transaction.
    let waitingWrites: Meter
    /// Searches that wait for a thread.
    let waitingSearches: Meter
    /// Training jobs that ended well.
    let jobsCompleted: Counter
    /// Training jobs that ended badly.
    let jobsFailed: Counter
    /// Leases that ran out.
    let leasesExpired: Counter

    init(factory: any MetricsFactory) {
        commits = Counter(label: "personas_store_commits_total", factory: factory)
        commitFailures = Counter(label: "personas_store_commit_failures_total", factory: factory)
        groupSize = Recorder(label: "personas_store_commit_group_size", factory: factory)
        waitingWrites = Meter(label: "personas_store_write_queue_depth", factory: factory)
        waitingSearches = Meter(label: "personas_search_queue_depth", factory: factory)
        jobsCompleted = Counter(label: "personas_training_jobs_completed_total", factory: factory)
        jobsFailed = Counter(label: "personas_training_jobs_failed_total", factory: factory)
        leasesExpired = Counter(label: "personas_training_leases_expired_total", factory: factory)
    }

    /// Keeps nothing.
    static let none = StoreMetrics(factory: NOOPMetricsHandler.instance)
}
