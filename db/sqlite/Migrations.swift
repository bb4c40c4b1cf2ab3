import Crypto
import Foundation
import GRDB
import Personas

/// One step of the schema: a file of `migrations/`, never changed once released.
struct Migration: Sendable {
    /// A part of what is done after the file's SQL, as often as there is something left to do, each time in a transaction of its own: work on
    /// every row, which would hold a single one for minutes. It begins anew after a process that ended in between, so it passes over what is
    /// done already.
    /// - Parameter last: what the time before returned, nil at the beginning.
    /// - Returns: where it ended; nil when nothing is left.
    typealias Round = @Sendable (_ db: Database, _ last: Data?) throws -> Data?

    /// The file's name without its ending; its order is that of the list.
    let name: String
    /// The file's text.
    let sql: String
    /// What follows it, one after the other.
    var rounds: [Round] = []

    /// SHA-256 of the text in hexadecimal.
    var hash: String { hexadecimal(Array(SHA256.hash(data: Data(sql.utf8)))) }

    /// What the book calls it while its rounds are not at their end. A binary that does not know the migration refuses the database by it.
    var nameBegun: String { name + " (begun)" }

    /// What makes the audit, which a restore needs of a database from before it.
    static let audit = Migration(name: "v0009_audit", sql: String(decoding: PackageResources.v0009_audit_sql, as: UTF8.self))

    /// Every migration, oldest first. The build embeds the files; a test compares this list with the folder.
    static let all = [
        Migration(name: "v0001_initial", sql: String(decoding: PackageResources.v0001_initial_sql, as: UTF8.self)),
        Migration(name: "v0002_kept_answers", sql: String(decoding: PackageResources.v0002_kept_answers_sql, as: UTF8.self)),
        Migration(
            name: "v0003_idempotency_records", sql: String(decoding: PackageResources.v0003_idempotency_records_sql, as: UTF8.self)),
        Migration(
            name: "v0004_name_search", sql: String(decoding: PackageResources.v0004_name_search_sql, as: UTF8.self),
            rounds: [NameIndex.fill(atMost: 5_000), NameIndex.merge]),
        Migration(name: "v0005_smaller_indexes", sql: String(decoding: PackageResources.v0005_smaller_indexes_sql, as: UTF8.self)),
        Migration(name: "v0006_epoch", sql: String(decoding: PackageResources.v0006_epoch_sql, as: UTF8.self)),
        Migration(name: "v0007_own_names", sql: String(decoding: PackageResources.v0007_own_names_sql, as: UTF8.self)),
        Migration(name: "v0008_key_rotation", sql: String(decoding: PackageResources.v0008_key_rotation_sql, as: UTF8.self)),
        audit,
        Migration(
            name: "v0010_quotas", sql: String(decoding: PackageResources.v0010_quotas_sql, as: UTF8.self),
            rounds: [StoredBytes.fill(atMost: 5_000)]),
        Migration(name: "v0011_events", sql: String(decoding: PackageResources.v0011_events_sql, as: UTF8.self)),
        Migration(name: "v0012_trash", sql: String(decoding: PackageResources.v0012_trash_sql, as: UTF8.self)),
        Migration(name: "v0013_webhooks", sql: String(decoding: PackageResources.v0013_webhooks_sql, as: UTF8.self)),
        Migration(name: "v0014_jobs", sql: String(decoding: PackageResources.v0014_jobs_sql, as: UTF8.self)),
        Migration(name: "v0015_imports", sql: String(decoding: PackageResources.v0015_imports_sql, as: UTF8.self)),
        Migration(name: "v0016_credits", sql: String(decoding: PackageResources.v0016_credits_sql, as: UTF8.self)),
        Migration(name: "v0017_fal", sql: String(decoding: PackageResources.v0017_fal_sql, as: UTF8.self)),
        Migration(name: "v0018_smart_balance", sql: String(decoding: PackageResources.v0018_smart_balance_sql, as: UTF8.self)),
    ]
}

/// Brings a database to the schema that this binary knows, and tells how it stands.
struct Migrator: SchemaStore {
    private typealias Entry = (name: String, hash: String, appliedAt: Timestamp)

    let writer: GroupWriter
    let readers: ReadPool
    let clock: WallClock
    let migrations: [Migration]

