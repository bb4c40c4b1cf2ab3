import Personas

/// Compares the rows of images with the objects of the bucket, both ways, while the service goes on.
struct PostgresCheck: IntegrityStore {
    /// Rows that are read at a time.
    private static let rowsAtOnce = 1_000

    let reader: PostgresReader
    let blobs: any BlobStore

    func check(
        repairingWith collector: BlobCollector?, at now: Timestamp, progress: @escaping ProgressHandler
    ) async throws(Failure) -> IntegrityReport {
        var report = IntegrityReport()
        report.counts.items =
            try await reader.scan { try $0.first("SELECT count(*) FROM pikzonality", []) { Int($0.integer(0)) } } ?? 0
        report.counts.pendingRemovals =
            try await reader.scan { try $0.first("SELECT count(*) FROM object_removal", []) { Int($0.integer(0)) } } ?? 0
        for prefix in UInt8.min...UInt8.max {
            if Task.isCancelled { throw .cancelled }
            progress(WorkProgress(step: "Comparing images", done: Int(prefix), total: 256))
            try await compare(prefix, with: collector, &report)
        }
        return report
    }

    /// Compares one of 256 parts.
    private func compare(_ prefix: UInt8, with collector: BlobCollector?, _ report: inout IntegrityReport) async throws(Failure) {
        // The rows first: an object that comes later is looked at again, and so is one that goes.
        let rows = try await stored(prefix)
        var listed: Set<BlobKey> = []
        try await blobs.list(prefix) { (keys) async throws(Failure) in listed.formUnion(keys) }
        report.counts.images += rows.count
        report.counts.files += listed.count
        for (key, byteCount) in rows {
            if listed.contains(key) {
                report.counts.imageBytes += byteCount
            } else if try await isStored(key) {
                report.add(
                    Finding(.fileMissing, hexadecimal(key.digest), "The bucket has no object \(key.object?.text ?? "") of this image"))
            }
        }
        for key in listed.subtracting(rows.keys).sorted() where try await !isKnown(key) {
            let isRepaired = try await collector?.remove([key]) == 1
            report.add(
                Finding(.fileOrphaned, hexadecimal(key.digest), "No row names object \(key.object?.text ?? "")", repaired: isRepaired))
        }
    }

    /// The images of one part whose bytes were stored, with their lengths.
    private func stored(_ prefix: UInt8) async throws(Failure) -> [BlobKey: Int] {
        var found: [BlobKey: Int] = [:]
        var last = [prefix]
        while true {
            let start = last
            let part = try await reader.scan { connection in
                try connection.all(
                    "SELECT digest, object, byte_count FROM media WHERE digest > ? AND is_stored = 1 ORDER BY digest LIMIT ?",
                    [start, Self.rowsAtOnce]
                ) { row in (key: BlobKey(digest: Array(row.bytes(0)), object: try row.identifier(1)), byteCount: Int(row.integer(2))) }
            }
            for row in part where row.key.digest.first == prefix { found[row.key] = row.byteCount }
            guard part.count == Self.rowsAtOnce, let end = part.last?.key.digest, end.first == prefix else { return found }
            last = end
        }
    }

    private func isStored(_ key: BlobKey) async throws(Failure) -> Bool {
        try await reader.read { try $0.finds("SELECT 1 FROM media WHERE object = ? AND is_stored = 1", [key.object]) }
    }

    /// Whether a row names an object, or its removal is on its way.
    private func isKnown(_ key: BlobKey) async throws(Failure) -> Bool {
        try await reader.read { connection in
            try connection.finds(
                "SELECT 1 FROM media WHERE object = ?1 UNION ALL SELECT 1 FROM object_removal WHERE object = ?1", [key.object])
        }
    }
}
