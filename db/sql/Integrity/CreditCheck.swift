import Personas

/// Whether the ledgers of credits agree with themselves, and with the trainings and the top-ups that they tell of.
///
/// Entries never change, so that one which is not as it has to be is damage that only a person can judge. What is kept beside them is derived from them,
/// and can be made anew as long as they are whole.
enum CreditCheck {
    /// A balance that is not the sum of the entries, or a number of entries that is not theirs.
    struct Difference: Sendable {
        let accountID: Identifier
        /// What is kept; nil where nothing is.
        let kept: (balance: Int, entries: Int)?
        /// What the entries come to.
        let counted: (balance: Int, entries: Int)
        /// Whether the entries are without a gap, each with the balance that those up to it come to.
        let isWhole: Bool

        /// Whether there is no doubt what is right: nothing says that there were more entries than there are.
        var isRepairable: Bool { isWhole && counted.entries > 0 && (kept?.entries ?? 0) <= counted.entries }

        /// What is wrong.
        /// - Parameter isRepaired: whether it was made good.
        func finding(repaired isRepaired: Bool) -> Finding {
            let kept = kept.map { "\($0.balance) credits after \($0.entries) entries" } ?? "no credits"
            return Finding(
                isRepairable ? .countsDisagree : .creditsDisagree, accountID.text,
                "The account is said to have \(kept), and has \(counted.balance) after \(counted.entries)", repaired: isRepaired)
        }
    }

    /// Entries with their place and what those up to them come to.
    private static let running = """
        SELECT account_id, number, amount, balance_after, row_number() OVER account AS place, sum(amount) OVER account AS expected
        FROM credit_entry WINDOW account AS (PARTITION BY account_id ORDER BY number)
        """

    /// Every ledger whose balance or number of entries is not what its entries come to at this moment.
    static func differences(_ connection: any SQLConnection) throws -> [Difference] {
        let sql = """
            SELECT account_id, balance, entry_count, CAST(coalesce(total, 0) AS BIGINT), coalesce(count, 0), coalesce(is_whole, 1)
            FROM credit_ledger FULL JOIN (
                SELECT account_id, sum(amount) AS total, count(*) AS count,
                    min(CASE WHEN number = place AND balance_after = expected THEN 1 ELSE 0 END) AS is_whole
                FROM (\(running)) AS entry GROUP BY account_id
            ) AS ledger USING (account_id)
            WHERE balance IS DISTINCT FROM coalesce(total, 0) OR entry_count IS DISTINCT FROM coalesce(count, 0)
            """
        return try connection.all(sql, []) { row in
            Difference(
                accountID: try row.identifier(0), kept: row.integerIfAny(1).map { ($0, row.integerIfAny(2) ?? 0) },
                counted: (Int(row.integer(3)), Int(row.integer(4))), isWhole: row.isTrue(5))
        }
    }

    /// Writes down anew what the entries come to, of a ledger of which there is no doubt.
    static func repair(_ difference: Difference, by writer: any SQLWriter) async throws(Failure) {
        try await writer.write(of: difference.accountID) { db in
            try db.run(
                """
                INSERT INTO credit_ledger (account_id, balance, entry_count)
                SELECT account_id, CAST(sum(amount) AS BIGINT), count(*) FROM credit_entry WHERE account_id = ? GROUP BY account_id
                ON CONFLICT (account_id) DO UPDATE SET balance = excluded.balance, entry_count = excluded.entry_count
                """, [difference.accountID])
        }
    }

