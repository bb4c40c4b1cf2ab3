import Foundation
import GRDB
import Personas

/// Whether the database agrees with itself. Each question is one statement, which sees one moment.
struct DatabaseCheck {
    let database: DatabaseQueue
    /// When it is done.
    let now: Timestamp
    /// What secrets are to open with.
    let sealing: any SecretSealing

    /// Asks all questions. What the database cannot answer is noted as damage.
    func run(into report: inout IntegrityReport, _ progress: ProgressHandler) async throws {
        let questions: [@Sendable (Database) throws -> [Finding]] = [
            Self.integrity, Self.foreignKeys, Self.tokens, Self.jobsOfItems, Self.jobsWithoutItem, NameIndexCheck.documents,
            NameIndexCheck.words, MetadataIndexCheck.entries, TrashCheck.tokens, TrashCheck.items, TrashCheck.revisions, EventCheck.counts,
            EventCheck.holes(since: now.adding(seconds: -Limits.progressEventHoursKept * 3_600)), EventCheck.items, EventCheck.reductions,
            WebhookCheck.deliveries, { [sealing] in try WebhookCheck.secrets(with: sealing, $0) }, Self.imports, CreditCheck.entries,
            CreditCheck.refunds, CreditCheck.openCharges, CreditCheck.trainings, CreditCheck.earlyRefunds, CreditCheck.credited,
            CreditCheck.paid,
        ]
        for (done, question) in questions.enumerated() {
            progress(WorkProgress(step: "Checking the database", done: done, total: questions.count))
            do {
                for finding in try await database.read(question) { report.add(finding) }
            } catch let error as DatabaseError where !Task.isCancelled {
                report.add(Finding(.databaseDamaged, DataFolder.databaseName, "\(error)"))
            }
        }
        do {
            report.counts.items = try await database.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM pikzonality") ?? 0 }
        } catch let error as DatabaseError where !Task.isCancelled {
            report.add(Finding(.databaseDamaged, DataFolder.databaseName, "\(error)"))
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

    private static func tokens(_ db: Database) throws -> [Finding] {
        // The copy is 16 bytes for each link of a position from 0 on, in their order.
        try items(db, disagreeingTokens(of: "pikzonality", links: "image_link", item: "pikzonality_id")).map {
            Finding(.tokensDisagree, $0, "The item's image tokens are not those of its links")
        }
    }

    /// A query of the items whose copy of their tokens differs from their links.
    /// - Parameter item: what links call the id of their item.
    static func disagreeingTokens(of table: String, links: String, item: String) -> String {
        """
        SELECT id FROM \(table) WHERE portrait_token IS NOT
                (SELECT token FROM \(links) WHERE \(item) = id AND position = -1)
            OR length(reference_tokens) <> 16 * (SELECT count(*) FROM \(links) WHERE \(item) = id AND position >= 0)
            OR length(reference_tokens) <> 16 * (
                SELECT count(*) FROM \(links) WHERE \(item) = id AND position >= 0
                    AND substr(reference_tokens, position * 16 + 1, 16) = token)
        """
    }

    private static func jobsOfItems(_ db: Database) throws -> [Finding] {
        try items(
            db,
            """
            SELECT id FROM pikzonality WHERE (status = 'processing') <>
                (SELECT count(*) FROM training_job WHERE pikzonality_id = pikzonality.id AND (state = 'queued' OR state = 'leased'))
            """
        ).map { Finding(.jobsDisagree, $0, "An item in training needs exactly one job to do, any other item none") }
    }

    private static func jobsWithoutItem(_ db: Database) throws -> [Finding] {
        try items(db, "SELECT id FROM training_job WHERE (state = 'queued' OR state = 'leased') AND pikzonality_id IS NULL").map {
            Finding(.jobsDisagree, $0, "A job to do belongs to no item")
        }
    }

    private static func imports(_ db: Database) throws -> [Finding] {
        // Without a key its lines are being cleared away.
        let sql = """
            SELECT number FROM import WHERE idempotency_key IS NOT NULL
                AND lines_done <> (SELECT count(*) FROM import_line WHERE import_number = number)
            """
        return try Int64.fetchAll(db, sql: sql).map {
            Finding(.importsDisagree, "import \($0)", "An import has other lines than it has done")
        }
    }

    /// The identifiers that a query finds, as texts.
    static func items(_ db: Database, _ sql: String) throws -> [String] {
        try Row.fetchAll(db, sql: sql).map { try $0.identifier("id").text }
    }
}
