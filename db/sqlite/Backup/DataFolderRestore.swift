import Crypto
import Foundation
import GRDB
import NIOPosix
package import Personas

/// Puts a backup in the place of a data folder's content, all of it or nothing.
package struct DataFolderRestore: Sendable {
    /// Threads that read and write image files.
    private static let threads = 4

    private let backup: BackupFolder
    private let manifest: BackupManifest

    /// Looks at a backup's manifest; nothing else is verified yet.
    /// - Throws: `folderUnusable` when there is no backup, `damaged`, `unknownBackup`.
    package init(from path: String) throws(Failure) {
        backup = BackupFolder(path: path)
        guard PosixFile.exists(path) else { throw .folderUnusable(path: path, .missing) }
        guard let bytes = FileManager.default.contents(atPath: backup.manifestPath) else {
            // Which of several is meant is the operator's to say: the newest may be the one that holds the mistake.
            if let newest = DatedBackups(path: path).newest { throw .folderUnusable(path: newest, .holdsBackups) }
            throw .folderUnusable(path: path, .noBackup)
        }
        do {
            manifest = try BackupManifest(parsing: bytes)
        } catch {
            throw Failure(storage: error)
        }
        for migration in manifest.migrations {
            guard let known = Migration.all.first(where: { $0.name == migration.name }), known.hash == migration.hash else {
                throw .unknownBackup("migration \(migration.name)")
            }
        }
    }

    /// Verifies the whole backup, then restores it.
    ///
    /// Nothing of the target changes before the backup is verified and copied. Whatever happens then, the target holds its old state or the new
    /// one, or finishes the change when it is next opened.
    /// - Parameters:
    ///   - lock: the right to write to the target.
    ///   - isForced: whether a target that holds something may lose it.
    ///   - author: who has asked for it. The audit of the restored database goes on, or begins, with that.
    /// - Throws: `folderUnusable` when the target holds something, `damaged`, `outOfDisk`, `file`, `cancelled`, `restoreUnfinished`.
    package func restore(
        into directory: String, under lock: DataFolderLock, isForced: Bool, for author: Operator, progress: @escaping ProgressHandler
    ) async throws(Failure) -> BackupReport {
        let pool = Self.pool()
        defer {
            pool.shutdownGracefully { _ in }
            withExtendedLifetime(lock) {}
        }
        let folder = DataFolder(directory)
        // A backup may lie where root alone can read it.
        FolderOwner.rest()
        do {
            // What it holds may be what was moved, and would be in two places again.
            try folder.requireNotMoved()
            try PendingRestore.finish(in: folder)
            let found = try PosixFile.names(in: directory).filter { !DataFolder.namesOfNoWorth.contains($0) }
            guard found.isEmpty || isForced else {
                throw Failure.folderUnusable(path: directory, .notEmpty)
            }
            try await verify(pool, progress)
            try await build(in: folder.restoreIncomplete, for: author, pool, progress)
            try FolderOwner.handOver(folder.restoreIncomplete.path, toOwnerOf: directory)
        } catch {
            try? PendingRestore.finish(in: folder)
            throw error is CancellationError ? .cancelled : Failure(storage: error)
        }
        do {
            try PendingRestore.commit(in: folder)
            try PendingRestore.finish(in: folder)
        } catch {
            throw .restoreUnfinished("\(error)")
        }
        return report(of: directory)
    }

    /// Verifies the whole backup and makes nothing: what a restore would find out before it changes anything.
    /// - Throws: `damaged`, `file`, `cancelled`.
    package func verify(progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport {
        let pool = Self.pool()
        defer { pool.shutdownGracefully { _ in } }
        do {
            try await verify(pool, progress)
        } catch {
            throw error is CancellationError ? .cancelled : Failure(storage: error)
        }
        return report(of: backup.path)
    }

    /// The version of the service that made the backup; nil where that did not say so.
    package var version: String? { manifest.version }

    private static func pool() -> NIOThreadPool {
        let pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
        return pool
    }

    private func report(of directory: String) -> BackupReport {
        BackupReport(
            directory: directory, createdAt: manifest.createdAt, items: manifest.rows["pikzonality"] ?? 0, images: manifest.media.files,
            imageBytes: manifest.media.byteCount, databaseBytes: manifest.database.byteCount)
    }

    /// Compares every file of the backup with its hash, and the backup with its manifest.
    private func verify(_ pool: NIOThreadPool, _ progress: @escaping ProgressHandler) async throws {
        try requireNothingElse()
        progress(WorkProgress(step: "Verifying the database", done: 0, total: 1))
        var files = [(backup.data.database, manifest.database), (backup.sumsPath, manifest.sums)]
        if let secretsKey = manifest.secretsKey { files.append((backup.data.secretsKey, secretsKey)) }
        for (path, expected) in files {
            let name = (path as NSString).lastPathComponent
            guard PosixFile.exists(path) else { throw Failure.damaged(.backup, Finding(.fileMissing, name, "The file is missing")) }
            guard try await pool.runIfActive({ try BackupManifest.File(path: path) }) == expected else {
                throw Failure.damaged(.backup, Finding(.fileDamaged, name, "It does not match its hash"))
            }
        }
        let database = try backup.openDatabase()
        defer { try? database.close() }
        try await database.read { db in
            if let damage = try BackupFolder.damage(of: db) {
                throw Failure.damaged(.backup, Finding(.databaseDamaged, DataFolder.databaseName, damage))
            }
            let facts = try BackupFolder.facts(of: db)
            guard facts.migrations == manifest.migrations, facts.rows == manifest.rows else {
                throw Failure.damaged(
                    .backup, Finding(.fileDamaged, DataFolder.databaseName, "It is not the one that the manifest describes"))
            }
        }
        try await requireNoOtherImages(than: database)
        var sums = SHA256()
        sums.update(data: BackupFolder.databaseLine(manifest.database) + (manifest.secretsKey.map(BackupFolder.keyLine) ?? []))
        let found = try await backup.verifyImages(in: database, of: .backup, pool: pool, progress: progress) { sums.update(data: $0) }
        guard found == manifest.media, hexadecimal(Array(sums.finalize())) == manifest.sums.sha256 else {
            throw Failure.damaged(
                .backup, Finding(.fileDamaged, DataFolder.mediaName, "The images are not those that the manifest describes"))
        }
    }

    /// Sees to it that nothing which clients remember of what was there is taken for what is there from now on, and that the audit tells of it.
    private func prepare(_ target: DataFolder, for author: Operator) throws {
        let note = AuditNote<Void>(.restore, by: author) { [backup.path] }
        let database = try DatabaseQueue(path: target.database)
        defer { try? database.close() }
        try database.write { db in
            try RestoredEpoch.renew(db)
            // It may be from before there was an audit.
            try db.execute(sql: Migration.audit.sql)
            try AuditRows.insert(note.entries(of: (), at: WallClock.system.now), SQLiteTransaction(database: db, events: nil))
        }
    }

    private func requireNothingElse() throws {
        let strange = try PosixFile.names(in: backup.path).first {
            !BackupFolder.names.contains($0) || $0 == DataFolder.secretsKeyName && manifest.secretsKey == nil
        }
        if let other = strange {
            throw Failure.damaged(.backup, Finding(.strange, other, "It does not belong to a backup"))
        }
    }

    private func requireNoOtherImages(than database: DatabaseQueue) async throws {
        let media = backup.data.media.path
        for folder in try PosixFile.names(in: media) {
            for name in try PosixFile.names(in: "\(media)/\(folder)") {
                let key = BlobFolder.key(folder: folder, name: name)
                let isKnown = try await database.read { db in
                    guard let key else { return false }
                    return try db.firstRow("SELECT 1 FROM media WHERE digest = ?", [key.data]) != nil
                }
                guard isKnown else {
                    let place = "\(DataFolder.mediaName)/\(folder)/\(name)"
                    throw Failure.damaged(.backup, Finding(.strange, place, "It does not belong to the backup"))
                }
            }
        }
    }

    private func build(
        in target: DataFolder, for author: Operator, _ pool: NIOThreadPool, _ progress: @escaping ProgressHandler
    ) async throws {
        let source = backup.data
        try PosixFile.makeFolder(target.path)
        progress(WorkProgress(step: "Copying the database", done: 0, total: 1))
        // Always a copy, because the database, unlike the images, will be written to.
        let copied = try await pool.runIfActive {
            try PosixFile.copy(source.database, to: target.database)
            return try BackupManifest.File(path: target.database)
        }
        guard copied == manifest.database else {
            throw Failure.damaged(.backup, Finding(.fileDamaged, DataFolder.databaseName, "It changed while it was restored"))
        }
        if manifest.secretsKey != nil { try PosixFile.copy(source.secretsKey, to: target.secretsKey) }
        try await pool.runIfActive { try prepare(target, for: author) }
        try target.media.make()
        let database = try backup.openDatabase()
        defer { try? database.close() }
        try await ImageWalk(database: database, pool: pool).run("Copying images", progress) { image in
            try PosixFile.linkOrCopy(source.media.file(of: image.key), to: target.media.file(of: image.key))
        }
        try await pool.runIfActive { try target.media.sync() }
        try Task.checkCancellation()
    }
}
