import Foundation
package import Personas
import Synchronization

/// What became of a move.
package struct MoveReport: Codable, Sendable, Equatable {
    /// Where the data were.
    package let dataFolder: String
    /// Where they are; without a password.
    package let database: String
    /// Where the images are.
    package let media: String
    /// How many accounts there are.
    package var accounts = 0
    /// Items of all of them.
    package var items = 0
    /// Images of all items.
    package var images = 0
    /// What these have together.
    package var imageBytes = 0
    /// Images that were stored by this call; an earlier one that was cut short may have stored the others.
    package var imagesStored = 0
    /// Rows of all tables.
    package var rows = 0
    /// Whether an earlier call had moved everything, and this one has but marked the folder.
    package var wasMovedBefore = false

    enum CodingKeys: String, CodingKey {
        case database, media, accounts, items, images, rows
        case dataFolder = "data_folder"
        case imageBytes = "image_bytes"
        case imagesStored = "images_stored"
        case wasMovedBefore = "was_moved_before"
    }
}

/// Moves everything that a data folder holds into an empty database and a bucket.
///
/// Images go first, because to repeat that does no harm: what the bucket has is not stored again. All rows follow in one transaction, are read back and
/// compared, and COMMIT decides. Around it the folder's `move.json` says that its fate is being decided, and nothing uses it until somebody has asked the
/// database; see `FolderMove`.
package struct DataFolderMove: Sendable {
    private let folder: DataFolder
    private let settings: PostgresSettings
    private let media: String
    private let secretsKeyFile: String
    private let blobs: any BlobStore
    private let clock: WallClock
    var faults = MoveFaults()

    /// - Parameters:
    ///   - directory: the data folder.
    ///   - database: the text that names the database; see `PostgresSettings`.
    ///   - media: what the bucket is called in messages.
    ///   - blobs: the bucket.
    ///   - secretsKeyFile: the file of the key that servers of the database open secrets with.
    /// - Throws: `configuration` where the text that names the database cannot be read, or libpq is not there.
    package init(
        of directory: String, toDatabase database: String, media: String, _ blobs: any BlobStore, secretsKeyFile: String,
        clock: WallClock = .system
    ) throws(Failure) {
        folder = DataFolder(PosixFile.realPath(directory))
        settings = try PostgresSettings(database)
        self.media = media
        self.blobs = blobs
        self.secretsKeyFile = secretsKeyFile
        self.clock = clock
    }

    /// Moves, or goes on with a move that was cut short.
    /// - Parameters:
    ///   - lock: the right to write to the folder.
    ///   - mayMigrate: whether migrations that are pending may be applied, in the folder and in the database.
    ///   - author: who has asked for it, whom the audit names.
    /// - Throws: `configuration` where folder or database are not fit for it, `schemaMismatch`, `storeBusy`, `cancelled`, `unexpected`. The folder is then
    ///   what it was, unless nobody knows whether the rows were committed.
    package func move(
        under lock: DataFolderLock, mayMigrate: Bool, for author: Operator, progress: @escaping ProgressHandler
    ) async throws(Failure) -> MoveReport {
        defer { withExtendedLifetime(lock) {} }
        let found = try FolderMove.find(in: folder)
        if found?.stage == .moved { try folder.requireNotMoved() }
        try await prepareDatabase(mayMigrate: mayMigrate, for: author)
        if let found, found.stage == .deciding, let report = try await decide(found) { return report }
        var move =
            found.flatMap { $0.leads(toDatabase: settings.description, media: media) ? $0 : nil }
            ?? FolderMove(id: .random(), database: settings.description, media: media, at: clock.now)
        let storage = try Storage.open(Storage.Configuration(directory: folder.path, readers: 1))
        do throws(Failure) {
            let report = try await self.move(storage, &move, mayMigrate: mayMigrate, for: author, progress)
            storage.close()
            return report
        } catch {
            storage.close()
            throw error
        }
    }

    /// Asks the database what became of a move that ended while that was decided.
    /// - Returns: nil where nothing was committed, so that the folder is what it was.
    private func decide(_ found: FolderMove) async throws(Failure) -> MoveReport? {
        guard found.leads(toDatabase: settings.description, media: media) else {
            throw .configuration(
                setting: "database",
                reason: "the folder \(folder.path) may have been moved to \(found.database) and \(found.media): give these again")
        }
        var found = found
        let (settings, asked) = (settings, found)
        let isDone = try await onThread { _ in try MoveTarget(settings, asked).isDone() }
        guard isDone else {
            try found.reach(.copying, in: folder, at: clock.now)
            return nil
        }
        var report = report(of: found)
        let source = try MoveSource(folder: folder)
        defer { source.close() }
        try source.count(&report)
        try found.reach(.moved, in: folder, at: clock.now)
        report.wasMovedBefore = true
        return report
    }

    private func move(
        _ storage: Storage, _ move: inout FolderMove, mayMigrate: Bool, for author: Operator, _ progress: @escaping ProgressHandler
    ) async throws(Failure) -> MoveReport {
        try await Self.migrate(storage, isAllowed: mayMigrate)
        let source = try MoveSource(folder: folder)
        defer { source.close() }
        let (settings, planned) = (settings, move)
        try await onThread { _ in
            let target = try MoveTarget(settings, planned)
            try target.requireEmpty()
            try source.requireMovable(to: target.connection)
        }
        try source.requireKey(in: secretsKeyFile)
        try move.reach(.copying, in: folder, at: clock.now)

        var report = report(of: move)
        try source.count(&report)
        let objects = MovedObjects(of: move.id)
        let images = MovedImages(reader: source.reader, source: storage.blobs, target: blobs, objects: objects, faults: faults)
        report.imagesStored = try await images.store(total: report.images, progress: progress)
        try await moveRows(source, &move, objects, total: report.rows, for: author, progress, &report)
        return report
    }

    private func moveRows(
        _ source: MoveSource, _ move: inout FolderMove, _ objects: MovedObjects, total: Int, for author: Operator,
        _ progress: @escaping ProgressHandler, _ report: inout MoveReport
    ) async throws(Failure) {
        let (settings, folder, clock, faults, before) = (settings, folder, clock, faults, move)
        let outcome = try await onThread { isCancelled in
            var deciding = before
            let step = MoveRowsStep(
                source: source.reader, target: try MoveTarget(settings, before), objects: objects, faults: faults, directory: folder.path,
                author: author, clock: clock, isCancelled: isCancelled, progress: progress)
            do {
                return try step.run(total: total) {
                    try deciding.reach(.deciding, in: folder, at: clock.now)
                    try faults.meet(.deciding)
                }
            } catch {
                // Nothing was committed, so that the folder is what it was.
                if deciding.stage == .deciding, error as? Failure != MoveFaults.end {
                    try deciding.reach(.copying, in: folder, at: clock.now)
                }
                throw error
            }
        }
        if case .unknown(let reason) = outcome {
            throw .unexpected("Whether everything was moved is not known (\(reason)): run personas copy again, which asks the database")
        }
        try faults.meet(.committed)
        try move.reach(.moved, in: folder, at: clock.now)
        report.wasMovedBefore = outcome == .wasCommitted
    }

    private func report(of move: FolderMove) -> MoveReport {
        MoveReport(dataFolder: folder.path, database: move.database, media: move.media)
    }

    /// Brings the database to the schema of this version.
    private func prepareDatabase(mayMigrate: Bool, for author: Operator) async throws(Failure) {
        let reader = PostgresReader(settings: settings, threads: 1, scansWaitingMax: 1)
        defer { reader.close() }
        let migrator = PostgresMigrator(settings: settings, reader: reader, clock: clock)
        let pending = try await migrator.migrations().filter { $0.state == .pending }.map(\.name)
        guard pending.isEmpty || mayMigrate else { throw .schemaMismatch(.pending(migrations: pending)) }
        _ = try await migrator.migrate(for: author)
    }

    /// The same with the folder.
    private static func migrate(_ storage: Storage, isAllowed: Bool) async throws(Failure) {
        let pending = try await storage.schema.migrations().filter { $0.state == .pending }.map(\.name)
        guard pending.isEmpty || isAllowed else { throw .schemaMismatch(.pending(migrations: pending)) }
        _ = try await storage.migrate(for: nil)
    }

    /// Runs something on a thread of its own, which may look whether anybody still waits for it.
    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Value
    ) async throws(Failure) -> Value {
        let cancelled = CancelledFlag()
        let result: Result<Value, Failure> = await withTaskCancellationHandler {
            do throws(Failure) {
                return .success(try await OwnThread.run("personas-copy") { try body { cancelled.isSet.load(ordering: .relaxed) } })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            cancelled.isSet.store(true, ordering: .relaxed)
        }
        return try result.get()
    }
}

/// Whether a task was cancelled whose work is done by a thread.
private final class CancelledFlag: Sendable {
    let isSet = Atomic(false)
}
