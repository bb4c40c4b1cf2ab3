import GRDB
import Personas
import Synchronization

/// Blocked terms in SQLite and in memory: every create asks, and memory is right because only this process writes.
final class SQLiteBlockedTermStore: BlockedTermStore {
    private let writer: GroupWriter
    private let readers: ReadPool
    private let cache = Mutex<[String]>([])

    init(writer: GroupWriter, readers: ReadPool) {
        self.writer = writer
        self.readers = readers
    }

    var blockedTerms: [String] { cache.withLock { $0 } }

    func block(_ terms: [String]) async throws(Failure) {
        try await writer.write { db in
            for term in terms where !term.isEmpty {
                try db.run("INSERT INTO blocked_term (term) VALUES (?) ON CONFLICT (term) DO NOTHING", [ContentPolicy.comparable(term)])
            }
        }
        try load()
    }

    /// Reads the stored terms; the table must be there.
    func load() throws(Failure) {
        // Read under the lock, so that of two changes at once the memory ends with what was read last.
        try cache.withLock { cache throws(Failure) in
            cache = try readers.read { connection in
                var terms: [String] = []
                try connection.query("SELECT term FROM blocked_term ORDER BY term", []) { terms.append(try $0.requiredText(0)) }
                return terms
            }
        }
    }
}
