import Foundation
import Personas

/// The rows of what those who pay have asked for, and of top-ups.
enum TopUpRows {
    /// What `decode` expects, in its order.
    static let columns = "id, account_id, amount, balance, requested_at, attempts, next_attempt_at"

    private static let smartBalanceOfAccount = FixedQuery("SELECT threshold, amount, paused_reason FROM smart_balance WHERE account_id = ?")
    private static let openOfAccount = FixedQuery("SELECT \(columns) FROM top_up WHERE account_id = ? AND status = 'open'")

    /// How an account stands with its credits, for whoever reads beside the writer: a top-up that is paid meanwhile is still asked for or in the balance,
    /// never neither.
    static func standingAtOneMoment(of accountID: Identifier, _ connection: any SQLConnection) throws -> CreditStanding {
        try connection.atOneMoment { try standing(of: accountID, connection) }
    }

    /// How an account stands with its credits.
    static func standing(of accountID: Identifier, _ connection: any SQLConnection) throws -> CreditStanding {
        CreditStanding(
            balance: try CreditRows.ledger(of: accountID, connection).balance, smartBalance: try smartBalance(of: accountID, connection),
            topUp: try connection.first(openOfAccount, { $0.bind(accountID) }, row: decode))
    }

    /// What somebody has asked for who pays for an account; nil for nothing.
    static func smartBalance(of accountID: Identifier, _ connection: any SQLConnection) throws -> SmartBalance? {
        try connection.first(smartBalanceOfAccount, { $0.bind(accountID) }) { row in
            SmartBalance(
                threshold: try CreditAmount(Int(row.integer(0)), of: .own("threshold")),
                amount: try CreditAmount(Int(row.integer(1)), of: .own("amount")), pausedReason: row.text(2))
        }
    }

    /// Asks for a top-up where a charge has left fewer credits than somebody wants the account to have, unless one is asked for already.
    static func ask(after charge: CreditEntry, _ db: any SQLTransaction) throws {
        let standing = try standing(of: charge.accountID, db)
        guard let smartBalance = standing.smartBalance, smartBalance.isWanted(at: standing.balance), standing.topUp == nil else { return }
        try insert(smartBalance.amount, of: charge.accountID, balance: standing.balance, at: charge.at, db)
    }

    /// Asks for a top-up.
    static func insert(_ amount: CreditAmount, of accountID: Identifier, balance: Int, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            "INSERT INTO top_up (id, account_id, amount, balance, requested_at, next_attempt_at) VALUES (?, ?, ?, ?, ?, ?)",
            [
                Identifier.timeOrdered(at: now), accountID, amount.value, balance, now.milliseconds, now.milliseconds,
            ])
    }

    /// Reads the row of one whose outcome is not known, whose columns are `columns`.
    static func decode(_ row: SQLRow) throws -> TopUp {
        TopUp(
            id: try row.identifier(0), accountID: try row.identifier(1),
            amount: try CreditAmount(Int(row.integer(2)), of: .own("amount")), balance: Int(row.integer(3)), requestedAt: row.timestamp(4),
            attempts: Int(row.integer(5)), nextAttemptAt: row.timestamp(6))
    }
}
