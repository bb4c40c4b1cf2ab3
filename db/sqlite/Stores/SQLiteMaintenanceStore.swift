import GRDB
import Personas
import Synchronization

/// Whether maintenance is on, in SQLite and in memory: every request asks, and memory is right because only this process writes.
final class SQLiteMaintenanceStore: MaintenanceStore {
    private let writer: GroupWriter
    private let readers: ReadPool
    private let feed: EventFeed
    private let cache = Mutex(Maintenance(isOn: false))

    init(writer: GroupWriter, readers: ReadPool, feed: EventFeed) {
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
        try load()
        // Whoever follows events is turned away, too.
        feed.ringAll()
    }

    /// Reads the stored state; the table must be there.
    func load() throws(Failure) {
        // Read under the lock, so that of two changes at once the memory ends with what was read last.
        try cache.withLock { cache throws(Failure) in
            cache = try readers.read { connection in try Self.stored(connection) }
        }
    }

    private static func stored(_ connection: some SQLConnection) throws -> Maintenance {
        try connection.first("SELECT is_on, retry_after_seconds FROM maintenance WHERE id = 1", []) { row in
            Maintenance(isOn: row.integer(0) == 1, retryAfterSeconds: Int(row.integer(1)))
        } ?? Maintenance(isOn: false)
    }
}
