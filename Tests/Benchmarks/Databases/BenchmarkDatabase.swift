import Foundation
import TestPostgres
import TestSupport

/// A PostgreSQL server with a database of the same items that a `BenchmarkStore` has, and a bucket in memory. Gone with the process.
struct BenchmarkDatabase {
    private static let name = "benchmark"
    private static let bucketKeys = ["AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"]

    let server: PostgresServer
    let objects: ServerProcess
    private let folder: String
    private let personas: String
    /// The measured account's key.
    private(set) var key = ""

    /// Starts both, and fills the database.
    init(items: Int, personas: String) throws {
        self.personas = personas
        folder = try TemporaryFolder.make("benchmark")
        // What a machine of a few gigabytes is given, in place of what is small enough for tests.
        server = try PostgresServer(settings: ["shared_buffers=512MB", "max_wal_size=2GB", "autovacuum=on"])
        objects = try ServerProcess(CommandLine.arguments[0], ["objects"], logPath: "\(folder)/objects.log")
        try server.run("CREATE DATABASE \(Self.name)")
        let watch = Stopwatch()
        Console.note("Filling PostgreSQL with \(items) items …")
        let (environment, settings) = (Self.bucketKeys, settings(server.address(of: Self.name)))
        func command(_ words: [String]) throws -> String {
            try Program.output("env", environment.map { "\($0)=\($1)" } + [personas] + words + settings)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        _ = try command(["migrate"])
        _ = try command(["accounts", "create", BenchmarkStore.accountName])
        key = try command(["keys", "create", "--account", BenchmarkStore.accountName])
        let service = try start(through: nil, flags: [])
        defer { service.stop() }
        try BenchmarkStore.createFirstItem(on: service, key: key)
        try fill(items)
        Console.note("Filled in \(Int(watch.seconds)) s.")
    }

    /// Ends both.
    func stop() {
        objects.stop()
        server.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The service on this database, on a free port.
    /// - Parameter proxy: the way to the database; nil for its socket.
    func start(through proxy: DelayingProxy?, flags: [String]) throws -> ServerProcess {
        let address = proxy.map { "host=127.0.0.1 port=\($0.port) user=\(PostgresServer.user) dbname=\(Self.name)" }
        return try ServerProcess(
            personas,
            ["serve", "--port", "0", "--drain-seconds", "0"] + settings(address ?? server.address(of: Self.name))
                + ServerProcess.unlimited + flags,
            logPath: "\(folder)/\(proxy == nil ? "near" : "far").log", environment: Self.bucketKeys)
    }

    /// Ids of the measured account's personas, spread evenly over all of them.
    func personaIDs(atMost count: Int) throws -> [String] {
        let ids = try run(
            """
            SELECT item.id FROM pikzonality AS item JOIN account ON account.id = item.account_id
            WHERE account.name = '\(BenchmarkStore.accountName)' AND mode = 'persona' ORDER BY item.id
            """
        ).split(separator: "\n").map(String.init)
        let step = max(1, ids.count / count)
        return stride(from: 0, to: ids.count, by: step).prefix(count).map { ids[$0] }
    }

    /// Bytes of the write-ahead log so far.
    func logBytes() throws -> Double { Double(try run("SELECT pg_current_wal_insert_lsn() - '0/0'")) ?? 0 }

    /// Bytes of all tables and indexes.
    func bytes() throws -> Double { Double(try run("SELECT pg_database_size(current_database())")) ?? 0 }

    @discardableResult
    private func run(_ sql: String) throws -> String { try server.run(sql, in: Self.name) }

    private func settings(_ address: String) -> [String] {
        [
            "--database", address, "--media", "s3://benchmark?endpoint=http://127.0.0.1:\(objects.port)",
            "--secrets-key-file", "\(folder)/secrets.key",
        ]
    }

    /// The same that `BenchmarkStore` writes into SQLite.
    private func fill(_ items: Int) throws {
        let start = Int(Date().timeIntervalSince1970 * 1_000) - items * 1_000
        try run(
            """
            CREATE FUNCTION pg_temp.identifier(moment bigint, seed text) RETURNS uuid LANGUAGE sql AS $$
                SELECT (lpad(to_hex(moment), 12, '0') || '7' || substr(md5(seed), 1, 3) || '8' || substr(md5(seed), 4, 15))::uuid
            $$;
            INSERT INTO account (id, name, is_suspended, has_api_access, created_at)
            SELECT pg_temp.identifier(number, 'account' || number), 'Account ' || number, 0, 1, number
            FROM generate_series(1, \(BenchmarkStore.otherAccounts)) AS number;

            CREATE TEMPORARY TABLE owner AS
            SELECT CASE name WHEN '\(BenchmarkStore.accountName)' THEN 0 ELSE substr(name, 9)::bigint END AS number, id FROM account;
            INSERT INTO pikzonality (
                id, account_id, mode, name, name_key, status, progress, special_instructions, reference_tokens, portrait_token,
                created_at, updated_at, version
            )
            SELECT pg_temp.identifier(\(start) + number * 1000, 'item' || number), owned.owner_id,
                CASE WHEN number / 2 % 2 = 0 THEN 'persona' ELSE 'style' END, 'Item ' || number, 'item ' || number, 'completed', 100,
                CASE WHEN number % 4 = 0 THEN 'Warm light, calm background, looks into the camera' END,
                decode(md5('a' || number) || md5('b' || number) || md5('c' || number), 'hex'), md5('p' || number)::uuid,
                \(start) + number * 1000, \(start) + number * 1000 + 500, 3
            FROM (SELECT number, CASE WHEN number % 2 = 0 THEN 0 ELSE 1 + number / 4 % \(BenchmarkStore.otherAccounts) END AS place
                FROM generate_series(0::bigint, \(items - 2)) AS number) AS new
                JOIN (SELECT number AS place, id AS owner_id FROM owner) AS owned ON owned.place = new.place
            ORDER BY number;

            INSERT INTO image_link (pikzonality_id, position, token, digest, object)
            SELECT item.id, image.position,
                CASE image.position WHEN -1 THEN item.portrait_token
                    ELSE encode(substr(item.reference_tokens, 1 + 16 * image.position, 16), 'hex')::uuid END,
                image.digest, image.object
            FROM pikzonality AS item
                CROSS JOIN (SELECT position, digest, object, pikzonality_id FROM image_link) AS image
            WHERE item.id <> image.pikzonality_id;
            INSERT INTO training_job (id, pikzonality_id, state, attempts, progress, created_at, account_id)
            SELECT id, id, 'completed', 1, 100, created_at, account_id FROM pikzonality
            WHERE id NOT IN (SELECT pikzonality_id FROM training_job);
            """)
        try run("VACUUM ANALYZE")
        try run("CHECKPOINT")
    }
}
