import Crypto
import Foundation
import GRDB
import Personas

/// One step of the schema: a file of `migrations/`, never changed once released.
struct Migration: Sendable {
    /// The file's name without its ending; its order is that of the list.
    let name: String
    /// The file's text.
    let sql: String

    /// SHA-256 of the text in hexadecimal.
    var hash: String { hexadecimal(Array(SHA256.hash(data: Data(sql.utf8)))) }

    /// Every migration, oldest first. The build embeds the files; a test compares this list with the folder.
    static let all = [
        Migration(name: "v0001_initial", sql: String(decoding: PackageResources.v0001_initial_sql, as: UTF8.self)),
        Migration(name: "v0002_kept_answers", sql: String(decoding: PackageResources.v0002_kept_answers_sql, as: UTF8.self)),
        Migration(
            name: "v0003_idempotency_records", sql: String(decoding: PackageResources.v0003_idempotency_records_sql, as: UTF8.self)),
    ]
}

/// Brings a database to the schema that this binary knows, and tells how it stands.
struct Migrator: SchemaStore {
    let writer: GroupWriter
    let readers: ReadPool
    let clock: WallClock
    let migrations: [Migration]

    /// Applies what is pending, each migration in a transaction of its own with its entry in the book.
    /// - Returns: the names of those applied now.
    /// - Throws: `schemaMismatch` when an applied migration was changed, or the database is from a newer binary.
    func migrate() async throws(Failure) -> [String] {
        try await writer.write { db in
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
        let pending = migrations.filter { migration in reports.contains { $0.name == migration.name && $0.state == .pending } }
        for migration in pending {
            let now = clock.now
            try await writer.write(isUnbounded: true) { db in
                try db.execute(sql: migration.sql)
                try db.execute(
                    sql: "INSERT INTO migration (name, hash, applied_at) VALUES (?, ?, ?)",
                    arguments: [migration.name, migration.hash, now.milliseconds])
            }
        }
        return pending.map(\.name)
    }

    func migrations() async throws(Failure) -> [MigrationReport] {
        let applied = try appliedMigrations()
        let known = migrations.map { migration in
            let entry = applied.first { $0.name == migration.name }
            return MigrationReport(
                name: migration.name, state: entry.map { $0.hash == migration.hash ? .applied : .changed } ?? .pending,
                appliedAt: entry?.appliedAt, hash: entry?.hash ?? migration.hash)
        }
        let unknown = applied.filter { entry in !migrations.contains { $0.name == entry.name } }
        return known + unknown.map { MigrationReport(name: $0.name, state: .unknown, appliedAt: $0.appliedAt, hash: $0.hash) }
    }

    func isReady() async -> Bool {
        guard let reports = try? await migrations() else { return false }
        return reports.allSatisfy { $0.state == .applied }
    }

    private func appliedMigrations() throws(Failure) -> [(name: String, hash: String, appliedAt: Timestamp)] {
        try readers.read { connection in
            guard
                try connection.first("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'", [], row: { _ in true })
                    != nil
            else { return [] }
            var applied: [(name: String, hash: String, appliedAt: Timestamp)] = []
            try connection.query("SELECT name, hash, applied_at FROM migration ORDER BY name", []) { row in
                applied.append((try row.requiredText(0), try row.requiredText(1), row.timestamp(2)))
            }
            return applied
        }
    }
}
