import Foundation
import GRDB
import Personas

/// What ties items to stored images: the rows behind media URLs.
enum ImageLinks {
    /// Where the portrait stands; the reference images count from 0.
    static let portraitPosition = -1

    /// Writes the rows of one image of an item.
    static func insert(_ image: StoredImage, token: RandomToken, position: Int, itemID: Identifier, _ db: Database) throws {
        try db.run(
            "INSERT INTO media (digest, format, width, height, byte_count) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            [image.key.data, image.format.rawValue, image.width, image.height, image.byteCount])
        try db.run(
            "INSERT INTO image_link (pikzonality_id, position, token, digest) VALUES (?, ?, ?, ?)",
            [itemID.data, position, token.data, image.key.data])
    }

    /// Queues the images of items about to be deleted; what another item still needs is found out when the queue is worked off.
    /// - Parameter condition: part of the statement, and so one of few texts, whose values are in `arguments`.
    static func queueRemoval(
        ofItemsWhere condition: String, _ arguments: StatementArguments, at now: Timestamp, _ db: Database
    ) throws {
        try db.run(
            """
            INSERT INTO media_removal (digest, queued_at)
            SELECT DISTINCT digest, ? FROM image_link
            WHERE pikzonality_id IN (SELECT id FROM pikzonality WHERE \(condition))
            ON CONFLICT (digest) DO NOTHING
            """, StatementArguments([now.milliseconds]) + arguments)
    }

    /// Queues one image that may be needless.
    static func queueRemoval(of key: BlobKey, at now: Timestamp, _ db: Database) throws {
        try db.run(
            "INSERT INTO media_removal (digest, queued_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
            [key.data, now.milliseconds])
    }

    /// The reference images of an item in their order.
    static func references(of itemID: Identifier, _ db: Database) throws -> [StoredImage] {
        try db.rows(
            """
            SELECT digest, format, width, height, byte_count FROM image_link JOIN media USING (digest)
            WHERE pikzonality_id = ? AND position >= 0 ORDER BY position
            """, [itemID.data]
        ).map { row in
            let digest: Data = row["digest"]
            return StoredImage(
                key: BlobKey(digest: [UInt8](digest)), format: try row.value("format", as: ImageFormat.self), width: row["width"],
                height: row["height"],
                byteCount: row["byte_count"])
        }
    }
}
