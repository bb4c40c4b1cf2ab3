import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

extension PostgresTests {
    @Suite("Migrations", .timeLimit(.minutes(3)))
    struct MigrationTests {
        private static let first = PostgresMigration(
            name: "v0001_expand_first",
            sql: """
                -- Statements of a function are its own; what is quoted is no end, and no place either: ';' ?
                CREATE TABLE one (id bigint PRIMARY KEY, number bigint);
                CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    NEW.number := coalesce(NEW.number, 0) + 1;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER one_counts BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION count_up();
                INSERT INTO one VALUES (1);
                """)
        private static let second = PostgresMigration(name: "v0002_contract_second", sql: "INSERT INTO one VALUES (2, 5);")

        private func migrator(_ open: OpenPostgres, _ migrations: PostgresMigration...) -> PostgresMigrator {
            PostgresMigrator(settings: open.settings, reader: open.reader, clock: .system, migrations: migrations)
        }

        @Test("The list holds every file of the folder, in order and unchanged, and each says what it is")
        func listEqualsFolder() throws {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "../../../db/postgres/migrations"
            )
            .standardized
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(files == PostgresMigration.all.map { $0.name + ".sql" })
            for migration in PostgresMigration.all {
                let text = try String(contentsOf: folder.appendingPathComponent(migration.name + ".sql"), encoding: .utf8)
                #expect(migration.sql == text, "\(migration.name)")
                #expect(migration.name.contains("_\(migration.kind.rawValue)_"))
            }
        }

        @Test("A new database has everything pending and is not ready; migrating applies all, once")
        func migrate() async throws {
            try await withPostgres { open in
                let migrator = migrator(open, Self.first, Self.second)
                #expect(try await migrator.migrations().map(\.state) == [.pending, .pending])
                #expect(await migrator.isReady() == false)
                #expect(migrator.isReadyNow() == nil)
                #expect(try await migrator.migrate() == ["v0001_expand_first", "v0002_contract_second"])
                let reports = try await migrator.migrations()
                #expect(reports.map(\.state) == [.applied, .applied])
                #expect(reports.map(\.hash) == [Self.first.hash, Self.second.hash])
                #expect(reports.allSatisfy { $0.appliedAt != nil })
                #expect(await migrator.isReady())
                #expect(try await migrator.migrate() == [])
                #expect(try await migrator.migrations() == reports)
                #expect(try open.run("SELECT string_agg(number::text, ',' ORDER BY id) FROM one") == "1,6")
                #expect(try open.run("SELECT string_agg(kind, ',' ORDER BY name) FROM migration") == "expand,contract")
                #expect(
                    try open.run(
                        """
                        SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                        WHERE locktype = 'advisory' AND datname = '\(open.name)'
                        """
                    ) == "0")
            }
        }

        @Test("The schema of this release is applied to an empty database")
        func schema() async throws {
            try await withPostgres { open in
                let migrator = PostgresMigrator(settings: open.settings, reader: open.reader, clock: .system)
                let applied = try await migrator.migrate()
                #expect(applied == PostgresMigration.all.map(\.name))
                #expect(await migrator.isReady())
            }
        }

        @Test("Several that start at once migrate once")
        func atOnce() async throws {
            try await withPostgres { open in
                let migrator = migrator(open, Self.first, Self.second)
                let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                    for _ in 0..<6 { group.addTask { try await migrator.migrate() } }
                    return try await group.reduce(into: [String]()) { $0 += $1 }
                }
                #expect(applied == ["v0001_expand_first", "v0002_contract_second"])
                #expect(await migrator.isReady())
            }
        }

        @Test("One that fails leaves nothing of itself, and all of those before it")
        func failing() async throws {
            try await withPostgres { open in
                let broken = PostgresMigration(
                    name: "v0002_expand_broken", sql: "CREATE TABLE two (id bigint); INSERT INTO one VALUES (1);")
                let failed = await result { () throws(Failure) in try await migrator(open, Self.first, broken).migrate() }
                #expect(failed.unexpectedText?.contains("23505") == true, "\(failed)")
                let left = try open.run("SELECT string_agg(name, ','), to_regclass('two') IS NULL FROM migration")
                #expect(left == "v0001_expand_first|t")
                #expect(try await migrator(open, Self.first, Self.second).migrate() == ["v0002_contract_second"])
            }
        }

        @Test("One that was changed is refused; of those that are unknown, expansions are tolerated")
        func unknown() async throws {
            try await withPostgres { open in
                let expansion = PostgresMigration(name: "v0003_expand_third", sql: "CREATE TABLE three (id bigint)")
                _ = try await migrator(open, Self.first, expansion).migrate()
                let older = migrator(open, Self.first)
                #expect(await older.isReady())
                #expect(try await older.migrate() == [])
                #expect(try await older.migrations().map(\.state) == [.applied, .unknown])

                let other = PostgresMigration(name: Self.first.name, sql: Self.first.sql + " ")
                let changed = await result { () throws(Failure) in try await migrator(open, other).migrate() }
                #expect(throws: Failure.schemaMismatch(.changed(migration: "v0001_expand_first"))) { try changed.get() }
                #expect(await migrator(open, other).isReady() == false)

                _ = try await migrator(
                    open, Self.first, expansion, PostgresMigration(name: "v0004_contract_fourth", sql: "DROP TABLE three")
                )
                .migrate()
                let refused = await result { () throws(Failure) in try await older.migrate() }
                #expect(throws: Failure.schemaMismatch(.unknown(migration: "v0004_contract_fourth"))) { try refused.get() }
                #expect(await older.isReady() == false)
            }
        }

        @Test("A database copied from a template is there with what it holds")
        func template() async throws {
            let template = try await PostgresTemplates.shared.name("migration_tests") { address in
                let settings = try PostgresSettings(address, environment: [:])
                let reader = PostgresReader(settings: settings, threads: 1, scansWaitingMax: 1)
                defer { reader.close() }
                _ = try await PostgresMigrator(settings: settings, reader: reader, clock: .system, migrations: [Self.first]).migrate()
            }
            try await PostgresServer.shared.get().withDatabase(like: template) { name in
                let count = try PostgresServer.shared.get().run("SELECT count(*) FROM one", in: name)
                #expect(count == "1")
            }
        }
    }
}
