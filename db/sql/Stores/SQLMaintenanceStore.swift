import Personas
import Synchronization

/// Whether maintenance is on, as rows and in memory: every request asks, and memory is right as long as whoever else changes it has it loaded anew.
final class SQLMaintenanceStore: MaintenanceStore {
    private let writer: any SQLWriter
    private let readers: any SQLReader
    private let feed: EventFeed
    private let cache = Mutex(Maintenance(isOn: false))
    private let loading = AsyncMutex()

    init(writer: any SQLWriter, readers: any SQLReader, feed: EventFeed) {
        self.writer = writer
        self.readers = readers
        self.feed = feed
    }

    var maintenance: Maintenance { cache.withLock { $0 } }

    func set(_ maintenance: Maintenance, in context: WriteContext<Void>) async throws(Failure) {
        _ = try await writer.write(in: context, recording: { isChanged in isChanged ? () : nil }) { db in
            let before = try Self.stored(db)
            try db.run(
                "UPDATE maintenance SET is_on = ?, retry_after_seconds = ? WHERE id = 1", [maintenance.isOn, maintenance.retryAfterSeconds])
            return maintenance != before
        }
        try await load()
        // Whoever follows events is turned away, too.
        feed.ringAll()
    }

    /// Reads the stored state; the table must be there.
    func load() async throws(Failure) {
        // One after the other, so that of two changes at once the memory ends with what was read last.
        do {
            try await loading.withLock {
                let stored = try await readers.read { connection in try Self.stored(connection) }
                cache.withLock { $0 = stored }
            }
        } catch {
            throw Failure(storage: error)
        }
    }

    private static func stored(_ connection: any SQLConnection) throws -> Maintenance {
        try connection.first("SELECT is_on, retry_after_seconds FROM maintenance WHERE id = 1", []) { row in
            Maintenance(isOn: row.integer(0) == 1, retryAfterSeconds: Int(row.integer(1)))
        } ?? Maintenance(isOn: false)
    }
}
