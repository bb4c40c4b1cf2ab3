import Personas

/// Looks whether the rows agree with each other, and with the objects of the bucket, both ways, while the service goes on.
///
/// A row comes before its object and goes before it, so what looks wrong is looked at once more: an object without a row that stays so is nobody's, and a row
/// that is still there after its object was not is wrong. The bucket is known by its listing, which says what is there and how long it is; what objects hold
/// was compared with their digests as they came, and is compared again by whoever trains with them.
struct PostgresCheck: IntegrityStore, Asking {
    /// Rows that are read at a time.
    private static let rowsAtOnce = 1_000

    let reader: PostgresReader
    let writer: PostgresWriter
    let blobs: any BlobStore
    /// What secrets are to open with.
    let sealing: any SecretSealing
    /// By which objects are old.
    let clock: WallClock

    func check(
        repairingWith collector: BlobCollector?, at now: Timestamp, progress: @escaping ProgressHandler
    ) async throws(Failure) -> IntegrityReport {
        var report = IntegrityReport()
        let questions = RowCheck(now: now, sealing: sealing).questions
        for (done, question) in questions.enumerated() {
            progress(WorkProgress(step: "Checking the database", done: done, total: questions.count))
            for finding in try await about(question) { report.add(finding) }
        }
        try await MetadataIndexCheck.all(asking: self) { for finding in $0 { report.add(finding) } }
        report.counts.items = try await about(RowCheck.countItems)
        try await RowCheck.counts(repairingBy: collector.map { _ in writer }, into: &report, asking: self)
        try await checkOrphanedRows(repairingWith: collector, into: &report)
        for prefix in UInt8.min...UInt8.max {
            progress(WorkProgress(step: "Comparing images", done: Int(prefix), total: 256))
            try await compare(prefix, with: collector, &report)
        }
        try await checkRemovals(repairingWith: collector, at: now, into: &report)
        return report
    }

    /// Each on one of the connections of searches, because it may take as long as one.
    func about<Answer: Sendable>(_ question: @escaping @Sendable (any SQLConnection) throws -> Answer) async throws(Failure) -> Answer {
        if Task.isCancelled { throw .cancelled }
        return try await reader.scan(question)
    }

    private func checkOrphanedRows(repairingWith collector: BlobCollector?, into report: inout IntegrityReport) async throws(Failure) {
        let now = clock.now
        let keys = try await about { connection in
            // What came to nothing before it was stored is found by `removals` once its hold is over.
            try connection.all(
                """
                SELECT digest FROM media WHERE is_stored = 1 AND held_until < ? AND NOT \(ImageLinks.needing("media.digest"))
                    AND NOT EXISTS (SELECT 1 FROM media_removal WHERE media_removal.digest = media.digest)
                """, [now]
            ) { BlobKey(digest: Array($0.bytes(0))) }
        }
        for key in keys {
            if let collector {
                try await writer.write { db in try ImageLinks.queueRemoval(of: key, at: now, db) }
                _ = try await collector.remove([key])
            }
            let detail = "The image's row is linked by nothing and was not queued for removal"
            report.add(Finding(.rowOrphaned, hexadecimal(key.digest), detail, repaired: collector != nil))
        }
    }
}

/// Rows and objects, which both come in the order of their digests: so that no more of them is held than a page of the listing.
extension PostgresCheck {
    /// An image whose bytes were stored.
    private struct Stored: Sendable {
        let key: BlobKey
        let byteCount: Int
    }

    /// Compares one of 256 parts.
    private func compare(_ prefix: UInt8, with collector: BlobCollector?, _ report: inout IntegrityReport) async throws(Failure) {
        var found = report
        var place = [prefix]
        // Objects of the last digest of a page, which the next may have more of.
        var waiting: [ListedBlob] = []
        try await blobs.listWithTimes(prefix) { (page) async throws(Failure) in
            found.counts.files += page.count
            guard let end = page.last?.key.digest else { return }
            guard end.lexicographicallyPrecedes(place) == false else {
                throw .unexpected("The object store does not list objects in the order of their names")
            }
            let whole = (waiting + page).filter { $0.key.digest != end }
            waiting = (waiting + page).filter { $0.key.digest == end }
            try await compare(whole, from: place, upTo: end, with: collector, &found)
            place = end
        }
        try await compare(waiting, from: place, upTo: nil, with: collector, &found)
        report = found
    }

