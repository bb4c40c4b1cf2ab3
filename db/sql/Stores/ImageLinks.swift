import Foundation
import Personas

/// What ties items to stored images: the rows behind media URLs.
enum ImageLinks {
    /// Where the portrait stands; the reference images count from 0.
    static let portraitPosition = -1

    /// The images behind links, as `decode` expects them.
    private static func select(in dialect: SQLDialect) -> String {
        let object = dialect.namesObjects ? "media.object" : "NULL"
        return "SELECT digest, format, width, height, byte_count, \(object) FROM image_link JOIN media USING (digest)"
    }

    /// A condition that is true where something needs an image, be it in the trash.
    /// - Parameter digest: what stands for its digest in the statement.
    static func needing(_ digest: String) -> String {
        """
        (EXISTS (SELECT 1 FROM image_link WHERE image_link.digest = \(digest))
            OR EXISTS (SELECT 1 FROM trash_link WHERE trash_link.digest = \(digest)))
        """
    }

    private static let byToken = FixedQuery("\(select(in: .sqlite)) WHERE token = ?")
    private static let objectByToken = FixedQuery("\(select(in: .postgres)) WHERE token = ?")

    /// The columns of a link that say which image it leads to.
    static func imageColumns(in dialect: SQLDialect) -> String { dialect.namesObjects ? "digest, object" : "digest" }

    /// Writes the rows of one image of an item.
    static func insert(_ image: StoredImage, token: RandomToken, position: Int, itemID: Identifier, _ db: any SQLTransaction) throws {
        if db.dialect.namesObjects {
            // Its row is there since it was pinned. Where it is not any more, because that was too long ago, the link is refused.
            try db.run("UPDATE media SET is_stored = 1 WHERE digest = ? AND object = ? AND is_stored = 0", [image.key, image.key.object])
            return try db.run(
                "INSERT INTO image_link (pikzonality_id, position, token, digest, object) VALUES (?, ?, ?, ?, ?)",
                [itemID, position, token, image.key, image.key.object])
        }
        try db.run(
            "INSERT INTO media (digest, format, width, height, byte_count) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            [image.key, image.format.rawValue, image.width, image.height, image.byteCount])
        try db.run(
            "INSERT INTO image_link (pikzonality_id, position, token, digest) VALUES (?, ?, ?, ?)",
            [itemID, position, token, image.key])
    }

    /// Queues the images of items about to be deleted; what another item still needs is found out when the queue is worked off.
    /// - Parameter condition: part of the statement, and so one of few texts, whose values are in `arguments`.
    static func queueRemoval(
        ofItemsWhere condition: String, _ arguments: SQLValues, at now: Timestamp, _ db: any SQLTransaction
    ) throws {
        try db.run(
            """
            INSERT INTO media_removal (digest, queued_at)
            SELECT DISTINCT digest, ? FROM image_link
            WHERE pikzonality_id IN (SELECT id FROM pikzonality WHERE \(condition)) ORDER BY digest
            ON CONFLICT (digest) DO NOTHING
            """, [now.milliseconds] + arguments)
    }

    /// Queues one image that may be needless.
    static func queueRemoval(of key: BlobKey, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            "INSERT INTO media_removal (digest, queued_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
            [key, now.milliseconds])
    }

    /// The image behind a token, nil if there is none.
    static func find(_ token: RandomToken, _ connection: any SQLConnection) throws -> StoredImage? {
        try connection.first(connection.dialect.namesObjects ? objectByToken : byToken, { $0.bind(token) }, row: decode)
    }

    /// The reference images of an item in their order.
    static func references(of itemID: Identifier, _ connection: any SQLConnection) throws -> [StoredImage] {
        var images: [StoredImage] = []
        try connection.query("\(select(in: connection.dialect)) WHERE pikzonality_id = ? AND position >= 0 ORDER BY position", [itemID]) {
            images.append(try decode($0))
        }
        return images
    }

    /// The portrait of an item, nil while it has none.
    static func portrait(of itemID: Identifier, _ connection: any SQLConnection) throws -> StoredImage? {
        try connection.first("\(select(in: connection.dialect)) WHERE pikzonality_id = ? AND position = -1", [itemID], row: decode)
    }

    /// Reads a row of `select`.
    static func decode(_ row: SQLRow) throws -> StoredImage {
        guard let format = ImageFormat(rawValue: try row.requiredText(1)) else {
            throw Failure.unexpected("An image is of no known format")
        }
        return StoredImage(
            key: BlobKey(digest: Array(row.bytes(0)), object: Identifier(bytes: row.bytes(5))), format: format, width: Int(row.integer(2)),
            height: Int(row.integer(3)),
            byteCount: Int(row.integer(4)))
    }
}
