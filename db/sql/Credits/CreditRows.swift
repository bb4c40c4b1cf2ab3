import Foundation
import Personas

/// Writes ledgers, within the transaction of what an entry is about, and tells of each entry.
struct CreditRows: Sendable {
    /// Whether somebody can be asked to buy credits, so that charges ask for top-ups.
    var asksForTopUps = false

    private static let ledgerOfAccount = FixedQuery("SELECT balance, entry_count FROM credit_ledger WHERE account_id = ?")

    /// The ledger of an account as it stands.
    static func ledger(of accountID: Identifier, _ connection: any SQLConnection) throws -> CreditLedger {
        let stored = try connection.first(ledgerOfAccount, { $0.bind(accountID) }) { row in
            CreditLedger(of: accountID, balance: Int(row.integer(0)), entryCount: Int(row.integer(1)))
        }
        return stored ?? CreditLedger(of: accountID)
    }

    /// Adds an entry to the ledger of an account.
    /// - Parameters:
    ///   - chargeNumber: the number of the charge that a refund gives back.
    ///   - topUpID: the top-up that was paid for.
    ///   - requestID: the request of the account that brought it about, if one did.
    @discardableResult
    func append(
        to accountID: Identifier, givingBack chargeNumber: Int? = nil, paidBy topUpID: Identifier? = nil, requestID: String?,
        _ db: any SQLTransaction,
        _ next: (inout CreditLedger) throws(Failure) -> CreditEntry
    ) throws -> CreditEntry {
        var ledger = try Self.ledger(of: accountID, db)
        let entry = try next(&ledger)
        try db.run(
            """
            INSERT INTO credit_ledger (account_id, balance, entry_count) VALUES (?, ?, ?)
            ON CONFLICT (account_id) DO UPDATE SET balance = excluded.balance, entry_count = excluded.entry_count
            """, [accountID, ledger.balance, ledger.entryCount])
        try db.run(
            """
            INSERT INTO credit_entry (account_id, number, id, kind, amount, balance_after, item_id, note, at, charge_number, top_up_id)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                accountID, entry.number, entry.id, entry.kind.rawValue, entry.amount, entry.balanceAfter, entry.itemID,
                entry.note, entry.at.milliseconds, chargeNumber, topUpID,
            ])
        try Outbox.appendCredits(entry, requestID: requestID, db)
        return entry
    }

    /// Charges the training of an item that begins, and asks for a top-up where that leaves few credits.
    /// - Parameter price: what it costs; nil where there are no prices.
    /// - Returns: what the account has left; nil where there are no prices.
    /// - Throws: `insufficientCredits`.
    func charge(_ price: Int?, for item: Pikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws -> Int? {
        guard let price else { return nil }
        guard price > 0 else { return try Self.ledger(of: item.accountID, db).balance }
        let entry = try append(to: item.accountID, requestID: requestID, db) { (ledger) throws(Failure) in
            try ledger.charge(price, for: item.id, at: now)
        }
        try db.run(
            "INSERT INTO open_charge (item_id, account_id, charge_number) VALUES (?, ?, ?)",
            [item.id, item.accountID, entry.number])
        if asksForTopUps { try TopUpRows.ask(after: entry, db) }
        return entry.balanceAfter
    }

    /// Makes sure that a training can be charged which nobody waits with, and asks for a top-up where that helps. Nothing else is written.
    /// - Throws: `insufficientCredits`, `topUpFailed`.
    func requireCovered(_ price: Int, of accountID: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        guard asksForTopUps else { return try Self.ledger(of: accountID, db).requireCovered(price) }
        let standing = try TopUpRows.standing(of: accountID, db)
        var isTopUpAsked = true
        switch standing.coverage(of: price) {
        case .covered: return
        case .askable(let amount): try TopUpRows.insert(amount, of: accountID, balance: standing.balance, at: now, db)
        case .awaited: break
        case .short: isTopUpAsked = false
        case .paused: throw Failure.topUpFailed
        }
        throw Failure.insufficientCredits(CreditShortage(price: price, balance: standing.balance, isTopUpAsked: isTopUpAsked))
    }

    /// Settles what a training cost that has ended: paid for where it ended well, given back where it did not.
    ///
    /// Nothing was charged where there were no prices as it began. What was charged is given back also where there are none any more.
    func settle(_ item: Pikzonality, isRefunded: Bool, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws {
        let open = try db.first(
            """
            DELETE FROM open_charge WHERE item_id = ?1 RETURNING charge_number,
                (SELECT -amount FROM credit_entry WHERE account_id = open_charge.account_id AND number = open_charge.charge_number) AS price
            """, [item.id]
        ) { (number: Int($0.integer(0)), price: Int($0.integer(1))) }
        guard isRefunded, let open else { return }
        try append(to: item.accountID, givingBack: open.number, requestID: requestID, db) { $0.refund(open.price, for: item.id, at: now) }
    }
}
