import GRDB
import Personas

/// Whether the database agrees with itself: what SQLite says of it, and what its rows say. Each question is one statement, which sees one moment.
struct DatabaseCheck: Asking {
    let database: DatabaseQueue
    /// When it is done.
    let now: Timestamp
    /// What secrets are to open with.
    let sealing: any SecretSealing

    /// Asks all questions. What the database cannot answer is noted as damage.
    func run(into report: inout IntegrityReport, _ progress: ProgressHandler) async throws(Failure) {
        let own: [@Sendable (Database) throws -> [Finding]] = [
            Self.integrity, Self.foreignKeys, NameIndexCheck.documents, NameIndexCheck.words,
        ]
        let shared = RowCheck(now: now, sealing: sealing).questions
        let count = own.count + shared.count + 1
        for (done, question) in own.enumerated() {
            progress(WorkProgress(step: "Checking the database", done: done, total: count))
            try await Self.noting(into: &report) { (report) async throws(Failure) in
                for finding in try await answer(question) { report.add(finding) }
            }
        }
        for (done, question) in shared.enumerated() {
            progress(WorkProgress(step: "Checking the database", done: own.count + done, total: count))
            try await Self.noting(into: &report) { (report) async throws(Failure) in
                for finding in try await about(question) { report.add(finding) }
            }
        }
        try await Self.noting(into: &report) { (report) async throws(Failure) in
            try await MetadataIndexCheck.all(asking: self) { for finding in $0 { report.add(finding) } }
            report.counts.items = try await about(RowCheck.countItems)
        }
    }

    func about<Answer: Sendable>(_ question: @escaping @Sendable (any SQLConnection) throws -> Answer) async throws(Failure) -> Answer {
        // Nothing of it writes.
        try await answer { db in try question(SQLiteTransaction(database: db, events: nil)) }
    }

    private func answer<Answer: Sendable>(_ question: @escaping @Sendable (Database) throws -> Answer) async throws(Failure) -> Answer {
        do {
            return try await database.read(question)
        } catch {
            if Task.isCancelled || error is CancellationError { throw .cancelled }
            throw Failure(storage: error)
        }
    }

    /// Notes down as damage what the database cannot answer.
    static func noting(
        into report: inout IntegrityReport, _ body: (inout IntegrityReport) async throws(Failure) -> Void
    ) async throws(Failure) {
        do throws(Failure) {
            try await body(&report)
        } catch {
            guard case .unexpected(let text) = error, !Task.isCancelled else { throw error }
            report.add(Finding(.databaseDamaged, DataFolder.databaseName, text))
        }
    }

    private static func integrity(_ db: Database) throws -> [Finding] {
        try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }.map {
            Finding(.databaseDamaged, DataFolder.databaseName, $0)
        }
    }

    private static func foreignKeys(_ db: Database) throws -> [Finding] {
        // Not by row, because tables without a rowid report none.
        let rows = try Row.fetchAll(
            db, sql: "SELECT \"table\" AS source, parent, count(*) AS count FROM pragma_foreign_key_check GROUP BY source, parent")
        return rows.map { row in
            let (source, parent, count): (String, String, Int) = (row["source"], row["parent"], row["count"])
            return Finding(.foreignKeyBroken, source, "\(count) \(count == 1 ? "row refers" : "rows refer") to no row of \(parent)")
        }
    }
}
