import Crypto
import Foundation
import GRDB
import NIOPosix
import Personas
import Synchronization

/// Backups of an open data folder, beside everything else that goes on in it.
struct DataFolderBackup: BackupStore {
    /// Pages of the database copied between two looks at whether the backup was cancelled.
    private static let pagesAtOnce: CInt = 1_024

    let dataFolder: String
    let media: MediaFolder
    let turn: MaintenanceTurn

    func backup(to directory: String, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        do {
            return try await turn.take {
                let target = try BackupTarget(directory, outside: dataFolder)
                do {
                    return try await write(to: BackupFolder(path: target.path), progress)
                } catch {
                    target.clear()
                    throw error
                }
            }
        } catch {
            throw Self.failure(error, writingTo: directory)
        }
    }

    /// What an error during a backup means. The data folder's database is only read, so that it is the copy for which a disk is full.
    static func failure(_ error: any Error, writingTo directory: String) -> Failure {
        switch error {
        case is CancellationError: .cancelled
        case let error as DatabaseError where error.resultCode == .SQLITE_FULL: .outOfDisk(path: directory)
        default: Failure(storage: error)
        }
    }

    private func write(to folder: BackupFolder, _ progress: @escaping ProgressHandler) async throws -> BackupReport {
        let createdAt: Timestamp
        // What the copy of the database names must be there until it has its second name.
        await media.holds.pauseRemovals()
        do {
            defer { media.holds.resumeRemovals() }
            createdAt = try await copyDatabase(to: folder, progress)
            try await placeImages(in: folder, progress)
        }
        let database = try folder.openDatabase()
        defer { try? database.close() }
        progress(WorkProgress(step: "Verifying the database", done: 0, total: 1))
        let (file, facts) = try await media.pool.runIfActive {
            let facts = try database.read { db in
                if let damage = try BackupFolder.damage(of: db) {
                    throw Failure.damaged(.dataFolder, Finding(.databaseDamaged, "personas.sqlite", damage))
                }
                return try BackupFolder.facts(of: db)
            }
            return (try BackupManifest.File(path: folder.databasePath), facts)
        }
        let found = try await writeSums(of: file, database, in: folder, progress)
        let manifest = try BackupManifest(
            createdAt: createdAt, migrations: facts.migrations, database: file, sums: try BackupManifest.File(path: folder.sumsPath),
            media: found, rows: facts.rows)
        try Task.checkCancellation()
        try PosixFile.syncFolder(folder.path)
        try PosixFile.write([UInt8](try manifest.document()), to: folder.manifestPath + ".new")
        try PosixFile.rename(folder.manifestPath + ".new", to: folder.manifestPath)
        try PosixFile.syncFolder(folder.path)
        return BackupReport(
            directory: folder.path, createdAt: manifest.createdAt, items: facts.rows["pikzonality"] ?? 0, images: found.files,
            imageBytes: found.byteCount, databaseBytes: file.byteCount)
    }

    /// Copies the database as it is at one moment. Returns the moment.
    ///
    /// The source is a read connection whose transaction spans all steps: so they copy one snapshot, no write makes them start over, and the
    /// writer never waits. The copy leaves the mode of the log, so that it is one file that can be read where nothing can be written.
    private func copyDatabase(to folder: BackupFolder, _ progress: @escaping ProgressHandler) async throws -> Timestamp {
        let isCancelled = Flag()
        let source = dataFolder + "/personas.sqlite"
        return try await withTaskCancellationHandler {
            try await media.pool.runIfActive {
                try PosixFile.write([], to: folder.databasePath)
                var configuration = Configuration()
                configuration.readonly = true
                configuration.busyMode = .timeout(5)
                let original = try DatabaseQueue(path: source, configuration: configuration)
                defer { try? original.close() }
                let copy = try DatabaseQueue(path: folder.databasePath)
                let moment = try copy.writeWithoutTransaction { copy in
                    let moment = try original.read { original in
                        // A transaction sees the moment of its first read.
                        _ = try Int.fetchOne(original, sql: "SELECT count(*) FROM sqlite_master")
                        let moment = Timestamp.now
                        try original.backup(to: copy, pagesPerStep: Self.pagesAtOnce) { state in
                            if isCancelled.isSet { throw CancellationError() }
                            progress(
                                WorkProgress(step: "Copying the database", done: state.completedPageCount, total: state.totalPageCount))
                        }
                        return moment
                    }
                    try copy.execute(sql: "PRAGMA journal_mode = DELETE")
                    return moment
                }
                try copy.close()
                try PosixFile.syncFile(folder.databasePath)
                return moment
            }
        } onCancel: {
            isCancelled.set()
        }
    }

