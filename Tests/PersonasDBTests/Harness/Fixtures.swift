import CoreMetrics
import Foundation
import GRDB
import Personas
import Synchronization
import TestImages
import TestSupport
import Testing

@testable import PersonasDB

/// Runs a body with an open storage in a folder, and closes it afterwards.
/// - Parameters:
///   - directory: a folder of `withDataFolder`, on the same house.
///   - asksForTopUps: whether charges ask for top-ups.
func withStorage<Value>(
    on house: House = .sqlite, in directory: String, migrated: Bool = true, readers: Int = 2,
    metrics: any MetricsFactory = NOOPMetricsHandler.instance, asksForTopUps: Bool = false, _ body: (OpenStorage) async throws -> Value
) async throws -> Value {
    switch house {
    case .sqlite:
        var configuration = Storage.Configuration(directory: directory, readers: readers, mediaThreads: 4, metrics: metrics)
        configuration.asksForTopUps = asksForTopUps
        let storage = try Storage.open(configuration)
        defer { storage.close() }
        if migrated { _ = try await storage.migrate() }
        return try await body(try OpenStorage(storage, directory: directory))
    case .postgres:
        let database = try PostgresDatabase(of: directory)
        defer { database.reader.close() }
        let objects = ObjectFolder(directory + "/objects")
        let storage = try await database.open(in: directory, blobs: objects) {
            $0.asksForTopUps = asksForTopUps
            $0.metrics = metrics
        }
        defer { storage.close() }
        return try await body(OpenStorage(storage, directory: directory, objects: objects, database: database))
    }
}

/// Runs a body with an open storage in a folder of its own.
func withStorage<Value>(
    on house: House = .sqlite, migrated: Bool = true, readers: Int = 2, asksForTopUps: Bool = false,
    _ body: (OpenStorage) async throws -> Value
) async throws -> Value {
    try await withDataFolder(on: house) { directory in
        try await withStorage(on: house, in: directory, migrated: migrated, readers: readers, asksForTopUps: asksForTopUps, body)
    }
}

/// A storage under test, and what tests ask of it beyond its ports.
struct OpenStorage: Sendable {
    /// What there is beside the ports of each engine.
    private enum Beside: Sendable {
        case sqlite(index: SQLiteImageIndex, files: FileBlobStore, backups: any BackupStore)
        case postgres(PostgresDatabase, ObjectFolder)
    }

    let storage: any Stores
    let directory: String
    /// The use cases of images.
    let images: ImageLibrary
    /// What takes bytes away; it runs when a test says so.
    let collector: BlobCollector
    private let beside: Beside

