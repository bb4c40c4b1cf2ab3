import Foundation
import GRDB
import TestSupport

/// A data folder with a known number of items.
///
/// The service itself makes the schema, the measured account with its key, and one item with its images; the rest is written straight into the
/// tables, because a million creates would take hours. Half of the items belong to the measured account, the other half to 999 accounts evenly,
/// all of them interleaved in time; personas and styles alternate; all are completed, share three images, and have their links and jobs.
struct BenchmarkStore {
    /// Changes with what the fill writes, so that an older folder is not taken for a filled one.
    private static let fillVersion = 2
    static let accountName = "Benchmark"
    static let otherAccounts = 999

    /// The data folder.
    let directory: String
    /// How many items it has.
    let items: Int
    /// The measured account's key.
    let key: String

    /// The store of an earlier run if it was filled in the same way, else a new one.
    static func prepared(in directory: String, items: Int, personas: String) throws -> BenchmarkStore {
        let marker = "\(directory).filled"
        let contents = (try? String(contentsOfFile: marker, encoding: .utf8))?.split(separator: " ").map(String.init) ?? []
        if contents.count == 3, contents[0] == "v\(fillVersion)", contents[1] == "\(items)",
            (try? Program.output(personas, ["migrate", "verify", "--data", directory])) != nil
        {
            return BenchmarkStore(directory: directory, items: items, key: contents[2])
        }
        let watch = Stopwatch()
        Console.note("Filling \(directory) with \(items) items …")
        for path in [directory, marker] where FileManager.default.fileExists(atPath: path) {
            try FileManager.default.removeItem(atPath: path)
        }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        _ = try Program.output(personas, ["migrate", "--data", directory])
        _ = try Program.output(personas, ["accounts", "create", accountName, "--data", directory])
        let key = try Program.output(personas, ["keys", "create", "--account", accountName, "--data", directory])
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let store = BenchmarkStore(directory: directory, items: items, key: key)
        try store.createFirstItem(personas)
        try store.fill()
        try "v\(fillVersion) \(items) \(key)".write(toFile: marker, atomically: true, encoding: .utf8)
        Console.note("Filled in \(Int(watch.seconds)) s.")
        return store
    }

    /// Ids of the measured account's personas, spread evenly over all of them.
    func personaIDs(atMost count: Int) throws -> [String] {
        try personas(atMost: count, column: "id") { Self.text(ofIdentifier: $0) }
    }

    /// Names of them.
    func personaNames(atMost count: Int) throws -> [String] { try personas(atMost: count, column: "name") { (name: String) in name } }

    private func personas<Value: DatabaseValueConvertible>(
        atMost count: Int, column: String, _ text: (Value) -> String
    ) throws -> [String] {
        let values = try database(readonly: true).read { db in
            try Value.fetchAll(
                db,
                sql: "SELECT \(column) FROM pikzonality WHERE account_id = (SELECT id FROM account WHERE name = ?) AND mode = 'persona'",
                arguments: [Self.accountName])
        }
        let step = max(1, values.count / count)
        return stride(from: 0, to: values.count, by: step).prefix(count).map { text(values[$0]) }
    }

    /// One line for the report.
    func description() throws -> String {
        let attributes = try FileManager.default.attributesOfItem(atPath: databasePath)
        let megabytes = (attributes[.size] as? Int ?? 0) / 1_000_000
        return """
            \(items) items in \(Self.otherAccounts + 1) accounts; half belong to the measured one, interleaved with the others'; half are personas; \
            \(megabytes) MB
            """
    }

    /// The database file.
    var databasePath: String { "\(directory)/personas.sqlite" }

    private func database(readonly: Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.foreignKeysEnabled = false
        return try DatabaseQueue(path: databasePath, configuration: configuration)
    }

    /// Creates an item as a client does, and waits until it is trained, so that the store has images and no unfinished job.
    private func createFirstItem(_ personas: String) throws {
        let server = try ServerProcess.personas(personas, store: self)
        defer { server.stop() }
        try Self.createFirstItem(on: server, key: key)
    }

    /// The same on a server that runs.
    static func createFirstItem(on server: ServerProcess, key: String) throws {
        let load = CreateLoad(port: server.port, key: key, imageWidth: 141)
        let id = try load.createOne(on: try Connection(port: server.port))
        let connection = try Connection(port: server.port)
        let waited = Stopwatch()
        while try connection.exchange("GET", "/v2/personas/\(id)", key: key).member("status") != "completed" {
            guard waited.seconds < 30 else { throw MeasurementFailed("the first item was not trained within 30 s") }
            usleep(10_000)
        }
    }

