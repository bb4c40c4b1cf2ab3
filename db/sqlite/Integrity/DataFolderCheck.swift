import Foundation
import GRDB
import Personas
import Synchronization

/// Whether the database agrees with itself and with the image files, looked at beside everything else that goes on.
///
/// All reading goes through a connection of its own. A file comes before its row and goes after it, so a first look may find either alone;
/// what looks wrong is therefore looked at again while it is held, or marked as going, so that nobody can change it.
struct DataFolderCheck: IntegrityStore {
    let dataFolder: String
    let media: MediaFolder
    /// Since when there has been somebody to remove what is queued.
    let openedAt: Timestamp
    let turn: MaintenanceTurn

    private var removal: MediaRemoval { MediaRemoval(folder: media) }

    func check(isRepairing: Bool, at now: Timestamp, progress: @escaping ProgressHandler) async throws(Failure) -> IntegrityReport {
        do {
            return try await turn.take {
                var configuration = Configuration()
                configuration.readonly = true
                configuration.busyMode = .timeout(5)
                let database = try DatabaseQueue(path: dataFolder + "/personas.sqlite", configuration: configuration)
                defer { try? database.close() }
                var report = IntegrityReport()
                try await DatabaseCheck(database: database).run(into: &report, progress)
                try await noting(into: &report) { report in
                    try await checkOrphanedRows(database, isRepairing: isRepairing, into: &report)
                    try await checkImages(database, into: &report, progress)
                    try await checkFiles(database, isRepairing: isRepairing, into: &report, progress)
                    try await checkRemovals(database, isRepairing: isRepairing, at: now, into: &report)
                }
                try checkIncoming(isRepairing: isRepairing, at: now, into: &report)
                return report
            }
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw Failure(storage: error)
        }
    }

    private func checkOrphanedRows(_ database: DatabaseQueue, isRepairing: Bool, into report: inout IntegrityReport) async throws {
        let digests = try await database.read { db in
            try Data.fetchAll(
                db,
                sql: """
                    SELECT digest FROM media WHERE NOT EXISTS (SELECT 1 FROM image_link WHERE image_link.digest = media.digest)
                        AND NOT EXISTS (SELECT 1 FROM media_removal WHERE media_removal.digest = media.digest)
                    """
            ).map { [UInt8]($0) }
        }
        for digest in digests {
            if isRepairing {
                try await media.writer.write { db in try ImageLinks.queueRemoval(of: digest, at: .now, db) }
                _ = try await removal.remove([digest])
            }
            let detail = "The image's row is linked by nothing and was not queued for removal"
            report.add(Finding(.rowOrphaned, ImageWalk.Image.path(of: digest), detail, repaired: isRepairing))
        }
    }

