import Foundation
import GRDB
import Personas
import TestImages
import TestSupport
import Testing

@testable import PersonasDB

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
    func count(_ table: String, where condition: String = "1 = 1") throws -> Int { try counts([(table, condition)])[0] }

    /// The same of several at once, since each question to PostgreSQL starts a program.
    func counts(_ questions: [(table: String, condition: String)]) throws -> [Int] {
        let columns = questions.map { "(SELECT count(*) FROM \($0.table) WHERE \($0.condition))" }.joined(separator: ", ")
        let sql = "SELECT \(columns)"
        if let database { return try database.run(sql).split(separator: "|").map { try #require(Int($0)) } }
        return try index.readers.lend { connection in
            try #require(try connection.first(sql, [], row: { row in questions.indices.map { Int(row.integer(Int32($0))) } }))
        }
    }

    /// How many rows each table has that a write of an item touches.
    func counts() throws -> [String: Int] {
        let tables = ["pikzonality", "image_link", "media", "media_removal", "training_job"]
        // Where several processes store images, their rows come before those that name them.
        let counts = try counts(tables.map { ($0, house == .postgres && $0 == "media" ? "is_stored = 1" : "1 = 1") })
        return Dictionary(zip(tables, counts)) { first, _ in first }
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