    /// Compares the objects of some digests with the rows of these.
    /// - Parameters:
    ///   - place: at which digest the rows begin.
    ///   - end: before which they end; nil for the end of the part.
    private func compare(
        _ listed: [ListedBlob], from place: [UInt8], upTo end: [UInt8]?, with collector: BlobCollector?, _ report: inout IntegrityReport
    ) async throws(Failure) {
        if Task.isCancelled { throw .cancelled }
        let objects = Dictionary(listed.map { ($0.key, $0) }) { first, _ in first }
        var last = place
        while true {
            let start = last
            let rows = try await stored(from: start, upTo: end)
            report.counts.images += rows.count
            for row in rows { try await compare(row, with: objects[row.key], &report) }
            guard rows.count == Self.rowsAtOnce, let next = rows.last?.key.digest else { break }
            // What comes next in the order of bytes.
            last = next + [0]
        }
        let youngest = clock.now.adding(seconds: -BlobCollector.strayHoursMin * 3_600)
        for blob in listed {
            // One whose age is not known was there before its row could be looked for, and rows come first.
            if let modifiedAt = blob.modifiedAt, modifiedAt > youngest { continue }
            guard try await !isKnown(blob.key) else { continue }
            let isRepaired = try await collector?.remove([blob.key]) == 1
            report.add(
                Finding(
                    .fileOrphaned, hexadecimal(blob.key.digest), "No row names object \(blob.key.object?.text ?? "")", repaired: isRepaired)
            )
        }
    }

    private func compare(_ row: Stored, with blob: ListedBlob?, _ report: inout IntegrityReport) async throws(Failure) {
        let object = "object \(row.key.object?.text ?? "")"
        if let blob {
            guard let byteCount = blob.byteCount, byteCount != row.byteCount else {
                report.counts.imageBytes += row.byteCount
                return
            }
            report.add(Finding(.fileDamaged, hexadecimal(row.key.digest), "Of \(row.byteCount) bytes \(object) has \(byteCount)"))
        } else if try await isMissing(row.key) {
            report.add(Finding(.fileMissing, hexadecimal(row.key.digest), "The bucket has no \(object) of this image"))
        } else {
            report.counts.imageBytes += row.byteCount
        }
    }

    /// The images between two digests whose bytes were stored, some at a time.
    private func stored(from place: [UInt8], upTo end: [UInt8]?) async throws(Failure) -> [Stored] {
        // The part ends where the next begins, the last one nowhere.
        let bound = end ?? place.first.flatMap { $0 < .max ? [$0 + 1] : nil } ?? [UInt8](repeating: .max, count: 33)
        return try await about { connection in
            try connection.all(
                """
                SELECT digest, object, byte_count FROM media WHERE digest >= ? AND digest < ? AND is_stored = 1 ORDER BY digest LIMIT ?
                """, [place, bound, Self.rowsAtOnce]
            ) { row in
                Stored(key: BlobKey(digest: Array(row.bytes(0)), object: try row.identifier(1)), byteCount: Int(row.integer(2)))
            }
        }
    }

    /// Whether an object that was not listed is not there, though its row is even after that.
    private func isMissing(_ key: BlobKey) async throws(Failure) -> Bool {
        do throws(Failure) {
            _ = try await blobs.open(key)
            return false
        } catch {
            guard error == .notFound else { throw error }
        }
        return try await reader.read { try $0.finds("SELECT 1 FROM media WHERE object = ? AND is_stored = 1", [key.object]) }
    }

    /// Whether a row names an object, or its removal is on its way.
    private func isKnown(_ key: BlobKey) async throws(Failure) -> Bool {
        try await reader.read { connection in
            try connection.finds(
                "SELECT 1 FROM media WHERE object = ?1 UNION ALL SELECT 1 FROM object_removal WHERE object = ?1", [key.object])
        }
    }

    /// The proof that deleting removes bytes in time. What is held meanwhile waits for the end of that, and may.
    private func checkRemovals(
        repairingWith collector: BlobCollector?, at now: Timestamp, into report: inout IntegrityReport
    ) async throws(Failure) {
        let present = clock.now
        let latest = now.adding(seconds: -Limits.removalSecondsMax)
        let waiting = """
            SELECT digest, queued_at FROM object_removal UNION ALL SELECT digest, queued_at FROM media_removal
                WHERE NOT EXISTS (SELECT 1 FROM media WHERE media.digest = media_removal.digest AND held_until >= ?1)
            """
        let (count, oldest) =
            try await about { connection in
                try connection.first("SELECT count(*), min(queued_at) FROM (\(waiting)) AS waiting", [present]) { row in
                    (Int(row.integer(0)), row.timestampIfAny(1))
                }
            } ?? (0, nil)
        report.counts.pendingRemovals = count
        if let oldest { report.counts.oldestRemovalSeconds = Int(max(0, now.milliseconds - oldest.milliseconds) / 1_000) }
        let overdue = try await about { connection in
            try connection.all(
                "SELECT DISTINCT digest FROM (\(waiting)) AS waiting WHERE queued_at <= ?2 ORDER BY digest", [present, latest]
            ) { BlobKey(digest: Array($0.bytes(0))) }
        }
        for key in overdue {
            var isGone = false
            if let collector {
                _ = try await collector.remove([key])
                isGone = try await reader.read { connection in
                    try !connection.finds(
                        "SELECT 1 FROM media_removal WHERE digest = ?1 UNION ALL SELECT 1 FROM object_removal WHERE digest = ?1", [key])
                }
            }
            let detail = "Queued for removal and still there after \(Limits.removalSecondsMax) seconds"
            report.add(Finding(.removalOverdue, hexadecimal(key.digest), detail, repaired: isGone))
        }
    }
}