    private func placeImages(in folder: BackupFolder, _ progress: ProgressHandler) async throws {
        let (source, target) = (dataFolder, folder.path)
        try BackupFolder.makeMediaFolders(in: target)
        let database = try folder.openDatabase()
        defer { try? database.close() }
        try await ImageWalk(database: database, pool: media.pool).run("Copying images", progress) { image in
            do {
                try PosixFile.linkOrCopy("\(source)/\(image.path)", to: "\(target)/\(image.path)")
            } catch let error as PosixFile.CallFailed where error.code == ENOENT {
                throw Failure.damaged(.dataFolder, Finding(.fileMissing, image.path, "The file is missing"))
            }
        }
        try await media.pool.runIfActive { try BackupFolder.syncMediaFolders(in: target) }
    }

    /// Reads all images back, and writes the list of hashes as it goes.
    private func writeSums(
        of file: BackupManifest.File, _ database: DatabaseQueue, in folder: BackupFolder, _ progress: ProgressHandler
    ) async throws -> BackupManifest.Media {
        try PosixFile.write(BackupFolder.databaseLine(file), to: folder.sumsPath)
        let descriptor = open(folder.sumsPath, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw PosixFile.CallFailed("open", folder.sumsPath) }
        defer { close(descriptor) }
        let found = try await folder.verifyImages(in: database, of: .dataFolder, pool: media.pool, progress: progress) {
            try PosixFile.append($0, to: descriptor, folder.sumsPath)
        }
        guard fsync(descriptor) == 0 else { throw PosixFile.CallFailed("fsync", folder.sumsPath) }
        return found
    }
}

/// The folder of a backup that is being written.
private struct BackupTarget {
    let path: String
    private let isNew: Bool

    /// Makes the folder, unless it is there and empty.
    init(_ path: String, outside dataFolder: String) throws {
        isNew = !PosixFile.exists(path)
        if isNew { try PosixFile.makeFolders(path) }
        self.path = path
        do {
            guard let entries = try? PosixFile.names(in: path) else { throw Failure.folderUnusable(path: path, .unreadable) }
            guard entries.isEmpty else { throw Failure.folderUnusable(path: path, .notEmpty) }
            let (inner, outer) = (Self.real(path), Self.real(dataFolder))
            guard inner != outer, !inner.hasPrefix(outer + "/") else {
                throw Failure.folderUnusable(path: path, .insideDataFolder)
            }
        } catch {
            if isNew { rmdir(path) }
            throw error
        }
    }

    /// Takes away what was written.
    func clear() {
        // The manifest first: what is left, should this break off, must not look whole.
        for name in ["manifest.json", "manifest.json.new"] { try? PosixFile.remove("\(path)/\(name)") }
        for name in (try? PosixFile.names(in: path)) ?? [] { try? PosixFile.removeTree("\(path)/\(name)") }
        if isNew { rmdir(path) }
    }

    private static func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
}

/// Lets backups and checks have the data folder one at a time.
final class MaintenanceTurn: Sendable {
    private let isTaken = Mutex(false)

    /// Does something when it is its turn.
    func take<Value>(_ body: () async throws -> Value) async throws -> Value {
        while !isTaken.withLock({ isTaken in
            defer { isTaken = true }
            return !isTaken
        }) {
            try await Task.sleep(for: .milliseconds(50))
        }
        defer { isTaken.withLock { $0 = false } }
        return try await body()
    }
}

/// Tells a thread that its work is not wanted any more.
private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
