import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

/// Migrations that take more than one transaction.
@Suite("Migrations in rounds", .timeLimit(.minutes(1)))
struct MigrationRoundTests {
    private struct Stopped: Error {}

    /// All others, without which the stores do not work; none of them needs it.
    private static let earlier = Migration.all.filter { $0.name != "v0004_name_search" }
    private static let search = Migration.all.first { $0.name == "v0004_name_search" }

    /// The migration that makes the index of names, with small rounds that end with an error before one of them, as a process may.
    private static func search(rounds: Int, _ sql: String? = nil) throws -> Migration {
        let whole = try #require(search)
        let (fill, left) = (NameIndex.fill(atMost: 3), Ledger<Int>())
        return Migration(
            name: whole.name, sql: sql ?? whole.sql,
            rounds: [
                { db, last in
                    guard left.entries.count < rounds else { throw Stopped() }
                    left.append(1)
                    return try fill(db, last)
                }, NameIndex.merge,
            ])
    }

    @Test("that were cut short go on at the next start, whatever was written in between, and only then stand in the book as applied")
    func resumed() async throws {
        try await withDataFolder { directory in
            let account = try await withStorage(in: directory, migrated: false) { open in
                _ = try await migrator(open, Self.earlier).migrate()
                let account = try await open.account()
                for number in 0..<20 { _ = try await open.insert("Item \(number)", of: account, outcome: .completed) }
                let stopping = migrator(open, Self.earlier + [try Self.search(rounds: 2)])
                await #expect(throws: Failure.self) { try await stopping.migrate() }
                #expect(
                    try await stopping.migrations().last.map { [$0.state.rawValue, $0.appliedAt.map { "\($0)" }] } == ["pending", nil])
                #expect(await stopping.isReady() == false)
                #expect(try open.count("name_document") == 6)
                return account
            }
            try await withStorage(in: directory, migrated: false) { open in
                // What lies before, at and after the place that the rounds came to.
                let all = try await open.items.page(PikzonalityFilter(), sort: .name, after: nil, limit: 50, accountID: account)
                let ordered = all.sorted { $0.id < $1.id }
                for item in [ordered[0], ordered[6], ordered[19]] {
                    let change = PikzonalityChange(name: Name(stored: "Else " + item.name.text))
                    _ = try await open.items.update(item.id, mode: nil, accountID: account, change: change, at: .second(1))
                }
                for item in [ordered[1], ordered[7]] {
                    _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1))
                }
                _ = try await open.insert("Item new", of: account, outcome: .completed)
                let again = migrator(open, Self.earlier + [try Self.search(rounds: 3)])
                await #expect(throws: Failure.self) { try await again.migrate() }

                #expect(try await open.storage.migrate() == ["v0004_name_search"])
                #expect(try await open.storage.schema.migrations().map(\.state) == Migration.all.map { _ in .applied })
                #expect(await open.storage.schema.isReady())
                #expect(try open.count("migration") == Migration.all.count)
                for (text, count) in [("item", 19), ("else", 3), ("new", 1), ("nowhere", 0)] {
                    let filter = PikzonalityFilter(search: text)
                    let found = try await open.items.page(filter, sort: .name, after: nil, limit: 50, accountID: account)
                    #expect(found.count == count, "\(text)")
                }
                #expect(
                    try await open.storage.integrity.check(repairingWith: nil, at: .second(0)) { _ in }
                        .findings.filter { $0.kind == .searchDisagrees } == [])
            }
        }
    }

    @Test("that are not at their end belong to this version alone: an older one and one with another text refuse the database")
    func refused() async throws {
        try await withStorage(migrated: false) { open in
            _ = try await migrator(open, Self.earlier).migrate()
            let account = try await open.account()
            for number in 0..<7 { _ = try await open.insert("Item \(number)", of: account) }
            let stopping = migrator(open, Self.earlier + [try Self.search(rounds: 1)])
            await #expect(throws: Failure.self) { try await stopping.migrate() }
            await #expect(throws: Failure.schemaMismatch(.unknown(migration: "v0004_name_search (begun)"))) {
                try await migrator(open, Self.earlier).migrate()
            }
            let other = migrator(open, Self.earlier + [try Self.search(rounds: 9, "SELECT 1")])
            #expect(try await other.migrations().last?.state == .changed)
            await #expect(throws: Failure.schemaMismatch(.changed(migration: "v0004_name_search"))) { try await other.migrate() }
        }
    }

    @Test("take a bounded number of items at a time, and pass over what is there already")
    func bounded() async throws {
        try await withStorage { open in
            let account = try await open.account()
            for number in 0..<10 { _ = try await open.insert("Item \(number)", of: account) }
            try await open.execute("INSERT INTO name_index (name_index) VALUES ('delete-all')")
            try await open.execute("DELETE FROM name_document")
            let fill = NameIndex.fill(atMost: 4)
            var (last, counts): (Data?, [Int]) = (nil, [])
            repeat {
                let before = last
                last = try await open.index.writer.writeDirectly { db in try fill(db, before) }
                counts.append(try open.count("name_document"))
            } while last != nil
            #expect(counts == [4, 8, 10, 10])
            #expect(try await open.index.writer.writeDirectly { db in try fill(db, nil) } != nil)
            #expect(try open.count("name_document") == 10)
        }
    }

    private func migrator(_ open: OpenStorage, _ migrations: [Migration]) -> Migrator {
        Migrator(writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: migrations)
    }
}
