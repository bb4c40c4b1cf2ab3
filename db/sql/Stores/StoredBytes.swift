import Personas

/// What accounts have of what there are quotas of, as triggers keep it.
enum StoredBytes {
    private static let usage = FixedQuery(
        """
        SELECT items_max, stored_bytes_max, CAST((SELECT coalesce(sum(count), 0) FROM item_count WHERE account_id = ?1)
                + (SELECT coalesce(sum(count), 0) FROM trash_count WHERE account_id = ?1) AS BIGINT),
            coalesce((SELECT count FROM stored_bytes WHERE account_id = ?1), 0) FROM account WHERE id = ?1
        """)

    /// What an account has, and how much it may have; nil where there is no such account.
    static func usage(_ accountID: Identifier, _ connection: any SQLConnection) throws -> AccountUsage? {
        try connection.first(usage) {
            $0.bind(accountID)
        } row: { row in
            AccountUsage(
                quota: AccountQuota(itemsMax: row.integerIfAny(0), storedBytesMax: row.integerIfAny(1)), items: Int(row.integer(2)),
                storedBytes: Int(row.integer(3)))
        }
    }

    /// What the images of items have together, by account. What follows chooses the items.
    static let counted = """
        SELECT account_id, sum(byte_count) AS number FROM pikzonality JOIN image_link ON pikzonality_id = pikzonality.id
        JOIN media USING (digest) WHERE position >= 0
        """

    /// The same of items in the trash, which count as well.
    static let countedInTrash = """
        SELECT account_id, sum(byte_count) AS number FROM trash_item JOIN trash_link ON item_id = trash_item.id
        JOIN media USING (digest) WHERE position >= 0
        """
}
