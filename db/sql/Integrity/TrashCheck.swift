import Personas

/// Whether what is in the trash could come back as it was, and whether the earlier states of items lead up to the present ones.
enum TrashCheck {
    /// Items whose links would lead elsewhere.
    static func tokens(_ connection: any SQLConnection) throws -> [Finding] {
        try RowCheck.items(
            connection, RowCheck.disagreeingTokens(of: "trash_item", links: "trash_link", item: "item_id", in: connection.dialect)
        ).map {
            Finding(.tokensDisagree, $0, "The image tokens of the item in the trash are not those of its links")
        }
    }

    /// Items that are in two places, or that others' jobs would come back with.
    static func items(_ connection: any SQLConnection) throws -> [Finding] {
        let twice = try RowCheck.items(connection, "SELECT id FROM trash_item WHERE id IN (SELECT id FROM pikzonality)")
        let working = try RowCheck.items(
            connection,
            """
            SELECT trash_item.id AS id FROM trash_item JOIN training_job ON training_job.id = job_id
            WHERE pikzonality_id IS NOT NULL OR state IN ('queued', 'leased')
            """)
        return twice.map { Finding(.trashDisagrees, $0, "The item is in the trash and among the others") }
            + working.map { Finding(.trashDisagrees, $0, "The job of the item in the trash is still to be done, or another item's") }
    }

    /// Items whose states do not follow one another, and states of items that there are not.
    static func revisions(_ connection: any SQLConnection) throws -> [Finding] {
        try RowCheck.items(
            connection,
            """
            SELECT coalesce(id, item_id) AS id FROM
                (SELECT id, revision FROM pikzonality WHERE revision > 1 UNION ALL SELECT id, revision FROM trash_item WHERE revision > 1)
                AS item FULL JOIN
                (SELECT item_id, count(*) AS count, min(number) AS first, max(number) AS last FROM revision GROUP BY item_id) AS earlier
                ON item_id = id
            WHERE id IS NULL OR item_id IS NULL OR last <> revision - 1 OR first <> revision - count
                OR count <> CASE WHEN revision < \(Limits.revisionsKept) THEN revision ELSE \(Limits.revisionsKept) END - 1
            """
        ).map { Finding(.revisionsDisagree, $0, "The item's earlier states do not lead up to the present one") }
    }
}
