import CoreMetrics
import Foundation
import GRDB
import Personas
import Synchronization
import TestImages
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

/// Runs a body with a data folder of its own, which is gone afterwards.
func withDataFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    try await withTemporaryFolder("db-tests", inMemory: true, body)
}

/// Runs a body with an open storage in a folder, and closes it afterwards.
func withStorage<Value>(
    in directory: String, migrated: Bool = true, readers: Int = 2, metrics: any MetricsFactory = NOOPMetricsHandler.instance,
    _ body: (OpenStorage) async throws -> Value
) async throws -> Value {
    if ProcessInfo.processInfo.environment["PERSONAS_TEST_ENGINE"] == "postgres" {
        return try await withPostgresStorage(in: directory, migrated: migrated, body)
    }
    let storage = try Storage.open(
        Storage.Configuration(directory: directory, readers: readers, mediaThreads: 4, metrics: metrics))
    defer { storage.close() }
    if migrated { _ = try await storage.migrate() }
    return try await body(
        OpenStorage(
            storage: storage, directory: directory, index: try #require(storage.images as? SQLiteImageIndex),
            files: try #require(storage.blobs as? FileBlobStore), backups: try #require(storage.backups)))
}

/// The same with PostgreSQL for rows.
func withPostgresStorage<Value>(
    in directory: String, migrated: Bool = true, _ body: (OpenStorage) async throws -> Value
) async throws -> Value {
    let server = try PostgresServer.shared.get()
    let template =
        migrated
        ? try await PostgresTemplates.shared.name("stores") { address in
            let storage = try PostgresStorage(
                PostgresStorage.Configuration(database: address, secretsKeyFile: "/nowhere", spoolFolder: "/nowhere"),
                blobs: NoBlobs())
            _ = try await storage.migrate()
            storage.close()
        } : "template1"
    return try await server.withDatabase(like: template) { name in
        let beside = try Storage.open(Storage.Configuration(directory: directory, readers: 2, mediaThreads: 4))
        defer { beside.close() }
        _ = try await beside.migrate()
        let files = try #require(beside.blobs as? FileBlobStore)
        let storage = try PostgresStorage(
            PostgresStorage.Configuration(
                database: server.address(of: name), secretsKeyFile: directory + "/secrets.key", spoolFolder: directory), blobs: files)
        if migrated { try await storage.load() }
        let open = OpenStorage(
            storage: storage, directory: directory, index: try #require(beside.images as? SQLiteImageIndex), files: files,
            backups: try #require(beside.backups), database: OpenStorage.Database(server: server, name: name))
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(open)) } catch { outcome = .failure(error) }
        storage.close()
        return try outcome.get()
    }
}

/// Where no bytes are.
struct NoBlobs: BlobStore {
    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { throw .mediaNotStored("nowhere") }
    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) { throw .mediaNotStored("nowhere") }
    func open(_ key: BlobKey) async throws(Failure) -> any Blob { throw .notFound }
    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool { throw .notFound }
    func delete(_ key: BlobKey) async throws(Failure) {}
    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {}
}

/// Runs a body with an open storage in a folder of its own.
func withStorage<Value>(migrated: Bool = true, readers: Int = 2, _ body: (OpenStorage) async throws -> Value) async throws -> Value {
    try await withDataFolder { directory in try await withStorage(in: directory, migrated: migrated, readers: readers, body) }
}

/// A storage under test, and what tests ask of it beyond its ports.
struct OpenStorage: Sendable {
    /// A database of PostgreSQL.
    struct Database: Sendable {
        let server: PostgresServer
        let name: String
    }

    let storage: any Stores
    let directory: String
    /// The bytes of images.
    let files: FileBlobStore
    /// Where the rows are, if PostgreSQL has them.
    let database: Database?
    /// The rows of images in SQLite, by whose connections tests look into the database.
    let index: SQLiteImageIndex
    /// Backups of the folder.
    let backups: any BackupStore
    /// The use cases of images.
    let images: ImageLibrary
    /// What takes bytes away; it runs when a test says so.
    let collector: BlobCollector

