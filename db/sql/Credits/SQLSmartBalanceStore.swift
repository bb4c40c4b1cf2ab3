import Foundation
import Personas

/// What those who pay have asked for as rows.
struct SQLSmartBalanceStore: SmartBalanceStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func set(
        _ smartBalance: SmartBalance, accountID: Identifier, in context: WriteContext<CreditStanding>
    ) async throws(Failure) -> CreditStanding {
        try await writer.write(in: context, of: accountID) { db in
            guard try db.finds("SELECT 1 FROM account WHERE id = ?", [accountID]) else { throw Failure.accountMissing }
            try db.run(
                """
                INSERT INTO smart_balance (account_id, threshold, amount) VALUES (?, ?, ?)
                ON CONFLICT (account_id) DO UPDATE SET threshold = excluded.threshold, amount = excluded.amount
                """, [accountID, smartBalance.threshold.value, smartBalance.amount.value])
            return try TopUpRows.standing(of: accountID, db)
        }
    }

    func remove(accountID: Identifier, in context: WriteContext<CreditStanding>) async throws(Failure) -> CreditStanding {
        try await writer.write(in: context, of: accountID) { db in
            guard try db.change("DELETE FROM smart_balance WHERE account_id = ?", [accountID]) > 0 else { throw Failure.notFound }
            return try TopUpRows.standing(of: accountID, db)
        }
    }

    func resume(accountID: Identifier, in context: WriteContext<ResumedBalance>) async throws(Failure) -> ResumedBalance {
        try await writer.write(in: context, of: accountID) { db in
            guard let before = try TopUpRows.smartBalance(of: accountID, db) else { throw Failure.notFound }
            let isChanged = before.status == .paused
            if isChanged { try db.run("UPDATE smart_balance SET paused_reason = NULL WHERE account_id = ?", [accountID]) }
            return ResumedBalance(standing: try TopUpRows.standing(of: accountID, db), isChanged: isChanged)
        }
    }

    func ask(toCover price: Int, accountID: Identifier, at now: Timestamp) async throws(Failure) -> CreditStanding {
        // Of many that come at once all but the first find it asked for, and need not wait for the disk.
        let standing = try await readers.read { connection in try TopUpRows.standingAtOneMoment(of: accountID, connection) }
        guard case .askable = standing.coverage(of: price) else { return standing }
        return try await writer.write(of: accountID) { db in
            let standing = try TopUpRows.standing(of: accountID, db)
            guard case .askable(let amount) = standing.coverage(of: price) else { return standing }
            try TopUpRows.insert(amount, of: accountID, balance: standing.balance, at: now, db)
            return try TopUpRows.standing(of: accountID, db)
        }
    }
}
