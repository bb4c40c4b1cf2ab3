import Foundation
import Personas

/// The rows of items in the trash, and the two ways of a row between there and the collection.
///
/// An item is in its new place before it leaves the old one, which is what tells the triggers that it is not gone.
enum TrashRows {
    /// What a row has beside the item: which of its states it is in.
    private static let revisionColumns = "revision, revised_at, revision_request_id"

    private static let intoTrash = """
        INSERT INTO trash_item (\(ItemRow.columnNames), \(revisionColumns), job_id, trashed_at, purge_at)
        SELECT \(ItemRow.columnNames), \(revisionColumns),
            (SELECT training_job.id FROM training_job WHERE pikzonality_id = ?1 ORDER BY training_job.id DESC LIMIT 1), ?2, ?3
        FROM pikzonality WHERE id = ?1
        """

    /// What `decode` expects, in its order.
    private static let columns = "\(ItemRow.columns(of: "trash_item")), trash_item.trashed_at, trash_item.purge_at"

    /// Moves a stored item whose training has ended into the trash. Its links are dead from then on, and its images stay.
    ///
    /// The caller tells of it, with `EventKind.trashed`.
    static func put(_ trashed: TrashedItem, _ db: any SQLTransaction) throws {
        let id = trashed.item.id
        try db.run(intoTrash, [id, trashed.trashedAt.milliseconds, trashed.purgeAt.milliseconds])
        let image = ImageLinks.imageColumns(in: db.dialect)
        try db.run(
            """
            INSERT INTO trash_link (item_id, position, token, \(image))
            SELECT pikzonality_id, position, token, \(image) FROM image_link WHERE pikzonality_id = ?
            """, [id])
        // The last job waits for the item to come back. Of those before it nobody asks.
        try db.run(
            """
            DELETE FROM training_job WHERE pikzonality_id = ?1 AND state IN ('completed', 'failed')
                AND id <> (SELECT job_id FROM trash_item WHERE id = ?1)
            """, [id])
        try db.run("DELETE FROM pikzonality WHERE id = ?", [id])
    }

    /// Moves an item back: its row, its links, and its job if that is still there.
    /// - Parameters:
    ///   - trashed: the item as it lies in the trash.
    ///   - item: the same, or with details that it is given anew.
    static func takeBack(_ trashed: Pikzonality, as item: Pikzonality, requestID: String?, _ db: any SQLTransaction) throws {
        let id = item.id
        try ItemRow.insert(item, requestID: nil, db)
        try db.run(
            "UPDATE pikzonality SET (\(revisionColumns)) = (SELECT \(revisionColumns) FROM trash_item WHERE id = ?1) WHERE id = ?1", [id])
        if item.details != trashed.details { try RevisionRows.keep(trashed, becoming: item, requestID: requestID, db) }
        let image = ImageLinks.imageColumns(in: db.dialect)
        try db.run(
            """
            INSERT INTO image_link (pikzonality_id, position, token, \(image))
            SELECT item_id, position, token, \(image) FROM trash_link WHERE item_id = ?
            """, [id])
        try db.run("UPDATE training_job SET pikzonality_id = ?1 WHERE id = (SELECT job_id FROM trash_item WHERE id = ?1)", [id])
        try db.run("DELETE FROM trash_item WHERE id = ?", [id])
    }

    /// Removes an item for good, and queues its images; what another item still needs is found out when the queue is worked off.
    ///
    /// The caller tells of it, with `Outbox.appendDeleted`.
    static func remove(_ id: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try remove(where: "trash_item.id = ?1", id, at: now, db)
    }

    /// Removes all items of an account that is itself about to go.
    static func removeAll(of accountID: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try remove(where: "trash_item.account_id = ?1", accountID, at: now, db)
    }