    /// Ledgers in which an entry is missing, or is not followed by the balance that it brings about.
    static func entries(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT account_id AS id, min(number) AS number FROM (\(running)) AS entry
            WHERE number <> place OR balance_after <> expected GROUP BY account_id
            """, connection
        ) { "Entry \($0) of the account's ledger does not follow from those before it" }
    }

    /// Refunds that give back nothing that was charged, or something else. That no charge is given back twice the database itself sees to.
    static func refunds(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT refund.account_id AS id, refund.number FROM credit_entry AS refund LEFT JOIN credit_entry AS charge
                ON charge.account_id = refund.account_id AND charge.number = refund.charge_number
            WHERE refund.kind = 'refund' AND (charge.kind IS DISTINCT FROM 'charge' OR charge.number > refund.number
                OR charge.item_id <> refund.item_id OR charge.amount <> -refund.amount)
            """, connection
        ) { "Entry \($0) of the account's ledger is not the refund of the charge that it names" }
    }

    /// Charges that wait for the end of a training that does not run, or that cannot be what it cost.
    static func openCharges(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT open_charge.item_id AS id, open_charge.charge_number AS number FROM open_charge
                LEFT JOIN pikzonality AS item ON item.id = open_charge.item_id
                LEFT JOIN credit_entry AS charge
                    ON charge.account_id = open_charge.account_id AND charge.number = open_charge.charge_number
            WHERE item.status IS DISTINCT FROM 'processing' OR item.account_id <> open_charge.account_id
                OR charge.kind IS DISTINCT FROM 'charge' OR charge.item_id <> open_charge.item_id
                OR EXISTS (SELECT 1 FROM credit_entry AS refund
                    WHERE refund.account_id = open_charge.account_id AND refund.charge_number = open_charge.charge_number)
            """, connection
        ) { "A training waits to be settled with entry \($0) of its account's ledger, which is settled or not its charge" }
    }

    /// Items that have been paid for otherwise than their trainings went: each that ended badly is given back, one that ended well is not, and one that
    /// runs is open. One that cost nothing as it began stands nowhere.
    static func trainings(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            WITH charges AS MATERIALIZED (
                SELECT charge.item_id, charge.account_id, max(charge.number) AS last,
                    count(*) FILTER (WHERE refund.number IS NULL AND open_charge.item_id IS NULL) AS paid,
                    max(charge.number) FILTER (WHERE refund.number IS NULL AND open_charge.item_id IS NULL) AS last_paid
                FROM credit_entry AS charge
                LEFT JOIN credit_entry AS refund ON refund.account_id = charge.account_id AND refund.charge_number = charge.number
                LEFT JOIN open_charge ON open_charge.item_id = charge.item_id AND open_charge.charge_number = charge.number
                WHERE charge.kind = 'charge' GROUP BY charge.item_id, charge.account_id
            ), item AS (SELECT id, account_id, status FROM pikzonality UNION ALL SELECT id, account_id, status FROM trash_item)
            SELECT item.id AS id, last_paid AS number FROM item JOIN charges ON charges.item_id = item.id
            WHERE paid > CASE item.status WHEN 'completed' THEN 1 ELSE 0 END OR last_paid < last OR paid > 0 AND charges.account_id <> item.account_id
            """, connection
        ) { "The item has kept what entry \($0) of its account's ledger charged, for a training that did not end well" }
    }

    /// Items whose training goes on or has ended well, and which were given back what it cost all the same. It is known by the moment in which its job was
    /// made, because of the trainings of an item some may cost nothing.
    static func earlyRefunds(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT item.id AS id, refund.number FROM (
                SELECT item_id, account_id, number, at, row_number() OVER (PARTITION BY item_id ORDER BY number DESC) AS place
                FROM credit_entry WHERE kind = 'charge'
            ) AS last_charge
            JOIN credit_entry AS refund ON refund.account_id = last_charge.account_id AND refund.charge_number = last_charge.number
            JOIN pikzonality AS item ON item.id = last_charge.item_id AND item.status <> 'failed'
            JOIN training_job AS job ON job.pikzonality_id = item.id AND job.created_at = last_charge.at
                AND job.state IN ('queued', 'leased', 'completed')
            WHERE last_charge.place = 1
            """, connection
        ) { "Entry \($0) of its account's ledger gives back a training of the item that goes on or ended well" }
    }

    /// Entries that credit what nobody paid, or other than was asked for. That no top-up is credited twice the database itself sees to.
    static func credited(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT entry.account_id AS id, entry.number FROM credit_entry AS entry LEFT JOIN top_up ON top_up.id = entry.top_up_id
            WHERE entry.kind = 'top_up' AND (top_up.status IS DISTINCT FROM 'paid' OR top_up.account_id <> entry.account_id
                OR top_up.amount <> entry.amount)
            """, connection
        ) { "Entry \($0) of the account's ledger is not the top-up that was paid" }
    }

    /// Top-ups that were paid and stand in no ledger.
    static func paid(_ connection: any SQLConnection) throws -> [Finding] {
        try findings(
            """
            SELECT asked.id AS id, asked.amount AS number FROM top_up AS asked
            WHERE status = 'paid' AND NOT EXISTS (SELECT 1 FROM credit_entry WHERE top_up_id = asked.id)
            """, connection
        ) { "A top-up of \($0) credits was paid, and stands in no ledger" }
    }

    /// The findings of a query, each with a number that it is told with.
    private static func findings(_ sql: String, _ connection: any SQLConnection, _ detail: (_ number: Int) -> String) throws -> [Finding] {
        try connection.all(sql, []) { row in
            Finding(.creditsDisagree, try row.identifier(0).text, detail(Int(row.integer(1))))
        }
    }
}
