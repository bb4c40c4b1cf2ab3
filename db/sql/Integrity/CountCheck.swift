import Personas

/// Whether the counts of items and of their bytes are what there is.
enum CountCheck {
    /// A count that is not, by what it counts.
    struct Difference: Sendable {
        /// What is counted.
        enum Subject: Sendable {
            case items(mode: String, status: String)
            case trash(mode: String)
            case storedBytes
        }

        let accountID: Identifier
        let subject: Subject
        let kept: Int
        let counted: Int

        /// What is wrong.
        /// - Parameter isRepaired: whether it was made good.
        func finding(repaired isRepaired: Bool) -> Finding {
            let detail =
                switch subject {
                case .items(let mode, let status):
                    "The account is said to have \(kept) items of mode \(mode) and status \(status), and has \(counted)"
                case .trash(let mode):
                    "The account is said to have \(kept) items of mode \(mode) in the trash, and has \(counted)"
                case .storedBytes: "The images of the account are said to have \(kept) bytes, and have \(counted)"
                }
            return Finding(.countsDisagree, accountID.text, detail, repaired: isRepaired)
        }
    }

    /// Every count that is not what there is at this moment.
    static func differences(_ connection: any SQLConnection) throws -> [Difference] {
        let items = try connection.all(
            """
            SELECT account_id, kept, counted, mode, status FROM (
                SELECT account_id, mode, status, coalesce(count, 0) AS kept, coalesce(number, 0) AS counted FROM item_count FULL JOIN
                    (SELECT account_id, mode, status, count(*) AS number FROM pikzonality GROUP BY account_id, mode, status) AS item
                USING (account_id, mode, status)) AS both_counts WHERE kept <> counted
            """, []
        ) { row in try difference(row, .items(mode: try row.requiredText(3), status: try row.requiredText(4))) }
        let trash = try connection.all(
            """
            SELECT account_id, kept, counted, mode FROM (
                SELECT account_id, mode, coalesce(count, 0) AS kept, coalesce(number, 0) AS counted FROM trash_count FULL JOIN
                    (SELECT account_id, mode, count(*) AS number FROM trash_item GROUP BY account_id, mode) AS item
                USING (account_id, mode)) AS both_counts WHERE kept <> counted
            """, []
        ) { row in try difference(row, .trash(mode: try row.requiredText(3))) }
        let bytes = try connection.all(
            """
            SELECT account_id, kept, counted FROM (
                SELECT account_id, coalesce(count, 0) AS kept, CAST(coalesce(number, 0) AS BIGINT) AS counted FROM stored_bytes FULL JOIN
                    (SELECT account_id, sum(number) AS number FROM (
                        \(StoredBytes.counted) GROUP BY account_id UNION ALL \(StoredBytes.countedInTrash) GROUP BY account_id) AS images
                    GROUP BY account_id) AS item
                USING (account_id)) AS both_counts WHERE kept <> counted
            """, []
        ) { row in try difference(row, .storedBytes) }
        return items + trash + bytes
    }

    /// Reads a row of the account, what is kept and what is counted.
    private static func difference(_ row: SQLRow, _ subject: Difference.Subject) throws -> Difference {
        Difference(accountID: try row.identifier(0), subject: subject, kept: Int(row.integer(1)), counted: Int(row.integer(2)))
    }

    /// Counts anew what is counted wrongly. One at a time, because what writes waits meanwhile.
    static func repair(_ difference: Difference, by writer: any SQLWriter) async throws(Failure) {
        let id = difference.accountID
        try await writer.write(of: id) { db in
            switch difference.subject {
            case .items(let mode, let status):
                try db.run(
                    """
                    INSERT INTO item_count (account_id, mode, status, count)
                    SELECT account.id, ?2, ?3, (SELECT count(*) FROM pikzonality WHERE account_id = ?1 AND mode = ?2 AND status = ?3)
                    FROM account WHERE account.id = ?1
                    ON CONFLICT (account_id, mode, status) DO UPDATE SET count = excluded.count
                    """, [id, mode, status])
            case .trash(let mode):
                try db.run(
                    """
                    INSERT INTO trash_count (account_id, mode, count)
                    SELECT account.id, ?2, (SELECT count(*) FROM trash_item WHERE account_id = ?1 AND mode = ?2)
                    FROM account WHERE account.id = ?1
                    ON CONFLICT (account_id, mode) DO UPDATE SET count = excluded.count
                    """, [id, mode])
            case .storedBytes:
                try db.run(
                    """
                    INSERT INTO stored_bytes (account_id, count)
                    SELECT account.id, CAST(
                        coalesce((SELECT number FROM (\(StoredBytes.counted) AND account_id = ?1 GROUP BY account_id) AS listed), 0)
                        + coalesce((SELECT number FROM (\(StoredBytes.countedInTrash) AND account_id = ?1 GROUP BY account_id) AS away), 0)
                        AS BIGINT)
                    FROM account WHERE account.id = ?1
                    ON CONFLICT (account_id) DO UPDATE SET count = excluded.count
                    """, [id])
            }
        }
    }
}
