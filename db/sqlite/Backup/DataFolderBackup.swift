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

    let folder: DataFolder
    let pins: ImagePins
    /// Threads that wait for the disk.
    let pool: NIOThreadPool
    let clock: WallClock
    let turn: AsyncMutex
    /// What is remembered of the newest.
    let last: LastBackup
    /// Whether the key for secrets lies in the data folder, and so goes with it.
    let includesSecretsKey: Bool
    /// The version that manifests name.
    let version: String?

    func lastBackup() async throws(Failure) -> BackupRecord? { last.record }

    func backup(to directory: String, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        do {
            return try await turn.withLock {
                let report = try await backUp(to: directory, progress)
                last.note(createdAt: report.createdAt, directory: report.directory)
                return report
            }
        } catch {
            throw Self.failure(error, writingTo: directory)
        }
    }

    func backup(into directory: String, keeping count: Int, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        do {
            return try await turn.withLock {
                let backups = try DatedBackups(in: directory, outside: folder)
                let lock = try BackupsLock(in: directory)
                defer { withExtendedLifetime(lock) {} }
                var retention = RetentionReport(keep: count)
                try await removePartial(in: backups, &retention, progress)
                let name = try backups.freeName(for: clock.now)
                let written = try await backUp(to: backups.partial(name), progress)
                try PosixFile.rename(written.directory, to: backups.folder(name).path)
                try PosixFile.syncFolder(directory)
                var report = written.moved(to: backups.folder(name).path)
                last.note(createdAt: report.createdAt, directory: report.directory)
                try await removeSurplus(in: backups, beside: name, &retention, progress)
                report.retention = retention
                return report
            }
        } catch {
            throw Self.failure(error, writingTo: directory)
        }
    }

    /// Takes away what earlier calls left that were cut short. Nobody works on it: whoever does holds the folder's lock.
    private func removePartial(in backups: DatedBackups, _ retention: inout RetentionReport, _ progress: ProgressHandler) async throws {
        let partial = try backups.listing(of: source).partial
        for (done, name) in partial.enumerated() {
            progress(WorkProgress(step: "Removing what was left unfinished", done: done, total: partial.count))
            try await remove(name, &retention) { try backups.folder(name).remove() }
        }
    }

    /// Takes away the oldest backups, now that the new one is whole and on disk.
    private func removeSurplus(
        in backups: DatedBackups, beside name: String, _ retention: inout RetentionReport, _ progress: ProgressHandler
    ) async throws {
        let listing = try backups.listing(of: source)
        let new = DatedBackups.Entry(name: name, second: DatedBackups.second(of: name) ?? .max)
        let surplus = DatedBackups.surplus(of: listing.whole, beside: new, keeping: retention.keep)
        for (done, entry) in surplus.enumerated() {
            progress(WorkProgress(step: "Removing old backups", done: done, total: surplus.count))
            try await remove(entry.name, &retention) { try backups.remove(entry) }
        }
        retention.kept = listing.whole.map(\.name).filter { $0 != name && !surplus.map(\.name).contains($0) } + [name]
        for entry in listing.left { retention.leave(entry) }
    }

    /// Removes one thing, and notes down what came of it.
    private func remove(_ name: String, _ retention: inout RetentionReport, _ body: @escaping @Sendable () throws -> Void) async throws {
        try Task.checkCancellation()
        do {
            try await pool.runIfActive(body)
            retention.removed.append(name)
        } catch let error as PosixFile.CallFailed {
            retention.leave(RetentionReport.Left(name: name, reason: .notRemoved, detail: error.description))
        }
    }

    /// The data folder by the name that manifests give it.
    private var source: String { PosixFile.realPath(folder.path) }

    private func backUp(to directory: String, _ progress: @escaping ProgressHandler) async throws -> BackupReport {
        let target = try BackupTarget(directory, outside: folder)
        do {
            return try await write(to: target.backup, progress)
        } catch {
            target.clear()
            throw error
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

    private func write(to backup: BackupFolder, _ progress: @escaping ProgressHandler) async throws -> BackupReport {
        let createdAt: Timestamp
        // What the copy of the database names must be there until it has its second name.
        await pins.pauseDeleting()
        do {
            defer { pins.resumeDeleting(at: clock.now) }
            createdAt = try await copyDatabase(to: backup, progress)
            try await placeImages(in: backup, progress)
        }
        // After the database: whatever that holds was sealed by now, and no key goes meanwhile.
        let secretsKey = try copySecretsKey(to: backup)
        let database = try backup.openDatabase()
        defer { try? database.close() }
        progress(WorkProgress(step: "Verifying the database", done: 0, total: 1))
        let (file, facts) = try await pool.runIfActive {
            let facts = try database.read { db in
                if let damage = try BackupFolder.damage(of: db) {
                    throw Failure.damaged(.dataFolder, Finding(.databaseDamaged, DataFolder.databaseName, damage))
                }
                return try BackupFolder.facts(of: db)
            }
            return (try BackupManifest.File(path: backup.data.database), facts)
        }
        let found = try await writeSums(of: file, secretsKey, database, in: backup, progress)
        let manifest = try BackupManifest(
            createdAt: createdAt, version: version, dataFolder: source, migrations: facts.migrations, database: file,
            secretsKey: secretsKey, sums: try BackupManifest.File(path: backup.sumsPath),
            media: found, rows: facts.rows)
        try Task.checkCancellation()
        try PosixFile.syncFolder(backup.path)
        try PosixFile.write([UInt8](try manifest.document()), to: backup.newManifestPath)
        try PosixFile.rename(backup.newManifestPath, to: backup.manifestPath)
        try PosixFile.syncFolder(backup.path)
        return BackupReport(
            directory: backup.path, createdAt: manifest.createdAt, items: facts.rows["pikzonality"] ?? 0, images: found.files,
            imageBytes: found.byteCount, databaseBytes: file.byteCount)
    }

    /// Copies the database as it is at one moment. Returns the moment.
    ///
    /// The source is a read connection whose transaction spans all steps: so they copy one snapshot, no write makes them start over, and the
    /// writer never waits. The copy leaves the mode of the log, so that it is one file that can be read where nothing can be written.
    private func copyDatabase(to backup: BackupFolder, _ progress: @escaping ProgressHandler) async throws -> Timestamp {
        let isCancelled = Flag()
        let (source, target) = (folder.database, backup.data.database)
        return try await withTaskCancellationHandler {
            try await pool.runIfActive { [clock] in
                try PosixFile.write([], to: target)
                var configuration = Configuration()
                configuration.readonly = true
                configuration.busyMode = .timeout(5)
                let original = try DatabaseQueue(path: source, configuration: configuration)
                defer { try? original.close() }
                let copy = try DatabaseQueue(path: target)
                let moment = try copy.writeWithoutTransaction { copy in
                    let moment = try original.read { original in
                        // A transaction sees the moment of its first read.
                        _ = try Int.fetchOne(original, sql: "SELECT count(*) FROM sqlite_master")
                        let moment = clock.now
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
                try PosixFile.syncFile(target)
                return moment
            }
        } onCancel: {
            isCancelled.set()
        }
    }

    /// Copies the key for secrets, if it belongs to the folder and there is one.
    private func copySecretsKey(to backup: BackupFolder) throws -> BackupManifest.File? {
        guard includesSecretsKey, PosixFile.exists(folder.secretsKey) else { return nil }
        try PosixFile.copy(folder.secretsKey, to: backup.data.secretsKey)
        return try BackupManifest.File(path: backup.data.secretsKey)
    }

    private func placeImages(in backup: BackupFolder, _ progress: ProgressHandler) async throws {
        let (source, target) = (folder.media, backup.data.media)
        try target.make()
        let database = try backup.openDatabase()
        defer { try? database.close() }
        try await ImageWalk(database: database, pool: pool).run("Copying images", progress) { image in
            do {
                try PosixFile.linkOrCopy(source.file(of: image.key), to: target.file(of: image.key))
            } catch let error as PosixFile.CallFailed where error.code == ENOENT {
                throw Failure.damaged(.dataFolder, Finding(.fileMissing, image.name, "The file is missing"))
            }
        }
        try await pool.runIfActive { try target.sync() }
    }

    /// Reads all images back, and writes the list of hashes as it goes.
    private func writeSums(
        of file: BackupManifest.File, _ secretsKey: BackupManifest.File?, _ database: DatabaseQueue, in backup: BackupFolder,
        _ progress: ProgressHandler
    ) async throws -> BackupManifest.Media {
        try PosixFile.write(BackupFolder.databaseLine(file) + (secretsKey.map(BackupFolder.keyLine) ?? []), to: backup.sumsPath)
        let descriptor = open(backup.sumsPath, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw PosixFile.CallFailed("open", backup.sumsPath) }
        defer { close(descriptor) }
        let found = try await backup.verifyImages(in: database, of: .dataFolder, pool: pool, progress: progress) {
            try PosixFile.append($0, to: descriptor, backup.sumsPath)
        }
        guard fsync(descriptor) == 0 else { throw PosixFile.CallFailed("fsync", backup.sumsPath) }
        return found
    }
}

/// The folder of a backup that is being written.
private struct BackupTarget {
    let backup: BackupFolder
    private let isNew: Bool
    private var path: String { backup.path }

    /// Makes the folder, unless it is there and empty.
    init(_ path: String, outside dataFolder: DataFolder) throws {
        isNew = !PosixFile.exists(path)
        if isNew { try PosixFile.makeFolders(path) }
        backup = BackupFolder(path: path)
        do {
            guard let entries = try? PosixFile.names(in: path) else { throw Failure.folderUnusable(path: path, .unreadable) }
            guard entries.isEmpty else { throw Failure.folderUnusable(path: path, .notEmpty) }
            try dataFolder.requireOutside(path)
        } catch {
            if isNew { rmdir(path) }
            throw error
        }
    }

    /// Takes away what was written.
    func clear() {
        // The manifest first: what is left, should this break off, must not look whole.
        for name in BackupFolder.manifestNames { try? PosixFile.remove("\(path)/\(name)") }
        for name in (try? PosixFile.names(in: path)) ?? [] { try? PosixFile.removeTree("\(path)/\(name)") }
        if isNew { rmdir(path) }
    }
}

extension BackupReport {
    /// The same of a backup that was given another name.
    fileprivate func moved(to directory: String) -> BackupReport {
        BackupReport(
            directory: directory, createdAt: createdAt, items: items, images: images, imageBytes: imageBytes, databaseBytes: databaseBytes)
    }
}

/// Tells a thread that its work is not wanted any more.
private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