    private static func remove(where condition: String, _ id: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            """
            INSERT INTO media_removal (digest, queued_at)
            SELECT DISTINCT digest, ?2 FROM trash_item JOIN trash_link ON item_id = trash_item.id WHERE \(condition) ORDER BY digest
            ON CONFLICT (digest) DO NOTHING
            """, [id, now.milliseconds])
        // One that was cancelled stays for a while, for its worker to be told.
        try db.run(
            """
            DELETE FROM training_job WHERE state IN ('completed', 'failed') AND id IN (SELECT job_id FROM trash_item WHERE \(condition))
            """, [id])
        try db.run("DELETE FROM trash_item WHERE \(condition)", [id])
    }

    /// One item, nil if it is not in the trash.
    static func find(_ id: Identifier, _ connection: any SQLConnection) throws -> TrashedItem? {
        try connection.first("SELECT \(columns) FROM trash_item WHERE id = ?", [id], row: decode)
    }

    /// Items whose time is over, at most so many, those first that should have gone first.
    static func expired(at now: Timestamp, limit: Int, _ connection: any SQLConnection) throws -> [TrashedItem] {
        let sql = "SELECT \(columns) FROM trash_item WHERE purge_at <= ? ORDER BY purge_at LIMIT ?"
        return try connection.all(sql, [now.milliseconds, limit]) { try decode($0) }
    }

    /// A page of items, the newest first: a walk along an index for each mode, of one account or of all.
    static func page(
        mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier?, _ connection: any SQLConnection,
        row: (TrashedItem, _ accountName: String) throws -> Void
    ) throws {
        var arguments: SQLValues = [limit]
        var conditions: [String] = []
        if let accountID {
            arguments.append(accountID)
            conditions.append("account_id = ?\(arguments.count)")
        }
        if let after {
            arguments += [after.trashedAt.milliseconds, after.id]
            conditions.append("(trashed_at, id) < (?\(arguments.count - 1), ?\(arguments.count))")
        }
        let walks = (mode.map { [$0] } ?? Mode.allCases).map { mode in
            let condition = (["mode = '\(mode.rawValue)'"] + conditions).joined(separator: " AND ")
            return """
                SELECT \(columns), (SELECT name FROM account WHERE account.id = account_id) AS account_name FROM trash_item WHERE \(condition)
                """
        }
        let sql = connection.dialect.merging(walks, order: "trashed_at DESC, id DESC", limit: "?1")
        try connection.query(sql, arguments) { try row(try decode($0), $0.text(ItemRow.columnCount + 2) ?? "") }
    }

    /// One item with what stands behind it, for an operator; nil if it is not in the trash.
    static func details(of id: Identifier, _ connection: any SQLConnection) throws -> OperatorItemDetails? {
        let sql = "SELECT \(columns), (SELECT name FROM account WHERE account.id = account_id) FROM trash_item WHERE id = ?"
        guard
            let (trashed, accountName) = try connection.first(
                sql, [id], row: { (try decode($0), $0.text(ItemRow.columnCount + 2) ?? "") })
        else { return nil }
        var images: [(position: Int64, image: StoredImage)] = []
        try connection.query(
            """
            SELECT digest, format, width, height, byte_count, \(connection.dialect.namesObjects ? "media.object" : "NULL"), position
            FROM trash_link JOIN media USING (digest) WHERE item_id = ? ORDER BY position
            """, [id]
        ) { images.append(($0.integer(6), try ImageLinks.decode($0))) }
        return OperatorItemDetails(
            item: OperatorItem(item: trashed.item, accountName: accountName),
            job: try JobRow.latest(ofTrashedItem: id, connection).map { ($0.job, $0.createdAt) },
            references: images.filter { $0.position >= 0 }.map(\.image),
            portrait: images.first { $0.position == ImageLinks.portraitPosition }?.image, trashed: trashed)
    }

    private static func decode(_ row: SQLRow) throws -> TrashedItem {
        TrashedItem(
            item: try ItemRow.decode(row), trashedAt: row.timestamp(ItemRow.columnCount), purgeAt: row.timestamp(ItemRow.columnCount + 1))
    }
}
