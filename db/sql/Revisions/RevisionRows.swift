import Foundation
import Personas

/// The rows of earlier states of items. The present state lies in the item's own row, so that an item which is never changed has none here.
enum RevisionRows {
    /// What a query selects of a state, as `decode` expects it.
    private static let columns = "number, changed_at, request_id, name, special_instructions, external_id, metadata"

    /// The present state of an item that is not in the trash.
    private static let present = """
        SELECT coalesce(revision, 1) AS number, coalesce(revised_at, created_at) AS changed_at, revision_request_id AS request_id, name,
            special_instructions, external_id, metadata FROM pikzonality WHERE id = ?1
        """

    /// Keeps the state of an item that an owner's change of it ends. To be called in the transaction of the change, as long as nothing was written of what
    /// the row says about its present state.
    /// - Parameters:
    ///   - before: the item before the change.
    ///   - item: the item after it.
    static func keep(_ before: Pikzonality, becoming item: Pikzonality, requestID: String?, _ db: any SQLTransaction) throws {
        let id = item.id
        try db.run(
            """
            INSERT INTO revision (item_id, \(columns))
            SELECT id, coalesce(revision, 1), coalesce(revised_at, created_at), revision_request_id, ?2, ?3, ?4, ?5
            FROM pikzonality WHERE id = ?1
            """, [id] + ItemRow.details(of: before))
        try db.run(
            """
            UPDATE pikzonality SET revision = coalesce(revision, 1) + 1, revised_at = ?2, revision_request_id = ?3 WHERE id = ?1
            """, [id, item.updatedAt.milliseconds, requestID])
        try db.run(
            "DELETE FROM revision WHERE item_id = ?1 AND number <= (SELECT revision FROM pikzonality WHERE id = ?1) - ?2",
            [id, Limits.revisionsKept])
    }

    /// States of an item, the present one first.
    static func page(of id: Identifier, before number: Int?, limit: Int, _ connection: any SQLConnection) throws -> [Revision] {
        return try connection.all(
            """
            SELECT \(columns) FROM (\(present)) AS present WHERE number < ?2
            UNION ALL SELECT \(columns) FROM revision WHERE item_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3
            """, [id, number.map(Int64.init) ?? .max, limit]
        ) { try decode($0) }
    }

    /// One state of an item; nil where there is none of the number.
    static func find(_ number: Int, of id: Identifier, _ connection: any SQLConnection) throws -> Revision? {
        try connection.first(
            """
            SELECT \(columns) FROM (\(present)) AS present WHERE number = ?2
            UNION ALL SELECT \(columns) FROM revision WHERE item_id = ?1 AND number = ?2
            """, [id, number], row: decode)
    }

    private static func decode(_ row: SQLRow) throws -> Revision {
        Revision(
            number: Int(row.integer(0)),
            details: PikzonalityDetails(
                name: Name(stored: row.bytes(3)), specialInstructions: row.text(4), externalID: row.text(5),
                metadata: Metadata(stored: row.bytes(6))),
            changedAt: row.timestamp(1), requestID: row.text(2))
    }
}
