import Personas

/// Counts what waits in the tables that serve as queues. A walk along an index, bounded, on the connections of the scan pool.
struct SQLQueueDepthStore: QueueDepthStore {
    let scans: any SQLScanner

    func queueDepths() async throws(Failure) -> QueueDepths {
        try await scans.scan { connection in
            func count(_ sql: String, _ values: SQLValues = []) throws -> Int {
                try connection.first(sql, values + [QueueDepths.countMax], row: { Int($0.integer(0)) }) ?? 0
            }
            return QueueDepths(
                queuedJobs: try count("SELECT count(*) FROM (SELECT 1 FROM training_job WHERE state = 'queued' LIMIT ?) AS counted"),
                leasedJobs: try count("SELECT count(*) FROM (SELECT 1 FROM training_job WHERE state = 'leased' LIMIT ?) AS counted"),
                imageRemovals: try count(
                    "SELECT count(*) FROM (SELECT 1 FROM media_removal WHERE digest > ? LIMIT ?) AS counted", [[UInt8]()]),
                webhooks: try SQLWebhookStore.counts(connection))
        }
    }
}
