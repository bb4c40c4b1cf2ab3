import Personas
import Synchronization

/// Blocked terms as rows and in memory: every create asks, and memory is right as long as whoever else changes it has it loaded anew.
final class SQLBlockedTermStore: BlockedTermStore {
    private let writer: any SQLWriter
    private let readers: any SQLReader
    private let cache = Mutex(BlockedTerms([]))
    private let loading = AsyncMutex()

    init(writer: any SQLWriter, readers: any SQLReader) {
        self.writer = writer
        self.readers = readers
    }

    var blockedTerms: BlockedTerms { cache.withLock { $0 } }

    func block(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm] {
        try await change(in: context) { stored, db in
            var there = Set(stored.map(BlockedTerm.init(stored:)))
            return try terms.filter { term in
                guard there.insert(term).inserted else { return false }
                return try db.change("INSERT INTO blocked_term (term) VALUES (?) ON CONFLICT (term) DO NOTHING", [term.text]) > 0
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
        in context: WriteContext<[BlockedTerm]>, _ body: @escaping @Sendable ([String], any SQLTransaction) throws -> [BlockedTerm]
    ) async throws(Failure) -> [BlockedTerm] {
        let changed = try await writer.write(in: context) { db in try body(try Self.stored(db), db) }
        try await load()
        return changed
    }

    /// Reads the stored terms; the table must be there.
    func load() async throws(Failure) {
        // One after the other, so that of two changes at once the memory ends with what was read last.
        do {
            try await loading.withLock {
                let stored = try await readers.read { connection in try Self.stored(connection) }
                cache.withLock { $0 = BlockedTerms(stored.map(BlockedTerm.init(stored:))) }
            }
        } catch {
            throw Failure(storage: error)
        }
    }

    private static func stored(_ connection: any SQLConnection) throws -> [String] {
        return try connection.all("SELECT term FROM blocked_term ORDER BY term", []) { try $0.requiredText(0) }
    }
}