    private func checkImages(_ database: DatabaseQueue, into report: inout IntegrityReport, _ progress: ProgressHandler) async throws {
        let suspects = Mutex<[ImageWalk.Image]>([])
        var found = report
        try await ImageWalk(database: database, pool: media.pool).run("Checking images", progress) { image in
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
        let path = media.path(of: image.digest)
        do {
            let found = try PosixFile.digest(of: path)
            if found.byteCount != image.byteCount { return (.fileDamaged, "It has \(found.byteCount) bytes instead of \(image.byteCount)") }
            return found.digest == image.digest ? nil : (.fileDamaged, "Its bytes do not match its hash")
        } catch let error as PosixFile.CallFailed where error.code == ENOENT {
            return (.fileMissing, "The file is missing")
        } catch {
            return (.fileDamaged, "It cannot be read: \(error)")
        }
    }

    /// Looks at an image while its file cannot go.
    private func confirmed(_ image: ImageWalk.Image, _ database: DatabaseQueue) async throws -> Finding? {
        await media.holds.hold(image.digest)
        defer { media.holds.release(image.digest) }
        let (isNamed, items) = try await database.read { db in
            let isNamed = try db.firstRow("SELECT 1 FROM media WHERE digest = ?", [Data(image.digest)]) != nil
            let sql = "SELECT DISTINCT pikzonality_id FROM image_link WHERE digest = ? LIMIT 3"
            return (isNamed, try db.rows(sql, [Data(image.digest)]).map { try $0.identifier("pikzonality_id").text })
        }
        guard isNamed, let problem = problem(of: image) else { return nil }
        let needed = items.isEmpty ? "nothing needs it" : "needed by \(items.joined(separator: ", "))"
        return Finding(problem.kind, image.path, "\(problem.detail); \(needed)")
    }

    private func checkFiles(
        _ database: DatabaseQueue, isRepairing: Bool, into report: inout IntegrityReport, _ progress: ProgressHandler
    ) async throws {
        let folders = Set((0...255).map { hexadecimal([UInt8($0)]) })
        for name in try PosixFile.names(in: media.directory) where !folders.contains(name) && name != "incoming" {
            report.add(Finding(.strange, "media/\(name)", "It is no folder of images"))
        }
        for (done, folder) in folders.sorted().enumerated() {
            try Task.checkCancellation()
            let names = try PosixFile.names(in: "\(media.directory)/\(folder)")
            report.counts.files += names.count
            let digests = names.map { MediaRemoval.digest(folder: folder, name: $0) }
            for (name, digest) in zip(names, digests) where digest == nil {
                report.add(Finding(.strange, "media/\(folder)/\(name)", "It is not named as images are"))
            }
            let suspects = try await database.read { db in try digests.compactMap { $0 }.filter { try !Self.isKnown($0, db) } }
            for digest in suspects where try await isOrphan(digest, database) {
                let isGone = isRepairing ? try await removal.remove([digest]) == 1 : false
                report.add(Finding(.fileOrphaned, ImageWalk.Image.path(of: digest), "No row names the file", repaired: isGone))
            }
            progress(WorkProgress(step: "Checking files", done: done + 1, total: folders.count))
        }
    }

    /// Whether the database knows of a file: that it is needed, or that it is to be removed.
    private static func isKnown(_ digest: [UInt8], _ db: Database) throws -> Bool {
        let sql = "SELECT 1 FROM media WHERE digest = ?1 UNION ALL SELECT 1 FROM media_removal WHERE digest = ?1 LIMIT 1"
        return try db.firstRow(sql, [Data(digest)]) != nil
    }

    /// Looks at a file while nobody can store or remove it. One that is just coming or going is no orphan.
    private func isOrphan(_ digest: [UInt8], _ database: DatabaseQueue) async throws -> Bool {
        let marked = media.holds.beginRemoval(of: [digest])
        defer { media.holds.endRemoval(of: marked) }
        // Held, or given up a moment ago and about to go.
        guard !marked.isEmpty, !media.isAbandoned(digest) else { return false }
        return try await database.read { db in try !Self.isKnown(digest, db) } && PosixFile.exists(media.path(of: digest))
    }

    /// The proof that deleting removes bytes in time: what waits has not waited longer than it may while there was somebody to remove it.
    private func checkRemovals(_ database: DatabaseQueue, isRepairing: Bool, at now: Timestamp, into report: inout IntegrityReport)
        async throws
    {
        let since = max(openedAt, media.holds.resumedAt ?? openedAt)
        let latest = now.adding(seconds: -Limits.removalSecondsMax)
        let (count, oldest, overdue) = try await database.read { db in
            let row = try db.firstRow("SELECT count(*) AS count, min(queued_at) AS oldest FROM media_removal", [])
            let overdue = try Data.fetchAll(
                db, sql: "SELECT digest FROM media_removal WHERE max(queued_at, ?) <= ? ORDER BY digest",
                arguments: [since.milliseconds, latest.milliseconds])
            let oldest: Int64? = row?["oldest"]
            let count: Int? = row?["count"]
            return (count ?? 0, oldest.map { Timestamp(milliseconds: $0) }, overdue.map { [UInt8]($0) })
        }
        report.counts.pendingRemovals = count
        if let oldest { report.counts.oldestRemovalSeconds = Int(max(0, now.milliseconds - max(oldest, since).milliseconds) / 1_000) }
        for digest in overdue {
            var isGone = false
            if isRepairing {
                _ = try await removal.remove([digest])
                isGone = try await database.read { db in
                    try db.firstRow("SELECT 1 FROM media_removal WHERE digest = ?", [Data(digest)]) == nil
                }
            }
            let detail = "Queued for removal and still there after \(Limits.removalSecondsMax) seconds"
            report.add(Finding(.removalOverdue, ImageWalk.Image.path(of: digest), detail, repaired: isGone))
        }
    }

    private func checkIncoming(isRepairing: Bool, at now: Timestamp, into report: inout IntegrityReport) throws {
        let folder = media.directory + "/incoming"
        for name in try PosixFile.names(in: folder) {
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0 else { continue }
            let age = now.milliseconds / 1_000 - Int64(status.st_mtim.tv_sec)
            guard age > Int64(Limits.removalSecondsMax) else { continue }
            let isGone = isRepairing && unlink("\(folder)/\(name)") == 0
            report.add(Finding(.incomingLeft, "media/incoming/\(name)", "It was never stored to its end", repaired: isGone))
        }
    }

    /// Notes down as damage what the database cannot answer.
    private func noting(
        into report: inout IntegrityReport, _ body: (inout IntegrityReport) async throws -> Void
    ) async throws {
        do {
            try await body(&report)
        } catch let error as DatabaseError where !Task.isCancelled {
            report.add(Finding(.databaseDamaged, "personas.sqlite", "\(error)"))
        }
    }
}