    init(
        storage: any Stores, directory: String, index: SQLiteImageIndex, files: FileBlobStore, backups: any BackupStore,
        database: Database? = nil
    ) {
        self.index = index
        self.backups = backups
        self.storage = storage
        self.directory = directory
        self.files = files
        self.database = database
        images = ImageLibrary(index: storage.images, blobs: files, signals: WorkSignals())
        collector = BlobCollector(index: storage.images, blobs: files, clock: .system)
    }

    /// The images as a row may name them: where several processes store images, only after they were pinned.
    func pinned(_ images: [StoredImage]) throws -> [StoredImage] {
        guard let database else { return images }
        return try images.map { image in
            let digest = hexadecimal(image.key.digest)
            let object = try database.server.run(
                """
                INSERT INTO media (object, digest, format, width, height, byte_count, held_until)
                VALUES (gen_random_uuid(), decode('\(digest)', 'hex'), '\(image.format.rawValue)', \(image.width), \(image.height),
                    \(image.byteCount), 9000000000000)
                ON CONFLICT (digest) DO UPDATE SET held_until = excluded.held_until RETURNING object
                """, in: database.name)
            let id = try #require(Identifier(String(object.prefix(36))))
            return StoredImage(
                key: BlobKey(digest: image.key.digest, object: id), format: image.format, width: image.width, height: image.height,
                byteCount: image.byteCount)
        }
    }

    var items: any PikzonalityStore { storage.pikzonalities }
    var jobs: any TrainingJobStore { storage.jobs }
    var accounts: any AccountStore { storage.accounts }
    var keys: any APIKeyStore { storage.keys }

    /// Stores an account and returns its id.
    func account(_ name: String = "acme") async throws -> Identifier {
        let account = Account.fixture(name)
        try await accounts.insert(account)
        return account.id
    }

    /// Stores an item.
    func insert(
        _ name: String, mode: Mode = .persona, of accountID: Identifier, images: [StoredImage] = StoredImage.three,
        instructions: String? = nil, externalID: String? = nil, metadata: [String: String] = [:], outcome: TrainingOutcome? = nil,
        at time: Timestamp = .second(0)
    ) async throws(Failure) -> Pikzonality {
        let references: [StoredImage]
        do { references = try pinned(images) } catch { throw .unexpected("\(error)") }
        return try await items.insert(
            NewPikzonality(
                id: .random(), accountID: accountID, mode: mode,
                details: PikzonalityDetails(
                    name: Name(stored: name), specialInstructions: instructions, externalID: externalID, metadata: .fixture(metadata)),
                references: references, outcome: outcome), at: time)
    }

    /// How many rows of a table fulfil a condition.
    func count(_ table: String, where condition: String = "1 = 1") throws -> Int {
        if let database {
            let text = try database.server.run("SELECT count(*) FROM \(table) WHERE \(condition)", in: database.name)
            return try #require(Int(text.prefix { $0.isNumber }))
        }
        return try index.readers.lend { connection in
            try connection.first("SELECT count(*) FROM \(table) WHERE \(condition)", [], row: { Int($0.integer(0)) }) ?? 0
        }
    }

    /// How many rows each table has that a write of an item touches.
    func counts() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in ["pikzonality", "image_link", "media", "media_removal", "training_job"] { counts[table] = try count(table) }
        return counts
    }

    /// Runs SQL on the writing connection.
    func execute(_ sql: String) async throws {
        if let database {
            try database.server.run(sql, in: database.name)
            return
        }
        try await index.writer.writeDirectly { db in try db.execute(sql: sql) }
    }
}

extension Account {
    static func fixture(_ name: String) -> Account {
        Account(id: .random(), name: name, isSuspended: false, hasAPIAccess: true, createdAt: .second(0))
    }
}

extension Timestamp {
    /// Moments of a frozen clock.
    static func second(_ seconds: Int) -> Timestamp { Timestamp(milliseconds: 1_795_000_000_000).adding(seconds: seconds) }
}

extension TrainingError {
    static let fixture = TrainingError(code: .rejected, message: "The reference images show more than one person")
}

extension Metadata {
    /// Labels by their keys.
    static func fixture(_ labels: [String: String]) -> Metadata { Metadata(labels.map { MetadataMember(key: $0.key, value: $0.value) }) }
}

