import Foundation
import GRDB
import Personas

/// Whether the counts of items are what there is.
enum CountCheck {
    /// A count that is not, by what it counts.
    struct Difference: Sendable {
        let accountID: Identifier
        let mode: String
        let status: String
        let kept: Int
        let counted: Int

        /// What is wrong.
        /// - Parameter isRepaired: whether it was made good.
        func finding(repaired isRepaired: Bool) -> Finding {
            let detail = "The account is said to have \(kept) items of mode \(mode) and status \(status), and has \(counted)"
            return Finding(.countsDisagree, accountID.text, detail, repaired: isRepaired)
        }
    }

    /// Every count that is not what there is at this moment.
    static func differences(_ db: Database) throws -> [Difference] {
        let rows = try Row.fetchAll(
            db,
            sql: """
                SELECT account_id, mode, status, coalesce(count, 0) AS kept, coalesce(number, 0) AS counted FROM item_count FULL JOIN
                (SELECT account_id, mode, status, count(*) AS number FROM pikzonality GROUP BY account_id, mode, status)
                USING (account_id, mode, status) WHERE kept <> counted
                """)
        return try rows.map { row in
            Difference(
                accountID: try row.identifier("account_id"), mode: row["mode"], status: row["status"], kept: row["kept"],
                counted: row["counted"])
        }
    }

    /// Counts anew what is counted wrongly. One at a time, because what writes waits meanwhile.
    static func repair(_ difference: Difference, by writer: GroupWriter) async throws(Failure) {
        try await writer.write { db in
            try db.run(
                """
                INSERT INTO item_count (account_id, mode, status, count)
                SELECT account.id, ?2, ?3, (SELECT count(*) FROM pikzonality WHERE account_id = ?1 AND mode = ?2 AND status = ?3)
                FROM account WHERE account.id = ?1
                ON CONFLICT (account_id, mode, status) DO UPDATE SET count = excluded.count
                """, [difference.accountID.data, difference.mode, difference.status])
        }
    }
}
