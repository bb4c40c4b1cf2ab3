import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The migration to the clients' own names", .timeLimit(.minutes(1)))
struct OwnNamesMigrationTests {
    private static let earlier = Array(Migration.all.prefix { $0.name < "v0006" })

    /// An item as versions before wrote it.
    private func insert(
        _ name: String, _ mode: String, _ status: String, account: Identifier, at time: Int, _ open: OpenStorage
    ) async throws {
        let id = Identifier.timeOrdered(at: .second(time))
        try await open.index.writer.writeDirectly { db in
            try db.execute(
                sql: """
                    INSERT INTO pikzonality (id, account_id, mode, name, name_key, status, progress, special_instructions, reference_tokens,
                        portrait_token, error_code, error_message, created_at, updated_at, version)
                    VALUES (?, ?, ?, ?, ?, ?, ?, NULL, randomblob(48), ?, ?, ?, ?, ?, 3)
                    """,
                arguments: [
                    id.data, account.data, mode, name, name.lowercased(), status, status == "completed" ? 100 : 7,
                    status == "completed" ? Data(count: 16) : nil, status == "failed" ? "GENERATION_FAILED" : nil,
                    status == "failed" ? "It broke" : nil, Timestamp.second(time).milliseconds, Timestamp.second(time).milliseconds,
                ])
        }
    }

    /// What clients see of all items.
    private func rows(_ open: OpenStorage) async throws -> [String] {
        try await open.index.writer.writeDirectly { db in
            try Row.fetchAll(
                db, sql: "SELECT hex(id), name, status, progress, version, created_at, updated_at FROM pikzonality ORDER BY id"
            ).map(\.description)
        }
    }

    @Test("counts what is there, leaves every item as it was, and lets each be given a name from then on")
    func filled() async throws {
        try await withStorage(migrated: false) { open async throws in
            _ = try await Migrator(
                writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: Self.earlier
            ).migrate()
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            _ = try await open.account("empty")
            for number in 0..<40 {
                try await insert(
                    "Item \(number)", number % 4 < 3 ? "persona" : "style", ["processing", "completed", "failed"][number % 3],
                    account: number < 30 ? acme : zeta, at: number, open)
            }
            let before = try await rows(open)

            #expect(try await open.storage.migrate() == Migration.all.map(\.name).filter { $0 > "v0006" })
            #expect(try await rows(open) == before)
            let sum = try await open.items.counts(accountID: acme)
            for mode in Mode.allCases {
                for status in Status.allCases {
                    let own = "account_id = (SELECT id FROM account WHERE name = 'acme')"
                    let count = try open.count("pikzonality", where: "\(own) AND mode = '\(mode)' AND status = '\(status)'")
                    #expect(sum[mode, status] == count && count > 0, "\(mode) \(status)")
                }
            }
            #expect(try open.count("item_count") == 12)
            let items = try await open.items.page(PikzonalityFilter(), sort: .oldestFirst, after: nil, limit: 50, accountID: acme)
            #expect(items.count == 30 && items.allSatisfy { $0.details.externalID == nil && $0.details.metadata == .none })
            let change = PikzonalityChange(externalID: "first", metadata: .merge(["k": "v"]))
            let changed = try await open.items.update(items[0].id, mode: nil, accountID: acme, change: change, at: .second(90))
            let filter = PikzonalityFilter(externalID: "first", metadata: [MetadataMember(key: "k", value: "v")])
            #expect(try await open.items.page(filter, sort: .name, after: nil, limit: 5, accountID: acme) == [changed])
            let report = try await open.storage.integrity.check(repairingWith: nil, at: .second(0)) { _ in }
            #expect(report.findings.filter { [.countsDisagree, .metadataDisagrees, .databaseDamaged].contains($0.kind) } == [])
        }
    }
}
