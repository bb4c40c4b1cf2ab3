import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("Migrations", .timeLimit(.minutes(1)))
struct MigrationTests {
    private static let first = Migration(name: "v0001_first", sql: "CREATE TABLE one (id INTEGER PRIMARY KEY, text TEXT) STRICT;")
    private static let second = Migration(
        name: "v0002_second", sql: "CREATE TABLE two (id INTEGER PRIMARY KEY) STRICT; INSERT INTO two VALUES (2);")

    @Test("The list holds every file of the folder, in order and unchanged")
    func listEqualsFolder() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../db/sqlite/migrations")
            .standardized
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(files == Migration.all.map { $0.name + ".sql" })
        for migration in Migration.all {
            let text = try String(contentsOf: folder.appendingPathComponent(migration.name + ".sql"), encoding: .utf8)
            #expect(migration.sql == text, "\(migration.name)")
        }
    }

    @Test("The schema promises what the tables check: every table is STRICT, and nothing in it is damaged")
    func strictTables() async throws {
        try await withStorage { open in
            let lax = try await open.index.writer.writeDirectly { db in
                try String.fetchAll(
                    db,
                    sql: """
                        SELECT name FROM pragma_table_list
                        WHERE schema = 'main' AND strict = 0 AND type = 'table' AND name NOT LIKE 'sqlite_%'
                        """)
            }
            #expect(lax == [])
            let check = try await open.index.writer.writeDirectly { db in try String.fetchOne(db, sql: "PRAGMA integrity_check") }
            #expect(check == "ok")
        }
    }

    @Test("A new database has everything pending and is not ready; migrating applies all, once")
    func migrate() async throws {
        try await withStorage(migrated: false) { open in
            let names = Migration.all.map(\.name)
            #expect(try await open.storage.schema.migrations().map(\.state) == names.map { _ in .pending })
            #expect(await open.storage.schema.isReady() == false)
            #expect(open.storage.schema.isReadyNow() == false)

            #expect(try await open.storage.migrate() == names)
            let reports = try await open.storage.schema.migrations()
            #expect(reports.map(\.name) == names)
            #expect(reports.map(\.state) == names.map { _ in .applied })
            #expect(reports.map(\.hash) == Migration.all.map(\.hash))
            #expect(reports.allSatisfy { $0.appliedAt != nil })
            #expect(await open.storage.schema.isReady())
            #expect(open.storage.schema.isReadyNow() == true)

            #expect(try await open.storage.migrate() == [])
            #expect(try await open.storage.schema.migrations() == reports)

            try await open.index.writer.writeDirectly { db in
                try db.execute(sql: "ALTER TABLE migration RENAME TO elsewhere; CREATE TABLE migration (x)")
            }
            #expect(open.storage.schema.isReadyNow() == nil, "what cannot be read now may be readable to those who wait")
            #expect(await open.storage.schema.isReady() == false)
        }
    }

    @Test("The hash is SHA-256 of the file's text")
    func hash() {
        #expect(
            Migration(name: "v0001_abc", sql: "abc").hash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("What is added later is pending, then applied; what was there stays")
    func later() async throws {
        try await withStorage(migrated: false) { open in
            let old = migrator(open, Self.first)
            #expect(try await old.migrate() == ["v0001_first"])
            try await open.execute("INSERT INTO one VALUES (1, 'kept')")

            let new = migrator(open, Self.first, Self.second)
            #expect(try await new.migrations().map(\.state) == [.applied, .pending])
            #expect(await new.isReady() == false)
            #expect(try await new.migrate() == ["v0002_second"])
            #expect(try open.count("one", where: "text = 'kept'") == 1)
            #expect(try open.count("two") == 1)
        }
    }

    @Test("A migration that was changed after it was applied stops everything")
    func changed() async throws {
        try await withStorage(migrated: false) { open in
            _ = try await migrator(open, Self.first).migrate()
            let edited = Migration(name: Self.first.name, sql: Self.first.sql + " ")
            let changed = migrator(open, edited, Self.second)
            let reports = try await changed.migrations()
            #expect(reports.map(\.state) == [.changed, .pending])
            #expect(reports[0].hash == Self.first.hash, "the hash shown is that of what was applied")
            #expect(await changed.isReady() == false)
            await #expect(throws: Failure.schemaMismatch(.changed(migration: "v0001_first"))) {
                try await changed.migrate()
            }
            #expect(try open.count("sqlite_master", where: "name = 'two'") == 0)
        }
    }

    @Test("A database of a newer version is refused")
    func unknown() async throws {
        try await withStorage(migrated: false) { open in
            _ = try await migrator(open, Self.first, Self.second).migrate()
            let older = migrator(open, Self.first)
            #expect(
                try await older.migrations().map { [$0.name, $0.state.rawValue] } == [
                    ["v0001_first", "applied"], ["v0002_second", "unknown"],
                ])
            #expect(await older.isReady() == false)
            await #expect(throws: Failure.schemaMismatch(.unknown(migration: "v0002_second"))) {
                try await older.migrate()
            }
        }
    }

    @Test("A migration that fails leaves nothing behind, and those before it stay applied")
    func failing() async throws {
        try await withStorage(migrated: false) { open async throws in
            let broken = Migration(
                name: "v0002_broken", sql: "CREATE TABLE half (id INTEGER) STRICT; CREATE TABLE one (id INTEGER) STRICT;")
            let migrator = migrator(open, Self.first, broken)
            await #expect(throws: Failure.self) { try await migrator.migrate() }
            #expect(try await migrator.migrations().map(\.state) == [.applied, .pending])
            #expect(try open.count("sqlite_master", where: "name = 'half'") == 0)
        }
    }

    @Test("Data survives closing, reopening and migrating again")
    func reopening() async throws {
        try await withDataFolder { directory in
            let item = try await withStorage(in: directory) { open in
                try await open.insert("Nova Reyes", of: try await open.account(), instructions: "Warm smile", outcome: .completed)
            }
            try await withStorage(in: directory, migrated: false) { open async throws in
                #expect(try await open.storage.migrate() == [])
                #expect(try await open.items.find(item.id, mode: .persona, accountID: item.accountID) == item)
            }
        }
    }

    @Test("What was kept under idempotency keys before they had records stays, in the form of records")
    func earlierRecords() async throws {
        try await withStorage(migrated: false) { open in
            let before = Migrator(
                writer: open.index.writer, readers: open.index.readers, clock: .system,
                migrations: Array(Migration.all.prefix { $0.name < "v0003" }))
            #expect(try await before.migrate().last == "v0002_kept_answers")
            let accountID = try await open.account()
            // Bytes of several characters, ends of lines and a NUL, none of which may change.
            let body = #"{"name":"é🙂\n"}"# + "\n\n\u{0}: \n"
            let rows: [(key: String, status: Int, location: String?, entityTag: String?, body: String)] = [
                ("created", 201, "https://a.test/v2/personas/1", "\"v1\"", body), ("published", 200, nil, nil, "{}"),
                ("nothing", 204, nil, nil, ""), ("tagged", 200, nil, "\"v2\"", "{}"), ("placed", 201, "/there", nil, "{}"),
            ]
            try await open.index.writer.writeDirectly { db in
                for (number, row) in rows.enumerated() {
                    try db.execute(
                        sql: "INSERT INTO kept_answer VALUES (?, 'POST /x', ?, ?, ?, ?, ?, ?, ?, ?)",
                        arguments: [
                            Data(accountID.bytes), row.key, Data(repeating: UInt8(number), count: 32), "r-\(number)", row.status,
                            row.location, row.entityTag, Data(row.body.utf8), Timestamp.second(number).milliseconds,
                        ])
                }
            }
            #expect(try await open.storage.migrate() == Migration.all.map(\.name).filter { $0 >= "v0003" })
            let answers = [
                "status: 201\nrequest-id: r-0\nlocation: https://a.test/v2/personas/1\netag: \"v1\"\n\n" + body,
                "status: 200\nrequest-id: r-1\n\n{}", "status: 204\nrequest-id: r-2\n\n",
                "status: 200\nrequest-id: r-3\netag: \"v2\"\n\n{}", "status: 201\nrequest-id: r-4\nlocation: /there\n\n{}",
            ]
            for (number, row) in rows.enumerated() {
                let scope = IdempotentRequest.Scope(accountID: accountID, operation: "POST /x", key: try IdempotencyKey(quotable: row.key))
                let request = IdempotentRequest(scope: scope, fingerprint: [])
                let fingerprint = [UInt8](repeating: UInt8(number), count: 32)
                let last = Timestamp.second(number).adding(seconds: Limits.idempotencySecondsKept)
                let kept = try await open.storage.idempotency.claim(request, until: last, at: last)
                let record = IdempotencyRecord(fingerprint: fingerprint, answer: Array(answers[number].utf8))
                #expect(kept == .recorded(record), "\(row.key)")
            }
            #expect(try open.count("idempotency_record") == rows.count)
            #expect(try open.count("sqlite_master", where: "name LIKE 'kept_answer%'") == 0)
            let broken = try await open.index.writer.writeDirectly { db in try Row.fetchAll(db, sql: "PRAGMA foreign_key_check").count }
            #expect(broken == 0)
        }
    }

    private func migrator(_ open: OpenStorage, _ migrations: Migration...) -> Migrator {
        Migrator(writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: migrations)
    }
}
