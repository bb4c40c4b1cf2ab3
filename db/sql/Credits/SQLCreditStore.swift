import Foundation
import Personas

/// Ledgers as rows.
struct SQLCreditStore: CreditStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    let rows: CreditRows

    private static let page = FixedQuery(
        """
        SELECT id, number, kind, amount, item_id, note, balance_after, at FROM credit_entry WHERE account_id = ? AND number < ?
        ORDER BY number DESC LIMIT ?
        """)
    private static let kinds = StoredWords<CreditEntryKind>()

    func standing(accountID: Identifier) async throws(Failure) -> CreditStanding {
        try await readers.read { connection in try TopUpRows.standingAtOneMoment(of: accountID, connection) }
    }

    func standingNow(accountID: Identifier) throws(Failure) -> CreditStanding? {
        try readers.readNow { connection in try TopUpRows.standingAtOneMoment(of: accountID, connection) }
    }

    func entries(before number: Int?, limit: Int, accountID: Identifier) async throws(Failure) -> [CreditEntry] {
        try await readers.read { connection in try Self.entries(before: number, limit: limit, accountID, connection) }
    }

    func entriesNow(before number: Int?, limit: Int, accountID: Identifier) throws(Failure) -> [CreditEntry]? {
        try readers.readNow { connection in try Self.entries(before: number, limit: limit, accountID, connection) }
    }

    func adjust(
        _ adjustment: CreditAdjustment, accountID: Identifier, in context: WriteContext<CreditEntry>
    ) async throws(Failure) -> CreditEntry {
        try await writer.write(in: context, of: accountID) { db in
            guard try db.finds("SELECT 1 FROM account WHERE id = ?", [accountID]) else { throw Failure.accountMissing }
            return try rows.append(to: accountID, requestID: context.requestID, db) { (ledger) throws(Failure) in
                try ledger.adjust(adjustment, at: context.now)
            }
        }
    }

    private static func entries(
        before number: Int?, limit: Int, _ accountID: Identifier, _ connection: any SQLConnection
    ) throws -> [CreditEntry] {
        var entries: [CreditEntry] = []
        try connection.walk(page) { parameters in
            parameters.bind(accountID)
            parameters.bind(Int64(number ?? .max))
            parameters.bind(Int64(limit))
        } row: { row in
            entries.append(
                CreditEntry(
                    id: try row.identifier(0), accountID: accountID, number: Int(row.integer(1)), kind: try row.word(2, of: kinds),
                    amount: Int(row.integer(3)), itemID: Identifier(bytes: row.bytes(4)), note: row.text(5),
                    balanceAfter: Int(row.integer(6)), at: row.timestamp(7)))
            return true
        }
        return entries
    }
}
