import Personas

/// Counts what waits in the tables that serve as queues. A walk along an index, bounded, on the connections of the scan pool.
struct SQLiteQueueDepthStore: QueueDepthStore {
    let scans: ScanPool

    func queueDepths() async throws(Failure) -> QueueDepths {
        try await scans.read { connection in
            func count(_ sql: String) throws -> Int {
                try connection.first(sql, [.integer(Int64(QueueDepths.countMax))], row: { Int($0.integer(0)) }) ?? 0
            }
            return QueueDepths(
                queuedJobs: try count("SELECT count(*) FROM (SELECT 1 FROM training_job WHERE state = 'queued' LIMIT ?)"),
                leasedJobs: try count("SELECT count(*) FROM (SELECT 1 FROM training_job WHERE state = 'leased' LIMIT ?)"),
                imageRemovals: try count("SELECT count(*) FROM (SELECT 1 FROM media_removal WHERE digest > x'00' LIMIT ?)"),
                webhooks: try SQLiteWebhookStore.counts(connection))
        }
    }
}
