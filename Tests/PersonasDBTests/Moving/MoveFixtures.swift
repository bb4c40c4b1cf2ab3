import Crypto
import Foundation
import Personas
import Synchronization
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

/// A bucket in memory, which lists what was put into it.
final class MemoryBucket: BlobStore {
    private struct Content: Blob {
        let bytes: [UInt8]

        func send(_ range: Range<Int>, to sink: ([UInt8]) async throws -> Void) async throws -> Int {
            let part = Array(bytes[min(range.lowerBound, bytes.count)..<min(range.upperBound, bytes.count)])
            try await sink(part)
            return part.count
        }
    }

    private struct State {
        var objects: [BlobKey: [UInt8]] = [:]
        var putCount = 0
    }

    private let state = Mutex(State())

    /// What is in it.
    var objects: [BlobKey: [UInt8]] { state.withLock { $0.objects } }
    /// How often something was put into it.
    var putCount: Int { state.withLock { $0.putCount } }

    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) {
        guard key.object != nil else { throw .unexpected("A key without an object") }
        state.withLock { state in
            state.putCount += 1
            state.objects[key] = bytes
        }
    }

    func open(_ key: BlobKey) async throws(Failure) -> any Blob {
        guard let bytes = objects[key] else { throw .notFound }
        return Content(bytes: bytes)
    }

    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool { objects[key].map { Array(SHA256.hash(data: $0)) == key.digest } ?? false }

    func delete(_ key: BlobKey) async throws(Failure) { state.withLock { $0.objects[key] = nil } }

    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
        try await sink(objects.keys.filter { $0.digest.first == prefix })
    }
}

/// A data folder with a bucket and a database that it may be moved to.
struct MoveStage: Sendable {
    let folder: String
    let bucket = MemoryBucket()
    let server: PostgresServer
    let database: String

    /// Lends one, with a database that has its schema.
    static func run(_ body: (MoveStage) async throws -> Void) async throws {
        let server = try PostgresServer.shared.get()
        let template = try await PostgresTemplates.shared.name("stores") { address in
            let storage = try PostgresStorage(
                PostgresStorage.Configuration(database: address, secretsKeyFile: "/nowhere", spoolFolder: "/nowhere"), blobs: MemoryBucket()
            )
            _ = try await storage.migrate()
            storage.close()
        }
        try await withDataFolder { folder in
            try await server.withDatabase(like: template) { name in
                try await body(MoveStage(folder: folder, server: server, database: name))
            }
        }
    }

    /// Runs a body with the folder open.
    @discardableResult
    func inFolder<Value>(_ body: (OpenStorage) async throws -> Value) async throws -> Value {
        let storage = try Storage.open(Storage.Configuration(directory: folder, readers: 2, mediaThreads: 4))
        defer { storage.close() }
        _ = try await storage.migrate()
        return try await body(OpenStorage(storage, directory: folder))
    }

    /// Runs a body with the database open.
    @discardableResult
    func inDatabase<Value>(_ body: (PostgresStorage) async throws -> Value) async throws -> Value {
        let storage = try PostgresStorage(
            PostgresStorage.Configuration(
                database: server.address(of: database), secretsKeyFile: folder + "/secrets.key", spoolFolder: folder), blobs: bucket)
        let outcome: Result<Value, any Error>
        do {
            try await storage.load()
            outcome = .success(try await body(storage))
        } catch {
            outcome = .failure(error)
        }
        storage.close()
        return try outcome.get()
    }

    /// Moves the folder.
    /// - Parameter end: where that ends as if the process had been killed.
    @discardableResult
    func move(endingAt end: MoveFaults.Point? = nil, secretsKeyFile: String? = nil) async throws(Failure) -> MoveReport {
        guard let lock = try DataFolderLock.acquire(directory: folder) else { throw .unexpected("The folder is locked") }
        var move = try DataFolderMove(
            of: folder, toDatabase: server.address(of: database), media: "s3://bucket", bucket,
            secretsKeyFile: secretsKeyFile ?? folder + "/secrets.key")
        move.faults.endsAt = { $0 == end }
        return try await move.move(under: lock, mayMigrate: true, for: Operator(uid: 4_321)) { _ in }
    }

    /// What the database says.
    @discardableResult
    func run(_ sql: String) throws -> String { try server.run(sql, in: database) }

    /// How many rows the database has of all that is moved, and that no new database has.
    func movedRows() throws -> Int {
        let tables = MovedTable.all.filter { !$0.hasRowsWhenNew }
        let counts = tables.map { "(SELECT count(*) FROM \"\($0.name)\")" }.joined(separator: " + ")
        return try #require(Int(try run("SELECT \(counts)")))
    }
}

/// All rows of all tables as hexadecimal digits, made by each engine itself: by the names of the tables, each row a line, in no order.
struct RowDump: Equatable {
    var tables: [String: Set<String>] = [:]

    /// Those of a data folder.
    init(_ open: OpenStorage) throws {
        for table in MovedTable.all {
            tables[table.name] = try open.index.readers.lend { connection in
                let columns = try connection.all("SELECT name FROM pragma_table_info(?) ORDER BY name", [table.name]) {
                    try $0.requiredText(0)
                }
                let values = columns.map { "CASE WHEN \"\($0)\" IS NULL THEN '-' ELSE hex(CAST(\"\($0)\" AS BLOB)) END" }.joined(
                    separator: " || ' ' || ")
                return Set(try connection.all("SELECT \(values) FROM \"\(table.name)\"", []) { try $0.requiredText(0) })
            }
        }
    }

    /// Those of a database, without the columns that it alone has, and without what it tells of itself.
    init(_ stage: MoveStage, auditUpTo last: Int) throws {
        for table in MovedTable.all {
            let own = (table.own.map(\.name) + [""]).map { "'\($0)'" }.joined(separator: ", ")
            let columns = try stage.run(
                """
                SELECT attname, atttypid FROM pg_attribute
                WHERE attrelid = '"\(table.name)"'::regclass AND attnum > 0 AND attname NOT IN (\(own)) ORDER BY attname COLLATE "C"
                """
            ).split(separator: "\n").map { $0.split(separator: "|") }
            let values = columns.map { column in
                let bytes =
                    switch Int(column[1]) ?? 0 {
                    case 17: "\"\(column[0])\""
                    case 2_950: "uuid_send(\"\(column[0])\")"
                    default: "convert_to(CAST(\"\(column[0])\" AS text), 'UTF8')"
                    }
                return "coalesce(upper(encode(\(bytes), 'hex')), '-')"
            }.joined(separator: " || ' ' || ")
            let condition = table.name == "audit" ? "WHERE number <= \(last)" : ""
            let lines = try stage.run("SELECT \(values) FROM \"\(table.name)\" \(condition)").split(separator: "\n")
            tables[table.name] = Set(lines.map { String($0) })
        }
    }
}