    init(_ storage: Storage, directory: String) throws {
        self.init(
            storage, directory: directory,
            beside: .sqlite(
                index: try #require(storage.images as? SQLiteImageIndex), files: try #require(storage.blobs as? FileBlobStore),
                backups: try #require(storage.backups)))
    }

    init(_ storage: PostgresStorage, directory: String, objects: ObjectFolder, database: PostgresDatabase) {
        self.init(storage, directory: directory, beside: .postgres(database, objects))
    }

    private init(_ storage: any Stores, directory: String, beside: Beside) {
        self.storage = storage
        self.directory = directory
        self.beside = beside
        images = ImageLibrary(index: storage.images, blobs: storage.blobs, signals: WorkSignals())
        collector = BlobCollector(index: storage.images, blobs: storage.blobs, clock: .system)
    }

    /// Where its rows are.
    var house: House {
        switch beside {
        case .sqlite: .sqlite
        case .postgres: .postgres
        }
    }

    /// Its database, if that is PostgreSQL's.
    var database: PostgresDatabase? {
        guard case .postgres(let database, _) = beside else { return nil }
        return database
    }

    /// The rows of images in SQLite, by whose connections tests of SQLite look into the database.
    var index: SQLiteImageIndex {
        guard case .sqlite(let index, _, _) = beside else { preconditionFailure("A test asks PostgreSQL for what SQLite alone has") }
        return index
    }

    /// The files of images, beside SQLite.
    var files: FileBlobStore {
        guard case .sqlite(_, let files, _) = beside else { preconditionFailure("A test asks PostgreSQL for what SQLite alone has") }
        return files
    }

    /// Backups of SQLite's folder.
    var backups: any BackupStore {
        guard case .sqlite(_, _, let backups) = beside else { preconditionFailure("A test asks PostgreSQL for what SQLite alone has") }
        return backups
    }

    /// The file in which the bytes of an image are.
    func file(of image: StoredImage) -> String {
        switch beside {
        case .sqlite(_, let files, _): files.folder.file(of: image.key)
        case .postgres(_, let objects): objects.file(of: image.key)
        }
    }

    /// The paths of the files of all images, sorted.
    func imageFiles() throws -> [String] {
        switch beside {
        case .sqlite: try mediaFiles(self)
        case .postgres(_, let objects): objects.keys().map(objects.file)
        }
    }

    /// The images as a row may name them: where several processes store images, only after they were pinned.
    func pinned(_ images: [StoredImage]) throws -> [StoredImage] {
        guard let database else { return images }
        guard images.contains(where: { $0.key.object == nil }) else { return images }
        let rows = Dictionary(images.map { (hexadecimal($0.key.digest), $0) }) { first, _ in first }.sorted { $0.key < $1.key }
            .map { digest, image in
                "(gen_random_uuid(), '\\x\(digest)', '\(image.format.rawValue)', \(image.width), \(image.height), \(image.byteCount))"
            }
        let found = try database.run(
            """
            INSERT INTO media (object, digest, format, width, height, byte_count) VALUES \(rows.joined(separator: ", "))
            ON CONFLICT (digest) DO NOTHING;
            SELECT encode(digest, 'hex'), object FROM media
            """)
        var objects: [String: Identifier] = [:]
        for line in found.split(separator: "\n") {
            let columns = line.split(separator: "|")
            objects[String(columns[0])] = Identifier(String(columns[1]))
        }
        return try images.map { image in
            guard image.key.object == nil else { return image }
            let object = try #require(objects[hexadecimal(image.key.digest)])
            return StoredImage(
                key: BlobKey(digest: image.key.digest, object: object), format: image.format, width: image.width, height: image.height,
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
        let references = try pinnedImages(images)
        return try await items.insert(
            NewPikzonality(
                id: .random(), accountID: accountID, mode: mode,
                details: PikzonalityDetails(
                    name: Name(stored: name), specialInstructions: instructions, externalID: externalID, metadata: .fixture(metadata)),
                references: references, outcome: outcome), at: time)
    }

    /// The same, of those that most items of tests have.
    func pinnedImages(_ images: [StoredImage] = StoredImage.three) throws(Failure) -> [StoredImage] {
        do { return try pinned(images) } catch { throw .unexpected("\(error)") }
    }

    /// An image of which there is no file, as a row may name it.
    func image(_ number: UInt8) throws(Failure) -> StoredImage { try pinnedImages([.withoutFile(number)])[0] }

    /// Ends the time for which images are held that no row names yet, where holds end by their time.
    func endHolds() async throws {
        if house == .postgres { try await execute("UPDATE media SET held_until = 0") }
    }

    /// Connections on which tests run the queries of the stores.
    var reader: any SQLReader {
        switch beside {
        case .sqlite(let index, _, _): index.readers
        case .postgres(let database, _): database.reader
        }
    }

    /// How many rows of a table fulfil a condition.
    func count(_ table: String, where condition: String = "1 = 1") throws -> Int {
        let sql = "SELECT count(*) FROM \(table) WHERE \(condition)"
        if let database { return try #require(Int(try database.run(sql))) }
        return try index.readers.lend { connection in try connection.first(sql, [], row: { Int($0.integer(0)) }) ?? 0 }
    }

    /// How many rows each table has that a write of an item touches.
    func counts() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in ["pikzonality", "image_link", "media", "media_removal", "training_job"] { counts[table] = try count(table) }
        // Where several processes store images, their rows come before those that name them.
        if house == .postgres { counts["media"] = try count("media", where: "is_stored = 1") }
        return counts
    }

    /// Runs SQL beside the storage.
    func execute(_ sql: String) async throws {
        if let database {
            do { try database.run(sql) } catch { throw Failure.unexpected("\(error)") }
            return
        }
        try await index.writer.writeDirectly { db in try db.execute(sql: sql) }
    }

    /// An identifier as SQL writes it.
    func literal(_ id: Identifier) -> String {
        house == .postgres ? "'\(id.text)'" : "X'\(hexadecimal(id.bytes))'"
    }

    /// Any identifier that there is not, as SQL makes it.
    var anyIdentifier: String { house == .postgres ? "gen_random_uuid()" : "randomblob(16)" }

    /// Has the database refuse what is done to a table, until `allow`.
    /// - Parameter change: `INSERT`, `UPDATE` or `DELETE`.
    func refuse(_ change: String, on table: String) async throws {
        try await execute(
            database == nil
                ? "CREATE TRIGGER refused BEFORE \(change) ON \(table) BEGIN SELECT RAISE(ABORT, 'no'); END"
                : "CREATE TRIGGER refused BEFORE \(change) ON \(table) FOR EACH ROW EXECUTE FUNCTION refuse('no')")
    }

    /// Ends what `refuse` began.
    func allow(on table: String) async throws { try await execute("DROP TRIGGER refused\(database == nil ? "" : " ON \(table)")") }
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

    /// The same, whatever object holds its bytes.
    var anywhere: StoredImage {
        StoredImage(key: BlobKey(digest: digest), format: format, width: width, height: height, byteCount: byteCount)
    }
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
