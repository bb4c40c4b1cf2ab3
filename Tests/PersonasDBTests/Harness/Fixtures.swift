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
