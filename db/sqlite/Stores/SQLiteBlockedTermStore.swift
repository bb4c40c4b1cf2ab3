import GRDB
import Personas
import Synchronization

/// Blocked terms in SQLite and in memory: every create asks, and memory is right because only this process writes.
final class SQLiteBlockedTermStore: BlockedTermStore {
    private let writer: GroupWriter
    private let readers: ReadPool
    private let cache = Mutex(BlockedTerms([]))

    init(writer: GroupWriter, readers: ReadPool) {
        self.writer = writer
        self.readers = readers
    }

    var blockedTerms: BlockedTerms { cache.withLock { $0 } }

    func block(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm] {
        try await change(in: context) { stored, db in
            var there = Set(stored.map(BlockedTerm.init(stored:)))
            return try terms.filter { term in
                guard there.insert(term).inserted else { return false }
                try db.run("INSERT INTO blocked_term (term) VALUES (?)", [term.text])
                return true
            }
        }
    }

    func release(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm] {
        try await change(in: context) { stored, db in
            // An earlier version may have stored one term in several forms.
            let forms = Dictionary(grouping: stored, by: BlockedTerm.init(stored:))
            return try terms.filter { term in
                for form in forms[term] ?? [] { try db.run("DELETE FROM blocked_term WHERE term = ?", [form]) }
                return forms[term] != nil
            }
        }
    }

    /// Changes the terms, in the database and then in memory.
    /// - Parameter body: is handed what is stored; returns the terms that it changed.
    private func change(
        in context: WriteContext<[BlockedTerm]>, _ body: @escaping @Sendable ([String], Database) throws -> [BlockedTerm]
    ) async throws(Failure) -> [BlockedTerm] {
        let changed = try await writer.write(in: context) { db in try body(try Self.stored(db), db) }
        try load()
        return changed
    }

    /// Reads the stored terms; the table must be there.
    func load() throws(Failure) {
        // Read under the lock, so that of two changes at once the memory ends with what was read last.
        try cache.withLock { cache throws(Failure) in
            cache = BlockedTerms(try readers.read { connection in try Self.stored(connection) }.map(BlockedTerm.init(stored:)))
        }
    }

    private static func stored(_ connection: some SQLConnection) throws -> [String] {
        var terms: [String] = []
        try connection.query("SELECT term FROM blocked_term ORDER BY term", []) { terms.append(try $0.requiredText(0)) }
        return terms
    }
}
