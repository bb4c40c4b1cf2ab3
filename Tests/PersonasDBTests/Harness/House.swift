import Crypto
import Foundation
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

/// Where the rows of a test are. A rule of the ports holds in each of them, so each test of one runs in all.
enum House: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite
    case postgres

    static var all: [House] { allCases }

    var testDescription: String {
        switch self {
        case .sqlite: "SQLite"
        case .postgres: "PostgreSQL"
        }
    }

    /// What a look-up is to find that waits for nothing: where each has to wait for a network, nothing.
    func atOnce<Value>(_ value: Value?) -> Value? { self == .sqlite ? value : nil }
}

/// Runs a body with a folder of its own, and with PostgreSQL a database, which outlive the storages that are opened in them, and are gone afterwards.
func withDataFolder<Value>(on house: House = .sqlite, _ body: (String) async throws -> Value) async throws -> Value {
    switch house {
    case .sqlite: return try await withTemporaryFolder("db-tests", inMemory: true, body)
    case .postgres:
        guard PostgresServer.isInstalled || ProcessInfo.processInfo.environment["CI"] != nil else {
            try Test.cancel("PostgreSQL is not installed; .ci/test-tools unpacks it")
        }
        let server = try PostgresServer.shared.get()
        let template = try await PostgresTemplates.shared.name("stores") { address in
            let storage = try PostgresStorage(
                PostgresStorage.Configuration(database: address, secretsKeyFile: "/nowhere", spoolFolder: "/nowhere"),
                blobs: ObjectFolder("/nowhere"))
            _ = try await storage.migrate()
            storage.close()
        }
        return try await withTemporaryFolder("db-tests", inMemory: true) { directory in
            try await server.withDatabase(like: template) { name in
                try Data(name.utf8).write(to: URL(fileURLWithPath: directory + "/database"))
                return try await body(directory)
            }
        }
    }
}

/// A database of PostgreSQL, as tests look into it beside its storage.
struct PostgresDatabase: Sendable {
    let server: PostgresServer
    let name: String
    /// Connections beside those of the storages; to be closed.
    let reader: PostgresReader

    /// That of a folder of `withDataFolder`.
    init(of directory: String) throws {
        server = try PostgresServer.shared.get()
        name = try String(contentsOfFile: directory + "/database", encoding: .utf8)
        reader = PostgresReader(settings: try PostgresSettings(server.address(of: name), environment: [:]), threads: 1, scansWaitingMax: 1)
    }

    /// Opens a storage in it, of which there may be several at once.
    func open(
        in directory: String, blobs: any BlobStore, change: (inout PostgresStorage.Configuration) -> Void = { _ in }
    ) async throws -> PostgresStorage {
        var configuration = PostgresStorage.Configuration(
            database: server.address(of: name), secretsKeyFile: directory + "/secrets.key", spoolFolder: directory)
        configuration.readers = 2
        change(&configuration)
        let storage = try PostgresStorage(configuration, blobs: blobs)
        try await storage.load()
        return storage
    }

    /// Runs statements, apart from what is tested. Returns what they bring, a row a line, columns apart by `|`.
    @discardableResult
    func run(_ sql: String) throws -> String { try server.run(sql, in: name) }
}

/// Blobs as files that are named by their objects as well as by their bytes, as a bucket's are. Nothing is synced.
struct ObjectFolder: BlobStore {
    private struct Bytes: Blob {
        let bytes: [UInt8]

        func send(_ range: Range<Int>, to sink: ([UInt8]) async throws -> Void) async throws -> Int {
            let part = range.clamped(to: 0..<bytes.count)
            for start in stride(from: part.lowerBound, to: part.upperBound, by: Limits.blobChunkBytesMax) {
                try await sink(Array(bytes[start..<min(part.upperBound, start + Limits.blobChunkBytesMax)]))
            }
            return part.count
        }
    }

    let path: String

    init(_ path: String) { self.path = path }

    func file(of key: BlobKey) -> String { "\(path)/\(hexadecimal(key.digest))-\(key.object?.text ?? "")" }

    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data(bytes).write(to: URL(fileURLWithPath: file(of: key)), options: .atomic)
        } catch {
            throw .mediaNotStored("\(error)")
        }
    }

    func open(_ key: BlobKey) async throws(Failure) -> any Blob {
        guard let bytes = FileManager.default.contents(atPath: file(of: key)) else { throw .notFound }
        return Bytes(bytes: [UInt8](bytes))
    }

    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool {
        guard let bytes = FileManager.default.contents(atPath: file(of: key)) else { throw .notFound }
        return Array(SHA256.hash(data: bytes)) == key.digest
    }

    func delete(_ key: BlobKey) async throws(Failure) {
        guard unlink(file(of: key)) == 0 || errno == ENOENT else { throw .mediaNotRemoved(String(cString: strerror(errno))) }
    }

    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
        try await sink(keys().filter { $0.digest.first == prefix })
    }

    /// All that there are, in their order.
    func keys() -> [BlobKey] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.compactMap { name in
            let digits = name.prefix(64)
            guard let digest = bytes(ofHexadecimal: digits), let object = Identifier(String(name.dropFirst(65))) else { return nil }
            return BlobKey(digest: digest, object: object)
        }.sorted()
    }
}

/// The bytes of pairs of digits.
private func bytes(ofHexadecimal digits: Substring) -> [UInt8]? {
    let digits = Array(digits)
    guard digits.count == 64 else { return nil }
    let bytes = stride(from: 0, to: 64, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    return bytes.count == 32 ? bytes : nil
}
