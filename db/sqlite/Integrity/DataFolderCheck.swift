import Foundation
import GRDB
import NIOPosix
import Personas
import Synchronization

/// Whether the database agrees with itself and with the image files, looked at beside everything else that goes on.
///
/// All reading goes through a connection of its own. A file is stored before its row and deleted after it, so a first look may find either alone;
/// what looks wrong is therefore looked at again while it is pinned, or marked as being deleted, so that nothing can change it.
struct DataFolderCheck: IntegrityStore {
    let folder: DataFolder
    let index: SQLiteImageIndex
    /// Threads that wait for the disk.
    let pool: NIOThreadPool
    let clock: WallClock
    /// Since when there has been a process to remove what is queued.
    let openedAt: Timestamp
    let turn: AsyncMutex
    /// What secrets are to open with.
    let sealing: any SecretSealing

    private var pins: ImagePins { index.pins }

    func check(repairingWith collector: BlobCollector?, at now: Timestamp, progress: @escaping ProgressHandler) async throws(Failure)
        -> IntegrityReport
    {
        do {
            return try await turn.withLock {
                var configuration = Configuration()
                configuration.readonly = true
                configuration.busyMode = .timeout(5)
                let database = try DatabaseQueue(path: folder.database, configuration: configuration)
                defer { try? database.close() }
                var report = IntegrityReport()
                let rows = DatabaseCheck(database: database, now: now, sealing: sealing)
                try await rows.run(into: &report, progress)
                try await DatabaseCheck.noting(into: &report) { (report) async throws(Failure) in
                    try await RowCheck.counts(repairingBy: collector.map { _ in index.writer }, into: &report, asking: rows)
                }
                try await noting(into: &report) { report in
                    try await checkOrphanedRows(database, repairingWith: collector, into: &report)
                    try await checkImages(database, into: &report, progress)
                    try await checkFiles(database, repairingWith: collector, into: &report, progress)
                    try await checkRemovals(database, repairingWith: collector, at: now, into: &report)
                }
                try checkIncoming(isRepairing: collector != nil, into: &report)
                return report
            }
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw Failure(storage: error)
        }
    }

    private func checkOrphanedRows(_ database: DatabaseQueue, repairingWith collector: BlobCollector?, into report: inout IntegrityReport)
        async throws
    {
        let keys = try await database.read { db in
            try Data.fetchAll(
                db,
                sql: """
                    SELECT digest FROM media WHERE NOT \(ImageLinks.needing("media.digest"))
                        AND NOT EXISTS (SELECT 1 FROM media_removal WHERE media_removal.digest = media.digest)
                    """
            ).map { BlobKey(digest: [UInt8]($0)) }
        }
        for key in keys {
            if let collector {
                let now = clock.now
                try await index.writer.write { db in try ImageLinks.queueRemoval(of: key, at: now, db) }
                _ = try await collector.remove([key])
            }
            let detail = "The image's row is linked by nothing and was not queued for removal"
            report.add(Finding(.rowOrphaned, DataFolder.name(of: key), detail, repaired: collector != nil))
        }
    }

    private func checkImages(_ database: DatabaseQueue, into report: inout IntegrityReport, _ progress: ProgressHandler) async throws {
        let suspects = Mutex<[ImageWalk.Image]>([])
        var found = report
        try await ImageWalk(database: database, pool: pool).run("Checking images", progress) { image in
            if problem(of: image) != nil { suspects.withLock { $0.append(image) } }
        } afterRound: { images in
            found.counts.images += images.count
            found.counts.imageBytes += images.reduce(0) { $0 + $1.byteCount }
            let round = suspects.withLock { suspects in
                defer { suspects = [] }
                return suspects
            }
            for image in round {
                guard let finding = try await confirmed(image, database) else { continue }
                found.counts.imageBytes -= image.byteCount
                found.add(finding)
            }
        }
        report = found
    }

    /// What is wrong with an image's file at this moment.
    private func problem(of image: ImageWalk.Image) -> (kind: Finding.Kind, detail: String)? {
        do {
            let found = try PosixFile.digest(of: folder.media.file(of: image.key))
            if found.byteCount != image.byteCount { return (.fileDamaged, "It has \(found.byteCount) bytes instead of \(image.byteCount)") }
            return found.digest == image.key.digest ? nil : (.fileDamaged, "Its bytes do not match its hash")
        } catch let error as PosixFile.CallFailed where error.code == ENOENT {
            return (.fileMissing, "The file is missing")
        } catch {
            return (.fileDamaged, "It cannot be read: \(error)")
        }
    }

    /// Looks at an image while its file cannot be deleted.
    private func confirmed(_ image: ImageWalk.Image, _ database: DatabaseQueue) async throws -> Finding? {
        await pins.pin(image.key)
        defer { pins.unpin(image.key) }
        let (isNamed, items) = try await database.read { db in
            let isNamed = try db.firstRow("SELECT 1 FROM media WHERE digest = ?", [image.key.data]) != nil
            let sql = """
                SELECT pikzonality_id AS id FROM image_link WHERE digest = ?1 UNION SELECT item_id FROM trash_link WHERE digest = ?1 LIMIT 3
                """
            return (isNamed, try db.rows(sql, [image.key.data]).map { try $0.identifier("id").text })
        }
        guard isNamed, let problem = problem(of: image) else { return nil }
        let needed = items.isEmpty ? "nothing needs it" : "needed by \(items.joined(separator: ", "))"
        return Finding(problem.kind, image.name, "\(problem.detail); \(needed)")
    }

