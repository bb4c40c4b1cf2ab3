import Foundation
import Personas

/// Brings a PostgreSQL database to the schema that this binary knows, and tells how it stands.
///
/// Several servers may start at once: one of them migrates, and the others wait for it. During a rolling upgrade servers of two releases share the
/// database, so what is unknown here is tolerated as long as it was marked as an expansion.
struct PostgresMigrator: SchemaStore {
    private typealias Entry = (name: String, hash: String, kind: String, appliedAt: Timestamp)

    /// Milliseconds that a statement of a migration may take: an index of a large table takes minutes.
    private static let statementMillisecondsMax = 3_600_000
    /// Seconds that others are waited for who migrate.
    private static let waitSecondsMax = 3_600
    private static let pauseMilliseconds: UInt32 = 100
    /// Times that a migration is tried whose tables others do not let go of.
    private static let attemptsMax = 5

    let settings: PostgresSettings
    let reader: PostgresReader
    let clock: WallClock
    var migrations = PostgresMigration.all
    /// What knows whether the database is there; nil where each question is asked of the database itself.
    var pulse: PostgresPulse?

    /// Applies what is pending, each migration in a transaction of its own with its entry in the book.
    /// - Parameter author: who has asked for it, if somebody has. Then each has an entry in the audit, in the same transaction.
    /// - Returns: the names of those applied now, by this process.
    /// - Throws: `schemaMismatch` when an applied migration was changed, or the database is from a newer binary that has taken away what this needs.
    func migrate(for author: Operator? = nil) async throws(Failure) -> [String] {
        var patient = settings
        patient.statementMillisecondsMax = Self.statementMillisecondsMax
        let settings = patient
        return try await OwnThread.run("personas-migrate") {
            let connection = try PostgresConnection(settings)
            try Self.awaitLock(on: connection)
            return try apply(on: connection, author)
        }
    }

    func migrations() async throws(Failure) -> [MigrationReport] {
        reports(of: try await reader.read(Self.book))
    }

    func isReady() async -> Bool {
        if let isReady = pulse?.isReady { return isReady }
        return (try? await reader.read(isReady(on:))) ?? false
    }

    /// What the pulse knows, in a process that has one; else nil, because every read waits for the network.
    func isReadyNow() -> Bool? { pulse?.isReady }

    /// Whether the database can be worked with as it is.
    func isReady(on connection: any SQLConnection) throws -> Bool {
        let entries = try Self.book(connection)
        let isKnownApplied = reports(of: entries).allSatisfy { $0.state == .applied || $0.state == .unknown }
        return isKnownApplied && refused(of: entries) == nil
    }

    private func apply(on connection: PostgresConnection, _ author: Operator?) throws -> [String] {
        try connection.run(
            """
            CREATE TABLE IF NOT EXISTS migration (
                name text COLLATE "C" NOT NULL CONSTRAINT migration_by_name PRIMARY KEY, hash text NOT NULL,
                kind text NOT NULL CONSTRAINT migration_kind CHECK (kind IN ('expand', 'contract')), applied_at bigint NOT NULL)
            """)
        try connection.settle()
        let entries = try Self.book(connection)
        let reports = reports(of: entries)
        if let changed = reports.first(where: { $0.state == .changed }) {
            throw Failure.schemaMismatch(.changed(migration: changed.name))
        }
        if let refused = refused(of: entries) { throw Failure.schemaMismatch(.unknown(migration: refused)) }
        let pending = migrations.filter { migration in reports.contains { $0.name == migration.name && $0.state == .pending } }
        var untold: [String] = []
        for migration in pending {
            untold.append(migration.name)
            if try apply(migration, on: connection, untold, author) { untold = [] }
        }
        return pending.map(\.name)
    }

    /// - Parameter told: the migrations that the audit is to tell of, if it is there.
    /// - Returns: whether it is.
    private func apply(
        _ migration: PostgresMigration, on connection: PostgresConnection, _ told: [String], _ author: Operator?
    ) throws -> Bool {
        var attempts = 0
        while true {
            attempts += 1
            do {
                connection.begin()
                let isTold = try run(migration, on: connection, told, author)
                try connection.commit()
                return isTold
            } catch let error as PostgresError where error.state == "55P03" && attempts < Self.attemptsMax {
                // Those who wait for a table behind this one wait as well, so it lets go, and comes again.
                connection.rollBack()
            } catch {
                connection.rollBack()
                throw error
            }
        }
    }

    private func run(
        _ migration: PostgresMigration, on connection: PostgresConnection, _ told: [String], _ author: Operator?
    ) throws -> Bool {
        try connection.runScript(migration.sql)
        let now = clock.now
        try connection.run(
            "INSERT INTO migration (name, hash, kind, applied_at) VALUES (?, ?, ?, ?)",
            [migration.name, migration.hash, migration.kind.rawValue, now])
        guard try connection.finds("SELECT 1 WHERE to_regclass('audit') IS NOT NULL", []) else { return false }
        if let author {
            let note = AuditNote<Bool>(.migrateUp, by: author) { _ in told }
            try AuditRows.insert(note.entries(of: true, at: now), PostgresTransaction(connection))
        }
        return true
    }

    /// The first unknown migration after which this binary cannot work.
    private func refused(of entries: [Entry]) -> String? {
        entries.first { entry in
            entry.kind != PostgresMigration.Kind.expand.rawValue && !migrations.contains { $0.name == entry.name }
        }?.name
    }

    /// How each migration stands that is known here or stands in the book.
    private func reports(of entries: [Entry]) -> [MigrationReport] {
        let known = migrations.map { migration in
            guard let entry = entries.first(where: { $0.name == migration.name }) else {
                return MigrationReport(name: migration.name, state: .pending, appliedAt: nil, hash: migration.hash)
            }
            return MigrationReport(
                name: migration.name, state: entry.hash == migration.hash ? .applied : .changed, appliedAt: entry.appliedAt,
                hash: entry.hash)
        }
        let unknown = entries.filter { entry in !migrations.contains { $0.name == entry.name } }
        return known + unknown.map { MigrationReport(name: $0.name, state: .unknown, appliedAt: $0.appliedAt, hash: $0.hash) }
    }

    private static func book(_ connection: any SQLConnection) throws -> [Entry] {
        guard try connection.finds("SELECT 1 WHERE to_regclass('migration') IS NOT NULL", []) else { return [] }
        return try connection.all("SELECT name, hash, kind, applied_at FROM migration ORDER BY name", []) { row in
            (try row.requiredText(0), try row.requiredText(1), try row.requiredText(2), row.timestamp(3))
        }
    }

    /// Waits until nobody else migrates. The lock is the session's, so that it goes with the connection, whatever ends the process.
    ///
    /// Asked for again and again, because a statement that waits would hold a snapshot, for which building an index beside readers waits in turn.
    private static func awaitLock(on connection: PostgresConnection) throws {
        let end = ContinuousClock.now + .seconds(waitSecondsMax)
        let (service, work) = PostgresLock.migrations
        while try connection.first(
            "SELECT pg_try_advisory_lock(CAST(? AS integer), CAST(? AS integer))", [service, work], row: { $0.isTrue(0) }) != true
        {
            guard ContinuousClock.now < end else { throw Failure.storeBusy("Another process has migrated for \(waitSecondsMax) s") }
            usleep(pauseMilliseconds * 1_000)
        }
    }
}
