import Personas

/// Images as rows that several processes share: `media` has what is known of each and until when it is held, `image_link` and `trash_link` who needs it,
/// `media_removal` what may be needless, `object_removal` which objects are still to be deleted whose rows are gone.
///
/// An image that goes and comes again is another object of the bucket. So no removal that comes late can hurt anybody, and the foreign keys of links are all
/// that stands between one who links an image and one who removes it at the same time.
struct PostgresImageIndex: ImageIndex {
    /// How long an image is held that nothing links to yet: longer than any request takes.
    private static let holdSeconds = 600
    /// Images that are looked at in one transaction, each in a savepoint of its own.
    private static let removedAtOnce = 64

    let writer: PostgresWriter
    let reader: PostgresReader
    let clock: WallClock

    func image(_ token: RandomToken) async throws(Failure) -> StoredImage {
        guard let image = try await reader.read({ connection in try ImageLinks.find(token, connection) }) else { throw .notFound }
        return image
    }

    func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage? { nil }

    /// Where its row is lost with a power cut of the server, the row that is to name the image is refused.
    func pin(_ image: SanitizedImage, digest: [UInt8]) async throws(Failure) -> StoredImage {
        let until = clock.now.adding(seconds: Self.holdSeconds)
        let object = try await writer.writeAsynchronously { db in
            try db.first(
                """
                INSERT INTO media (object, digest, format, width, height, byte_count, held_until) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (digest) DO UPDATE SET
                    held_until = CASE WHEN media.held_until > excluded.held_until THEN media.held_until ELSE excluded.held_until END
                RETURNING object
                """, [Identifier.random(), digest, image.format.rawValue, image.width, image.height, image.bytes.count, until]
            ) { try $0.identifier(0) }
        }
        guard let object else { throw .unexpected("An image has no row") }
        return StoredImage(
            key: BlobKey(digest: digest, object: object), format: image.format, width: image.width, height: image.height,
            byteCount: image.bytes.count)
    }

    /// Holds end by themselves. One image may be held by several, so nobody ends the hold of all.
    func unpin(_ images: [StoredImage]) async {}

    /// The same: once the hold is over, `removals` finds what nothing ever linked to.
    func abandon(_ images: [StoredImage]) async {}

    func removals(after last: BlobKey?, limit: Int) async throws(Failure) -> [BlobKey] {
        let now = clock.now
        let digests = try await reader.read { connection in
            let after = last?.digest ?? []
            let queued = try connection.all(
                "SELECT digest FROM media_removal WHERE digest > ? ORDER BY digest LIMIT ?", [after, limit]
            ) { Array($0.bytes(0)) }
            let unstored = try connection.all(
                "SELECT digest FROM media WHERE is_stored = 0 AND held_until < ?1 AND digest > ?2 ORDER BY digest LIMIT ?3",
                [now, after, limit]
            ) { Array($0.bytes(0)) }
            let objects = try connection.all(
                "SELECT digest FROM object_removal WHERE digest > ? ORDER BY digest LIMIT ?", [after, limit]
            ) { Array($0.bytes(0)) }
            return queued + unstored + objects
        }
        return Array(Set(digests.map { BlobKey(digest: $0) }).sorted().prefix(limit))
    }

    func unnamed(among keys: [BlobKey]) async throws(Failure) -> [BlobKey] {
        try await reader.read { connection in
            try keys.filter { key in
                // The row comes before the object, so that one without a row is nobody's.
                try !connection.finds("SELECT 1 FROM media WHERE object = ?", [key.object])
            }
        }
    }

    func remove(
        _ keys: [BlobKey], at now: Timestamp, deletingBytes: ([BlobKey]) async -> [BlobKey]
    ) async throws(Failure) -> Int {
        let strays = keys.filter { $0.object != nil }
        let digests = Set(keys.filter { $0.object == nil }.map(\.digest)).sorted { $0.lexicographicallyPrecedes($1) }
        var removed: [BlobKey] = []
        for start in stride(from: 0, to: digests.count, by: Self.removedAtOnce) {
            let part = Array(digests[start..<min(digests.count, start + Self.removedAtOnce)])
            removed += try await writer.write { db in try part.flatMap { try Self.takeOut($0, at: now, db) } }
        }
        let needless = removed + strays
        guard !needless.isEmpty else { return 0 }
        let gone = await deletingBytes(needless)
        try await writer.writeAsynchronously { db in
            for key in gone.sorted() { try db.run("DELETE FROM object_removal WHERE object = ?", [key.object]) }
        }
        return gone.count
    }

    /// Takes out the row of an image that nothing needs and nobody holds.
    /// - Returns: the objects of its digest whose rows are gone, be it since earlier.
    private static func takeOut(_ digest: [UInt8], at now: Timestamp, _ db: any SQLTransaction) throws -> [BlobKey] {
        // Who links it at this moment has the row locked, and keeps it: the foreign key then stands against the removal.
        _ = try db.unlessTaken {
            try db.run(
                """
                WITH gone AS (
                    DELETE FROM media WHERE digest = ?1 AND held_until < ?2
                        AND NOT EXISTS (SELECT 1 FROM image_link WHERE image_link.digest = media.digest)
                        AND NOT EXISTS (SELECT 1 FROM trash_link WHERE trash_link.digest = media.digest)
                    RETURNING object, digest)
                INSERT INTO object_removal (object, digest, queued_at) SELECT object, digest, ?2 FROM gone
                """, [digest, now])
        }
        // What is only held is looked at again.
        try db.run(
            """
            DELETE FROM media_removal WHERE digest = ?1
                AND NOT EXISTS (SELECT 1 FROM media WHERE media.digest = ?1 AND held_until >= ?2)
            """, [digest, now])
        return try db.all("SELECT object FROM object_removal WHERE digest = ?", [digest]) { row in
            BlobKey(digest: digest, object: try row.identifier(0))
        }
    }
}