extension StoredImage {
    /// An image of which there is no file: enough where no test opens it.
    static func withoutFile(_ number: UInt8) -> StoredImage {
        StoredImage(
            key: BlobKey(digest: [UInt8](repeating: number, count: 32)), format: .jpeg, width: 640, height: 480,
            byteCount: 1_000 + Int(number))
    }

    static let three = [withoutFile(1), withoutFile(2), withoutFile(3)]
}

extension SanitizedImage {
    /// A square PNG of true colour whose pixels follow from a seed; its file has about three bytes a pixel.
    static func fixture(_ seed: UInt64, side: Int = 2) throws -> SanitizedImage {
        try ImageSanitizer.sanitize(PNG.noise(width: side, height: side, channels: 3, seed: seed))
    }
}

/// What concurrent tasks note down, in the order in which they do.
final class Ledger<Entry: Sendable>: Sendable {
    private let noted = Mutex<[Entry]>([])

    var entries: [Entry] { noted.withLock { $0 } }

    func append(_ entry: Entry) { noted.withLock { $0.append(entry) } }
}

/// The outcome of a call that is expected to fail in some cases.
func result<Value>(_ body: () async throws(Failure) -> Value) async -> Result<Value, Failure> {
    do {
        return .success(try await body())
    } catch {
        return .failure(error)
    }
}

/// A file's permission bits.
func permissions(_ path: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int) & 0o777
}

/// Calls that no key came with.
extension PikzonalityStore {
    func insert(_ new: NewPikzonality, at now: Timestamp) async throws(Failure) -> Pikzonality {
        try await insert(new, in: WriteContext(at: now))
    }

    /// As where trainings cost nothing.
    func insert(_ new: NewPikzonality, in context: WriteContext<StartedItem>) async throws(Failure) -> Pikzonality {
        try await insert(new, costing: nil, in: context).item
    }

    /// As where trainings cost nothing.
    func retry(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, with references: [StoredImage]?, if precondition: Precondition,
        in context: WriteContext<StartedItem>
    ) async throws(Failure) -> Pikzonality {
        try await retry(id, mode: mode, accountID: accountID, with: references, costing: nil, if: precondition, in: context).item
    }

    func availability(of name: Name, mode: Mode, accountID: Identifier) async throws(Failure) -> NameAvailability {
        try await availability(of: name, externalID: nil, mode: mode, accountID: accountID)
    }

    func update(
        _ id: Identifier, mode: Mode?, accountID: Identifier, change: PikzonalityChange, if precondition: Precondition = .none,
        at now: Timestamp
    ) async throws(Failure) -> Pikzonality {
        try await update(id, mode: mode, accountID: accountID, change: change, if: precondition, in: WriteContext(at: now))
    }

    func delete(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition = .none, at now: Timestamp
    ) async throws(Failure) -> Mode {
        try await delete(
            id, mode: mode, accountID: accountID, if: precondition, endingTraining: false, in: WriteContext(at: now))
    }
}

extension AccountStore {
    func insert(_ account: Account) async throws(Failure) { try await insert(account, in: WriteContext(at: account.createdAt)) }

    func setSuspended(_ isSuspended: Bool, accountNamed name: String) async throws(Failure) -> Account {
        try await setSuspended(isSuspended, accountNamed: name, in: WriteContext(at: .second(0)))
    }

    func setAPIAccess(_ hasAPIAccess: Bool, accountNamed name: String) async throws(Failure) -> Account {
        try await setAPIAccess(hasAPIAccess, accountNamed: name, in: WriteContext(at: .second(0)))
    }

    func change(_ quota: QuotaChange, accountNamed name: String) async throws(Failure) -> Account {
        try await change(quota, accountNamed: name, in: WriteContext(at: .second(0)))
    }

    func delete(accountNamed name: String, at now: Timestamp) async throws(Failure) {
        try await delete(accountNamed: name, in: WriteContext(at: now))
    }
}

extension APIKeyStore {
    func insert(_ key: APIKey, secret: APIKeySecret) async throws(Failure) {
        try await insert(key, secret: secret, in: WriteContext(at: key.createdAt))
    }

    /// All of them, whatever became of them.
    func keys(accountName: String?, after id: Identifier?, limit: Int) async throws(Failure) -> [ListedKey] {
        try await keys(accountName: accountName, includingDeleted: true, after: id, limit: limit)
    }

