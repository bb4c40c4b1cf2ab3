import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The plans of all statements", .timeLimit(.minutes(1)))
struct StatementPlanTests {
    /// Tables that grow with the number of items, and must be reached through a key or an index.
    private static let growing = [
        "pikzonality", "image_link", "media", "media_removal", "training_job", "metadata_entry", "entry", "audit", "event",
        "trash_item", "trash_link", "revision", "webhook_delivery", "delivery", "webhook_attempt", "import", "import_line", "top_up",
        "credit_entry",
        "fal_request",
    ]
    /// What begins at the old end of the events and says after how many rows it ends is no walk through them.
    private static let beginning = "ORDER BY number LIMIT ?"

    @Test("No statement walks through a table that grows with the number of items")
    func noFullWalks() async throws {
        try await withStorage(readers: 1) { open in
            try await everyCall(open, round: 0)
            let statements = try await open.preparedStatements()
            let plans = try await open.index.writer.writeDirectly { db in
                try statements.all.filter { !$0.hasPrefix("EXPLAIN") && !$0.contains("sqlite_master") && $0.contains("?") }.map { sql in
                    let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                    statement.setUncheckedArguments(StatementArguments())
                    return (sql, try Row.fetchAll(statement).map { row -> String in row["detail"] })
                }
            }
            #expect(plans.count > 35, "the statements of all stores were found")
            for (sql, plan) in plans {
                let walks = plan.filter { detail in
                    if detail.hasPrefix("SCAN event"), sql.contains(Self.beginning) { return false }
                    return Self.growing.contains { detail == "SCAN \($0)" || detail.hasPrefix("SCAN \($0) ") }
                }
                #expect(walks == [], "\(sql)")
            }
        }
    }
}
