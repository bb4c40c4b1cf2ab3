import Foundation
import GRDB
import Personas

/// The rows of items in the trash, and the two ways of a row between there and the collection.
///
/// A row is copied as it stands, so that what comes back is what went. It is in its new place before it leaves the old one, which is what tells the
/// triggers that the item is not gone.
enum TrashRows {
    /// What a row has beside the item: which of its states it is in.
    private static let revisionColumns = "revision, revised_at, revision_request_id"

    private static let intoTrash = """
        INSERT INTO trash_item (\(ItemRow.columnNames), \(revisionColumns), job_id, trashed_at, purge_at)
        SELECT \(ItemRow.columnNames), \(revisionColumns),
            (SELECT training_job.id FROM training_job WHERE pikzonality_id = ?1 ORDER BY training_job.id DESC LIMIT 1), ?2, ?3
        FROM pikzonality WHERE id = ?1
        """

    /// Moves a stored item whose training has ended into the trash. Its links are dead from then on, and its images stay.
    ///
    /// The caller tells of it, with `EventKind.trashed`.
    /// - Parameter purgeAt: when it is to go for good.
    static func put(_ item: Pikzonality, at now: Timestamp, purgeAt: Timestamp, _ db: Database) throws {
        let id = item.id.data
        try db.run(intoTrash, [id, now.milliseconds, purgeAt.milliseconds])
        try db.run(
            """
            INSERT INTO trash_link (item_id, position, token, digest)
            SELECT pikzonality_id, position, token, digest FROM image_link WHERE pikzonality_id = ?
            """, [id])
        // The last job waits for the item to come back. Of those before it nobody asks.
        try db.run(
            """
            DELETE FROM training_job WHERE pikzonality_id = ?1 AND state IN ('completed', 'failed')
                AND id <> (SELECT job_id FROM trash_item WHERE id = ?1)
            """, [id])
        try db.run("DELETE FROM pikzonality WHERE id = ?", [id])
    }
}
