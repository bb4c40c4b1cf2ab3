import GRDB
import GRDBSQLite
import Personas
import Testing

@testable import PersonasDB

@Suite("The plans of all statements", .timeLimit(.minutes(1)))
struct StatementPlanTests {
    /// Tables that grow with the number of items, and must be reached through a key or an index.
    private static let growing = ["pikzonality", "image_link", "media", "media_removal", "training_job"]

    /// Walks through a whole table that are right, because they end early.
    private static func mayWalk(_ sql: String) -> Bool { sql.hasSuffix("FROM pikzonality ORDER BY id DESC LIMIT ?") }

    @Test("No statement walks through a table that grows with the number of items")
    func noFullWalks() async throws {
        try await withStorage(readers: 1) { open in
            try await useEverything(open)
            let table = try #require(open.items as? PikzonalityTable)
            let read = try open.folder.readers.read { Set($0.statements.keys) }
            let searched = try await table.searches.read { Set($0.statements.keys) }
            let plans = try await open.folder.writer.write { db in
                let statements = read.union(searched).union(try Self.preparedStatements(db))
                return try statements.filter { !$0.hasPrefix("EXPLAIN") && !$0.contains("sqlite_master") && $0.contains("?") }.map { sql in
                    let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                    statement.setUncheckedArguments(StatementArguments())
                    return (sql, try Row.fetchAll(statement).map { row -> String in row["detail"] })
                }
            }
            #expect(plans.count > 35, "the statements of all stores were found")
            for (sql, plan) in plans where !Self.mayWalk(sql) {
                let walks = plan.filter { detail in
                    Self.growing.contains { detail == "SCAN \($0)" || detail.hasPrefix("SCAN \($0) ") }
                }
                #expect(walks == [], "\(sql)")
            }
        }
    }

    /// The statements that the writing connection keeps prepared.
    private static func preparedStatements(_ db: Database) throws -> [String] {
        var found: [String] = []
        var statement = sqlite3_next_stmt(db.sqliteConnection, nil)
        while let current = statement {
            if let text = sqlite3_sql(current) { found.append(String(cString: text)) }
            statement = sqlite3_next_stmt(db.sqliteConnection, current)
        }
        return found
    }

    /// Calls what the ports offer, so that every statement has been prepared.
    private func useEverything(_ open: OpenStorage) async throws {
        let policy = LeasePolicy()
        let account = try await open.account()
        var items: [Pikzonality] = []
        for number in 0..<6 { items.append(try await open.insert("Item \(number)", of: account)) }
        _ = await result { () throws(Failure) in try await open.insert("Item 0", of: account) }
        let change = PikzonalityChange(name: Name(stored: "Other"))
        _ = try await open.items.update(items[0].id, mode: nil, accountID: account, change: change, at: .second(1))
        _ = try await open.items.availability(of: Name(stored: "Free"), mode: .persona, accountID: account)
        _ = try await open.items.newest(limit: 3)
        _ = try await open.items.operatorItem(items[0].id)
        for search in [nil, "o"] {
            _ = try await open.items.page(PikzonalityFilter(search: search), sort: .name, after: nil, limit: 2, accountID: account)
        }
        let jobs = try await open.jobs.lease(limit: 5, policy: policy, at: .second(1))
        _ = try await open.jobs.heartbeat(jobs[0].id, token: jobs[0].leaseToken, progress: 5, policy: policy, at: .second(2))
        try await open.jobs.complete(jobs[0].id, token: jobs[0].leaseToken, portrait: nil, at: .second(3))
        try await open.jobs.fail(jobs[1].id, token: jobs[1].leaseToken, error: .fixture, retryable: false, policy: policy, at: .second(3))
        try await open.jobs.handBack(jobs[2].id, token: jobs[2].leaseToken, at: .second(3))
        _ = try await open.jobs.expire(policy: policy, at: .second(100))
        let completed = try await open.items.find(jobs[0].item.id, mode: nil, accountID: account)
        _ = await result { () throws(Failure) in try await open.media.open(completed.referenceTokens[0]) }
        _ = try await open.items.delete(completed.id, mode: nil, accountID: account, at: .second(4))
        let orphan = try await open.media.store(try .fixture(1))
        open.media.release([orphan])
        _ = try await MediaRemoval(folder: open.folder).sweep(folders: 256)
        try await open.accounts.delete(accountNamed: "acme", at: .second(5))
        _ = try await open.media.removeUnreferenced()
        _ = try await open.jobs.expire(policy: policy, at: .second(100_000))
        _ = try await open.storage.backlog.backlog()
    }
}