    private func fill() throws {
        let queue = try database(readonly: false)
        try queue.writeWithoutTransaction { db in
            // Nothing of this needs to survive a crash: a folder without its marker is thrown away.
            for pragma in [
                "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -1000000", "temp_store = MEMORY",
            ] {
                _ = try Row.fetchAll(db, sql: "PRAGMA \(pragma)")
            }
            try db.inTransaction {
                let accounts = try insertAccounts(db)
                try insertItems(accounts, db)
                try insertLinksAndJobs(db)
                return .commit
            }
            _ = try Row.fetchAll(db, sql: "PRAGMA locking_mode = NORMAL")
            _ = try Row.fetchAll(db, sql: "PRAGMA journal_mode = WAL")
        }
        try queue.close()
    }

    /// The measured account and the others.
    private func insertAccounts(_ db: Database) throws -> [Data] {
        guard let measured = try Data.fetchOne(db, sql: "SELECT id FROM account WHERE name = ?", arguments: [Self.accountName]) else {
            throw MeasurementFailed("the measured account is missing")
        }
        var noise = SplitMix64(seed: 1)
        return [measured]
            + (try (1...Self.otherAccounts).map { number in
                let id = Self.identifier(at: Int64(number), &noise)
                try db.execute(
                    sql: "INSERT INTO account (id, name, is_suspended, has_api_access, created_at) VALUES (?, ?, 0, 1, ?)",
                    arguments: [id, "Account \(number)", number])
                return id
            })
    }

    private func insertItems(_ accounts: [Data], _ db: Database) throws {
        let missing = items - 1
        let start = Int64(Date().timeIntervalSince1970 * 1_000) - Int64(items) * 1_000
        var noise = SplitMix64(seed: 2)
        let statement = try db.makeStatement(
            sql: """
                INSERT INTO pikzonality (
                    id, account_id, mode, name, name_key, status, progress, special_instructions, reference_tokens, portrait_token,
                    created_at, updated_at, version
                ) VALUES (?, ?, ?, ?, ?, 'completed', 100, ?, randomblob(48), randomblob(16), ?, ?, 3)
                """)
        for number in 0..<missing {
            let time = start + Int64(number) * 1_000
            // Of four in a row two are the measured account's, one of each mode, and two another account's.
            let owner = number.isMultiple(of: 2) ? accounts[0] : accounts[1 + number / 4 % Self.otherAccounts]
            let name = "Item \(number)"
            try statement.execute(arguments: [
                Self.identifier(at: time, &noise), owner, number / 2 % 2 == 0 ? "persona" : "style", name, name.lowercased(),
                number.isMultiple(of: 4) ? "Warm light, calm background, looks into the camera" : nil, time, time + 500,
            ])
        }
    }

    /// Links and jobs of all items but the first, which has its own.
    private func insertLinksAndJobs(_ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO image_link (pikzonality_id, position, token, digest)
                SELECT pikzonality.id, image.position,
                    CASE image.position WHEN -1 THEN portrait_token ELSE substr(reference_tokens, 1 + 16 * image.position, 16) END, image.digest
                FROM pikzonality CROSS JOIN (
                    SELECT position, digest FROM image_link WHERE pikzonality_id = (SELECT max(pikzonality_id) FROM image_link)
                ) AS image
                WHERE pikzonality.id < (SELECT max(pikzonality_id) FROM image_link)
                """)
        try db.execute(
            sql: """
                INSERT INTO training_job (id, pikzonality_id, state, attempts, progress, created_at)
                SELECT id, id, 'completed', 1, 100, created_at FROM pikzonality WHERE id < (SELECT max(pikzonality_id) FROM training_job)
                """)
    }

    /// A version 7 UUID (RFC 9562).
    private static func identifier(at milliseconds: Int64, _ noise: inout SplitMix64) -> Data {
        let high = UInt64(milliseconds) << 16 | 0x7000 | noise.next() & 0x0FFF
        let low = noise.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Data($0) }
    }

    private static func text(ofIdentifier bytes: Data) -> String {
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }
}

extension ServerProcess {
    /// What keeps limits out of the way, which most loads of one key would meet at once.
    static let unlimited = [
        "--reads-per-second", "1000000", "--writes-per-second", "1000000", "--requests-in-flight-max", "1024",
    ]

    /// The service with its defaults, on a free port.
    /// - Parameters:
    ///   - isLimited: whether each key is held to the default limits, which most loads of one key would meet at once.
    ///   - flags: of `serve`, beyond those.
    static func personas(
        _ executable: String, store: BenchmarkStore, port: Int = 0, isLimited: Bool = false, flags: [String] = []
    ) throws -> ServerProcess {
        return try personas(executable, data: store.directory, port: port, flags: (isLimited ? [] : unlimited) + flags)
    }

    /// The bare server of this executable.
    static func hello(logPath: String) throws -> ServerProcess {
        try ServerProcess(CommandLine.arguments[0], ["hello"], logPath: logPath)
    }
}
