import GRDB
import Personas

/// What operators changed, in SQLite.
struct SQLiteAuditStore: AuditStore {
    let writer: GroupWriter
    let readers: ReadPool

    func entries(
        since: Timestamp?, after place: AuditPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<AuditEntry, AuditPlace> {
        let found = try readers.read { connection in
            var found: [(place: AuditPlace, entry: AuditEntry)] = []
            // A walk back along the key, which ends with the first entry from before the moment.
            try connection.walk("SELECT number, at, action, target, uid FROM audit WHERE number < ? ORDER BY number DESC") { parameters in
                parameters.bind(place?.number ?? .max)
            } row: { row in
                let entry = AuditEntry(
                    at: row.timestamp(1), action: try row.requiredText(2), target: try row.requiredText(3),
                    uid: UInt32(truncatingIfNeeded: row.integer(4)))
                if let since, entry.at < since { return false }
                found.append((AuditPlace(number: row.integer(0)), entry))
                return found.count <= limit
            }
            return found
        }
        return OperatorPage(found, limit: limit, place: \.place).map(\.entry)
    }

    func add(in context: WriteContext<Void>) async throws(Failure) {
        try await writer.write(in: context) { _ in }
    }

    /// Writes entries, within the transaction of what they tell of, and forgets as many of the oldest as there are too many.
    static func insert(_ entries: [AuditEntry], _ db: Database) throws {
        for entry in entries {
            try db.run(
                "INSERT INTO audit (at, action, target, uid) VALUES (?, ?, ?, ?)",
                [entry.at.milliseconds, entry.action, entry.target, Int64(entry.uid)])
            try db.run("DELETE FROM audit WHERE number <= ?", [db.lastInsertedRowID - Int64(Limits.auditEntriesMax)])
        }
    }

    /// Writes entries into a database that may be from before there was an audit.
    static func begin(with entries: [AuditEntry], _ db: Database) throws {
        try db.execute(sql: Migration.audit.sql)
        try insert(entries, db)
    }
}
