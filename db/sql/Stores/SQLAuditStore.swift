import Personas

/// What operators changed as rows.
struct SQLAuditStore: AuditStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func entries(
        since: Timestamp?, after place: AuditPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<AuditEntry, AuditPlace> {
        let found = try await readers.read { connection in
            var found: [(place: AuditPlace, entry: AuditEntry)] = []
            // A walk back along the key, which ends with the first entry from before the moment.
            try connection.walk("SELECT number, at, action, target, uid FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?") {
                parameters in
                parameters.bind(place?.number ?? .max)
                parameters.bind(Int64(limit + 1))
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
}

/// Writes what the audit says.
enum AuditRows {
    /// Writes entries, within the transaction of what they tell of, and forgets as many of the oldest as there are too many.
    static func insert(_ entries: [AuditEntry], _ db: any SQLTransaction) throws {
        for entry in entries {
            try db.run(
                "INSERT INTO audit (at, action, target, uid) VALUES (?, ?, ?, ?)",
                [entry.at.milliseconds, entry.action, entry.target, Int64(entry.uid)])
        }
        guard !entries.isEmpty else { return }
        try db.run("DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?", [Limits.auditEntriesMax])
    }
}
