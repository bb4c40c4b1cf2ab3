import GRDB
import Personas
import Synchronization

/// The epoch in SQLite and in memory, where it stays the same for as long as the database is open.
final class SQLiteEpochStore: EpochStore {
    private let readers: ReadPool
    /// Until it is read, one that nothing was ever made of.
    private let cache = Mutex(RandomToken.random())

    init(readers: ReadPool) {
        self.readers = readers
    }

    var epoch: RandomToken { cache.withLock { $0 } }

    /// Reads the stored epoch; the table must be there.
    func load() throws(Failure) {
        let stored = try readers.read { connection in
            try connection.first("SELECT value FROM epoch", []) { RandomToken(bytes: $0.bytes(0)) }
        }
        guard let epoch = stored ?? nil else { throw .unexpected("The database has no epoch") }
        cache.withLock { $0 = epoch }
    }

    /// Numbers of events that a restore passes over: more than can have been given since the backup, and few enough for two million restores within the
    /// whole numbers that every reader of JSON takes (2^53).
    static let sequencesPassed: Int64 = 1 << 32

    /// Gives a database that was restored an epoch of its own, and its accounts numbers of events that none had before. One from before there were any gets
    /// its first by its migration.
    static func renew(_ db: Database) throws {
        guard try db.tableExists("epoch") else { return }
        try db.execute(sql: "UPDATE epoch SET value = ?", arguments: [RandomToken.random().data])
        // Receivers drop what has a lower number than what they hold of an item, and some hold events from after the backup.
        guard try db.tableExists("event_counter") else { return }
        try db.execute(sql: "UPDATE event_counter SET last_sequence = last_sequence + ?", arguments: [sequencesPassed])
    }
}