    /// Applies what is pending: each migration in a transaction of its own with its entry in the book, and its rounds, if it has any, in further
    /// ones, with the entry in the last.
    /// - Parameter author: who has asked for it, if somebody has. Then each has an entry in the audit, in the same transaction; those from before there
    ///   was one get theirs with that which makes it.
    /// - Returns: the names of those applied now.
    /// - Throws: `schemaMismatch` when an applied migration was changed, or the database is from a newer binary.
    func migrate(for author: Operator? = nil) async throws(Failure) -> [String] {
        try await writer.writeDirectly { db in
            try db.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS migration (
                        name TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, applied_at INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID
                    """)
        }
        let reports = try await self.migrations()
        for report in reports {
            switch report.state {
            case .applied, .pending: break
            case .changed: throw .schemaMismatch(.changed(migration: report.name))
            case .unknown: throw .schemaMismatch(.unknown(migration: report.name))
            }
        }
        let begun = try await readers.read(Self.book).map(\.name)
        let pending = migrations.filter { migration in reports.contains { $0.name == migration.name && $0.state == .pending } }
        var untold: [String] = []
        for migration in pending {
            untold.append(migration.name)
            let told = untold
            let note = author.map { AuditNote<Bool>(.migrateUp, by: $0) { _ in told } }
            if try await apply(migration, isBegun: begun.contains(migration.nameBegun), note) { untold = [] }
        }
        return pending.map(\.name)
    }

    /// - Returns: whether the audit tells of it, which it does from when it is there.
    private func apply(_ migration: Migration, isBegun: Bool, _ note: AuditNote<Bool>?) async throws(Failure) -> Bool {
        let now = clock.now
        guard !migration.rounds.isEmpty else {
            return try await writer.write(in: WriteContext(at: now, audit: note), recording: { $0 ? $0 : nil }, isUnbounded: true) { db in
                try db.sqlite.execute(sql: migration.sql)
                return try Self.enter(migration.name, migration, at: now, db.sqlite)
            }
        }
        if !isBegun {
            try await writer.writeDirectly(isUnbounded: true) { db in
                try db.execute(sql: migration.sql)
                _ = try Self.enter(migration.nameBegun, migration, at: now, db)
            }
        }
        for round in migration.rounds {
            var last: Data?
            repeat {
                let before = last
                last = try await writer.writeDirectly { db in try round(db, before) }
            } while last != nil
        }
        let end = clock.now
        return try await writer.write(in: WriteContext(at: end, audit: note), recording: { $0 ? $0 : nil }) { db in
            try db.run("DELETE FROM migration WHERE name = ?", [migration.nameBegun])
            return try Self.enter(migration.name, migration, at: end, db.sqlite)
        }
    }

    /// - Returns: whether there is an audit to tell of it.
    private static func enter(_ name: String, _ migration: Migration, at now: Timestamp, _ db: Database) throws -> Bool {
        try db.execute(
            sql: "INSERT INTO migration (name, hash, applied_at) VALUES (?, ?, ?)", arguments: [name, migration.hash, now.milliseconds])
        return try db.tableExists("audit")
    }

    func migrations() async throws(Failure) -> [MigrationReport] {
        Self.reports(on: migrations, of: try await readers.read(Self.book))
    }

    /// How migrations stand in the database of a folder that nobody writes to, which is left as it is.
    static func migrations(_ migrations: [Migration] = Migration.all, in folder: DataFolder) throws -> [MigrationReport] {
        reports(on: migrations, of: try UntouchedDatabase(in: folder).read(book))
    }

    func isReady() async -> Bool {
        guard let entries = try? await readers.read(Self.book) else { return false }
        return isReady(entries)
    }

    func isReadyNow() -> Bool? {
        // What cannot be read for the moment is left to those that may wait for it.
        guard let entries = try? readers.readNow(Self.book) else { return nil }
        return isReady(entries)
    }

    private func isReady(_ entries: [Entry]) -> Bool {
        Self.reports(on: migrations, of: entries).allSatisfy { $0.state == .applied }
    }

    /// How each migration stands that is known here or stands in the book.
    private static func reports(on migrations: [Migration], of entries: [Entry]) -> [MigrationReport] {
        let known = migrations.map { migration in
            let applied = entries.first { $0.name == migration.name }
            let entry = applied ?? entries.first { $0.name == migration.nameBegun }
            let isChanged = entry.map { $0.hash != migration.hash } ?? false
            return MigrationReport(
                name: migration.name, state: isChanged ? .changed : applied == nil ? .pending : .applied, appliedAt: applied?.appliedAt,
                hash: entry?.hash ?? migration.hash)
        }
        let unknown = entries.filter { entry in !migrations.contains { [$0.name, $0.nameBegun].contains(entry.name) } }
        return known + unknown.map { MigrationReport(name: $0.name, state: .unknown, appliedAt: $0.appliedAt, hash: $0.hash) }
    }

    private static func book(_ connection: any SQLConnection) throws -> [Entry] {
        guard
            try connection.first("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'", [], row: { _ in true })
                != nil
        else { return [] }
        var entries: [Entry] = []
        try connection.query("SELECT name, hash, applied_at FROM migration ORDER BY name", []) { row in
            entries.append((try row.requiredText(0), try row.requiredText(1), row.timestamp(2)))
        }
        return entries
    }
}
