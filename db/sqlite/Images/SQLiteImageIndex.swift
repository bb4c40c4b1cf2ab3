import Foundation
import GRDB
import Personas

/// Images as rows: `media` has what is known of each, `image_link` and `trash_link` who needs it, `media_removal` what is to be deleted. Pins lie in memory.
struct SQLiteImageIndex: ImageIndex {
    let writer: GroupWriter
    let readers: ReadPool
    let pins: ImagePins

    func image(_ token: RandomToken) async throws(Failure) -> StoredImage {
        guard let image = try await readers.read({ connection in try ImageLinks.find(token, connection) }) else { throw .notFound }
        return image
    }

    func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage? {
        guard let found = try readers.readNow({ connection in try ImageLinks.find(token, connection) }) else { return nil }
        guard let image = found else { throw .notFound }
        return image
    }

    func pin(_ image: SanitizedImage, digest: [UInt8]) async throws(Failure) -> StoredImage {
        let key = BlobKey(digest: digest)
        await pins.pin(key)
        return StoredImage(key: key, format: image.format, width: image.width, height: image.height, byteCount: image.bytes.count)
    }

    func unpin(_ images: [StoredImage]) async {
        for image in images { pins.unpin(image.key) }
    }

    func abandon(_ images: [StoredImage]) async {
        for image in images { pins.abandon(image.key) }
    }

    func removals(after last: BlobKey?, limit: Int) async throws(Failure) -> [BlobKey] {
        var keys = Set(pins.abandoned(after: last, limit: limit))
        let queued = try await readers.read { connection in
            return try connection.all(
                "SELECT digest FROM media_removal WHERE digest > ? ORDER BY digest LIMIT ?",
                [last?.digest ?? [], limit]
            ) { BlobKey(digest: Array($0.bytes(0))) }
        }
        keys.formUnion(queued)
        return Array(keys.sorted().prefix(limit))
    }

    func unnamed(among keys: [BlobKey]) async throws(Failure) -> [BlobKey] {
        try await readers.read { connection in
            try keys.filter {
                try !connection.finds("SELECT 1 FROM media WHERE digest = ?", [$0.digest])
            }
        }
    }

    func remove(
        _ keys: [BlobKey], at now: Timestamp, deletingBytes: ([BlobKey]) async -> [BlobKey]
    ) async throws(Failure) -> Int {
        let free = pins.beginDeleting(keys)
        defer { pins.endDeleting(free) }
        guard !free.isEmpty else { return 0 }
        let needless = try await writer.write { db in
            try free.filter { key in
                // Each is queued anew, even when the queue holds it, because something has to be written before a file is deleted. A commit that
                // failed for an error of the disk may still lie whole behind the last good one in the log, and recovery after a crash
                // would bring back a row that names the file, unless a later commit took its place.
                try db.run(
                    """
                    INSERT INTO media_removal (digest, queued_at) VALUES (?, ?)
                    ON CONFLICT (digest) DO UPDATE SET queued_at = excluded.queued_at
                    """, [key, now.milliseconds])
                let isNeeded = try db.finds("SELECT 1 WHERE \(ImageLinks.needing("?1"))", [key])
                try db.run("DELETE FROM \(isNeeded ? "media_removal" : "media") WHERE digest = ?", [key])
                return !isNeeded
            }
        }
        // The queue holds from now on what is not deleted at once.
        pins.forgetAbandoned(free)
        let gone = await deletingBytes(needless)
        try await writer.write { db in
            for key in gone { try db.run("DELETE FROM media_removal WHERE digest = ?", [key]) }
        }
        return gone.count
    }
}