    func rotate(_ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, at now: Timestamp) async throws(Failure) -> ListedKey {
        try await rotate(id, to: secret, overlap: overlap, in: WriteContext(at: now))
    }

    func setState(_ state: APIKey.State, of id: Identifier) async throws(Failure) -> ListedKey {
        try await setState(state, of: id, in: WriteContext(at: .second(0)))
    }
}

extension ReservedNameStore {
    func reserve(_ names: [Name], at now: Timestamp) async throws(Failure) {
        _ = try await reserve(names, in: WriteContext(at: now))
    }

    func release(_ names: [Name]) async throws(Failure) -> [Name] {
        try await release(names, in: WriteContext(at: .second(0)))
    }
}

extension BlockedTermStore {
    func block(_ terms: [String]) async throws(Failure) {
        _ = try await block(terms.map(BlockedTerm.init(stored:)), in: WriteContext(at: .second(0)))
    }

    func release(_ terms: [String]) async throws(Failure) -> [String] {
        try await release(terms.map(BlockedTerm.init(stored:)), in: WriteContext(at: .second(0))).map(\.text)
    }

    var texts: [String] { blockedTerms.all.map(\.text) }
}

extension MaintenanceStore {
    func set(_ maintenance: Maintenance) async throws(Failure) { try await set(maintenance, in: WriteContext(at: .second(0))) }
}

extension TrainingJobStore {
    func lease(limit: Int, policy: LeasePolicy, at now: Timestamp) async throws(Failure) -> [LeasedJob] {
        try await lease(limit: limit, policy: policy, in: WriteContext(at: now))
    }

    func heartbeat(
        _ id: Identifier, token: RandomToken, progress: Int?, policy: LeasePolicy, at now: Timestamp
    ) async throws(Failure) -> LeaseState {
        try await heartbeat(id, token: token, progress: progress, policy: policy, in: WriteContext(at: now))
    }

    func complete(_ id: Identifier, token: RandomToken, portrait: StoredImage?, at now: Timestamp) async throws(Failure) {
        try await complete(id, token: token, portrait: portrait, in: WriteContext(at: now))
    }

    func fail(
        _ id: Identifier, token: RandomToken, error: TrainingError, retryable: Bool, policy: LeasePolicy, at now: Timestamp
    ) async throws(Failure) {
        try await fail(id, token: token, error: error, retryable: retryable, policy: policy, in: WriteContext(at: now))
    }

    func handBack(_ id: Identifier, token: RandomToken, at now: Timestamp) async throws(Failure) {
        try await handBack(id, token: token, in: WriteContext(at: now))
    }

    func expire(policy: LeasePolicy, at now: Timestamp) async throws(Failure) -> Int {
        try await expire(policy: policy, in: WriteContext(at: now))
    }

    func takeOver(policy: LeasePolicy, at now: Timestamp) async throws(Failure) -> Int {
        try await takeOver(policy: policy, in: WriteContext(at: now))
    }
}

extension BodyDecoding {
    /// Work on bodies where a test does not look at which thread does it.
    static var ofTests: BodyDecoding { BodyDecoding(places: 1, threads: globalConcurrentExecutor) { _ in } }
}

extension ImageLibrary {
    /// Opens the image behind a token.
    func open(_ token: RandomToken) async throws(Failure) -> OpenImage { try await open(try await image(token)) }
}

extension PikzonalitySort {
    /// Whether an item comes before another in this order: what lists of a store are held against.
    func places(_ left: Pikzonality, before right: Pikzonality) -> Bool {
        switch self {
        case .oldestFirst: (left.createdAt, left.id) < (right.createdAt, right.id)
        case .newestFirst: (left.createdAt, left.id) > (right.createdAt, right.id)
        case .name: (left.name.key, left.id) < (right.name.key, right.id)
        case .nameDescending: (left.name.key, left.id) > (right.name.key, right.id)
        }
    }
}

extension ArchiveStore {
    /// As where trainings cost nothing.
    func create(
        _ lines: [ImportedLine], of record: Int64?, in context: WriteContext<Void>
    ) async throws(Failure) -> [ImportOutcome] {
        try await create(lines, of: record, costing: nil, in: context)
    }
}
