/// Work that is stored and waits to be done.
package struct QueueDepths: Sendable, Equatable {
    /// How far is counted; more are told as so many.
    package static let countMax = 100_000

    /// Training jobs that wait for a worker.
    package let queuedJobs: Int
    /// Training jobs in a worker's hands.
    package let leasedJobs: Int
    /// Image files that may have lost their last use.
    package let imageRemovals: Int
    /// Endpoints of webhooks and what waits for them.
    package let webhooks: WebhookCounts

    package init(queuedJobs: Int, leasedJobs: Int, imageRemovals: Int, webhooks: WebhookCounts = WebhookCounts()) {
        self.queuedJobs = queuedJobs
        self.leasedJobs = leasedJobs
        self.imageRemovals = imageRemovals
        self.webhooks = webhooks
    }
}

/// Knows what waits to be done.
package protocol QueueDepthStore: Sendable {
    /// Counts what waits at this moment.
    func queueDepths() async throws(Failure) -> QueueDepths
}