    private func checkFiles(
        _ database: DatabaseQueue, repairingWith collector: BlobCollector?, into report: inout IntegrityReport, _ progress: ProgressHandler
    ) async throws {
        let (media, prefixes) = (folder.media, BlobFolder.prefixNames)
        let folders = Set(prefixes + [BlobFolder.incomingName])
        for name in try PosixFile.names(in: media.path) where !folders.contains(name) {
            report.add(Finding(.strange, "\(DataFolder.mediaName)/\(name)", "It is no folder of images"))
        }
        for (done, prefix) in prefixes.enumerated() {
            try Task.checkCancellation()
            let names = try PosixFile.names(in: "\(media.path)/\(prefix)")
            report.counts.files += names.count
            let keys = names.map { BlobFolder.key(folder: prefix, name: $0) }
            for (name, key) in zip(names, keys) where key == nil {
                report.add(Finding(.strange, "\(DataFolder.mediaName)/\(prefix)/\(name)", "It is not named as images are"))
            }
            let suspects = try await database.read { db in try keys.compactMap { $0 }.filter { try !Self.isKnown($0, db) } }
            for key in suspects where try await isOrphan(key, database) {
                let isGone = try await collector?.remove([key]) == 1
                report.add(Finding(.fileOrphaned, DataFolder.name(of: key), "No row names the file", repaired: isGone))
            }
            progress(WorkProgress(step: "Checking files", done: done + 1, total: prefixes.count))
        }
    }

    /// Whether the database knows of a file: that it is needed, or that it is to be removed.
    private static func isKnown(_ key: BlobKey, _ db: Database) throws -> Bool {
        let sql = "SELECT 1 FROM media WHERE digest = ?1 UNION ALL SELECT 1 FROM media_removal WHERE digest = ?1 LIMIT 1"
        return try db.firstRow(sql, [key.data]) != nil
    }

    /// Looks at a file while nothing can store or remove it. One that is just being stored or deleted is no orphan.
    private func isOrphan(_ key: BlobKey, _ database: DatabaseQueue) async throws -> Bool {
        let marked = pins.beginDeleting([key])
        defer { pins.endDeleting(marked) }
        // Pinned, or abandoned a moment ago and about to be deleted.
        guard !marked.isEmpty, !pins.isAbandoned(key) else { return false }
        return try await database.read { db in try !Self.isKnown(key, db) } && PosixFile.exists(folder.media.file(of: key))
    }

    /// The proof that deleting removes bytes in time: what waits has not waited longer than it may while there was a process to remove it.
    private func checkRemovals(
        _ database: DatabaseQueue, repairingWith collector: BlobCollector?, at now: Timestamp, into report: inout IntegrityReport
    )
        async throws
    {
        let since = max(openedAt, pins.resumedAt ?? openedAt)
        let latest = now.adding(seconds: -Limits.removalSecondsMax)
        let (count, oldest, overdue) = try await database.read { db in
            let row = try db.firstRow("SELECT count(*) AS count, min(queued_at) AS oldest FROM media_removal", [])
            let overdue = try Data.fetchAll(
                db, sql: "SELECT digest FROM media_removal WHERE max(queued_at, ?) <= ? ORDER BY digest",
                arguments: [since.milliseconds, latest.milliseconds])
            let oldest: Int64? = row?["oldest"]
            let count: Int? = row?["count"]
            return (count ?? 0, oldest.map { Timestamp(milliseconds: $0) }, overdue.map { BlobKey(digest: [UInt8]($0)) })
        }
        report.counts.pendingRemovals = count
        if let oldest { report.counts.oldestRemovalSeconds = Int(max(0, now.milliseconds - max(oldest, since).milliseconds) / 1_000) }
        for key in overdue {
            var isGone = false
            if let collector {
                _ = try await collector.remove([key])
                isGone = try await database.read { db in
                    try db.firstRow("SELECT 1 FROM media_removal WHERE digest = ?", [key.data]) == nil
                }
            }
            let detail = "Queued for removal and still there after \(Limits.removalSecondsMax) seconds"
            report.add(Finding(.removalOverdue, DataFolder.name(of: key), detail, repaired: isGone))
        }
    }

    private func checkIncoming(isRepairing: Bool, into report: inout IntegrityReport) throws {
        let incoming = folder.media.incoming
        // By the clock that files are dated by.
        let now = WallClock.system.now
        for name in try PosixFile.names(in: incoming) {
            var status = stat()
            guard lstat("\(incoming)/\(name)", &status) == 0 else { continue }
            let age = now.milliseconds / 1_000 - Int64(status.st_mtim.tv_sec)
            guard age > Int64(Limits.removalSecondsMax) else { continue }
            let isGone = isRepairing && unlink("\(incoming)/\(name)") == 0
            let subject = "\(DataFolder.mediaName)/\(BlobFolder.incomingName)/\(name)"
            report.add(Finding(.incomingLeft, subject, "It was never stored to its end", repaired: isGone))
        }
    }

    /// Notes down as damage what the database cannot answer.
    private func noting(
        into report: inout IntegrityReport, _ body: (inout IntegrityReport) async throws -> Void
    ) async throws {
        do {
            try await body(&report)
        } catch let error as DatabaseError where !Task.isCancelled {
            report.add(Finding(.databaseDamaged, DataFolder.databaseName, "\(error)"))
        }
    }
}
