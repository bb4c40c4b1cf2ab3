import Foundation
import Personas

/// Top-ups as rows, for whoever asks for them.
struct SQLTopUpStore: TopUpStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    let rows: CreditRows

    private static let dueInOrder = """
        SELECT \(TopUpRows.columns) FROM top_up
        WHERE status = 'open' AND (attempts > 0) = (? > 0) AND next_attempt_at <= ? ORDER BY next_attempt_at LIMIT ?
        """

    func due(at now: Timestamp, isRepeated: Bool, limit: Int) async throws(Failure) -> [TopUp] {
        try await readers.read { connection in
            return try connection.all(
                Self.dueInOrder, [isRepeated ? 1 : 0, now.milliseconds, limit]
            ) { try TopUpRows.decode($0) }
        }
    }

    func nextDueAt(after now: Timestamp) async throws(Failure) -> Timestamp? {
        let next = "SELECT next_attempt_at FROM top_up WHERE status = 'open' AND (attempts > 0) = (? > 0) AND next_attempt_at > ?"
        return try await readers.read { connection in
            try [Int64(0), 1].compactMap { isRepeated in
                try connection.first("\(next) ORDER BY next_attempt_at LIMIT 1", [isRepeated, now.milliseconds]) {
                    $0.timestamp(0)
                }
            }.min()
        }
    }

    func record(
        _ answer: PaymentAnswer, of id: Identifier, at end: Timestamp, waitFactor: Double
    ) async throws(Failure) -> RecordedTopUp {
        try await writer.write { db in
            let open = "SELECT \(TopUpRows.columns) FROM top_up WHERE id = ? AND status = 'open'"
            try db.lock { try db.first(open, [id], row: TopUpRows.decode)?.accountID }
            guard let topUp = try db.first(open, [id], row: TopUpRows.decode) else { return .unawaited }
            switch TopUpRules.verdict(on: answer, attempts: topUp.attempts + 1, at: end, waitFactor: waitFactor) {
            case .credited(let reference):
                try Self.settle(id, as: "paid", at: end, db)
                return .credited(
                    try rows.append(to: topUp.accountID, paidBy: id, requestID: nil, db) {
                        $0.topUp(topUp.amount, reference: reference, at: end)
                    })
            case .declined(let reason):
                try Self.settle(id, as: "declined", at: end, db)
                try pause(topUp.accountID, for: reason, at: end, db)
                return .declined(reason: reason)
            case .repeated(let next):
                try db.run("UPDATE top_up SET attempts = attempts + 1, next_attempt_at = ? WHERE id = ?", [next.milliseconds, id])
                return .repeated(at: next)
            }
        }
    }

    func abandoned(limit: Int) async throws(Failure) -> [AbandonedTopUp] {
        try await readers.read { connection in
            var found: [AbandonedTopUp] = []
            try connection.query("SELECT id, account_id FROM abandoned_top_up LIMIT ?", [limit]) { row in
                found.append(AbandonedTopUp(id: try row.identifier(0), accountID: try row.identifier(1)))
            }
            return found
        }
    }

    func forget(_ abandoned: [AbandonedTopUp]) async throws(Failure) {
        try await writer.write { db in
            for topUp in abandoned { try db.run("DELETE FROM abandoned_top_up WHERE id = ?", [topUp.id]) }
        }
    }

    private static func settle(_ id: Identifier, as status: String, at end: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            "UPDATE top_up SET status = ?, attempts = attempts + 1, next_attempt_at = NULL, finished_at = ? WHERE id = ?",
            [status, end.milliseconds, id])
    }

    /// Has nothing bought any more for an account, and tells it so. Where nothing is to be bought by now there is nothing to pause.
    private func pause(_ accountID: Identifier, for reason: String, at now: Timestamp, _ db: any SQLTransaction) throws {
        let changed = try db.change(
            "UPDATE smart_balance SET paused_reason = ? WHERE account_id = ? AND paused_reason IS NULL", [reason, accountID])
        guard changed > 0, let paused = try TopUpRows.smartBalance(of: accountID, db) else { return }
        try Outbox.appendPaused(paused, of: accountID, at: now, db)
    }
}
