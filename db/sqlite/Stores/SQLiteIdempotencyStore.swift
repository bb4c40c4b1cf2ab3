import Foundation
import GRDB
import Personas

/// Answers under idempotency keys in SQLite.
struct SQLiteIdempotencyStore: IdempotencyStore {
    let writer: GroupWriter
    let readers: ReadPool

    func find(_ scope: IdempotentRequest.Scope, since oldest: Timestamp) throws(Failure) -> (
        fingerprint: [UInt8], answer: IdempotencyRecord
    )? {
        try readers.read { connection in
            let sql = """
                SELECT fingerprint, request_id, status, location, entity_tag, body FROM kept_answer
                WHERE account_id = ? AND route = ? AND idempotency_key = ? AND kept_at >= ?
                """
            let arguments: [SQLArgument] = [
                .identifier(scope.accountID), .text(scope.route), .text(scope.key.text), .integer(oldest.milliseconds),
            ]
            return try connection.first(sql, arguments) { row in
                let answer = IdempotencyRecord(
                    requestID: try row.requiredText(1), status: Int(row.integer(2)), location: row.text(3), entityTag: row.text(4),
                    body: Array(row.bytes(5)))
                return (Array(row.bytes(0)), answer)
            }
        }
    }

    func keep(_ answer: IdempotencyRecord, for request: IdempotentRequest, at now: Timestamp) async throws(Failure) {
        try await writer.write { db in try Self.insert(answer, for: request, at: now, db) }
    }

    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking first spares an idle service a commit every minute.
        let isAnythingOver = try readers.read { connection in
            try connection.first("SELECT 1 FROM kept_answer WHERE kept_at < ? LIMIT 1", [.integer(oldest.milliseconds)], row: { _ in true })
        }
        guard isAnythingOver == true else { return 0 }
        return try await writer.write { db in
            try db.run(
                """
                DELETE FROM kept_answer WHERE (account_id, route, idempotency_key) IN
                    (SELECT account_id, route, idempotency_key FROM kept_answer WHERE kept_at < ? ORDER BY kept_at LIMIT ?)
                """, [oldest.milliseconds, limit])
            return db.changesCount
        }
    }

    /// Keeps an answer within a transaction. One that is there already is over its time, or nobody would be answered anew.
    static func insert(_ answer: IdempotencyRecord, for request: IdempotentRequest, at now: Timestamp, _ db: Database) throws {
        try db.run(
            """
            INSERT OR REPLACE INTO kept_answer (
                account_id, route, idempotency_key, fingerprint, request_id, status, location, entity_tag, body, kept_at
            ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                request.scope.accountID.data, request.scope.route, request.scope.key.text, Data(request.fingerprint), answer.requestID,
                answer.status, answer.location, answer.entityTag, Data(answer.body), now.milliseconds,
            ])
    }
}

extension GroupWriter {
    /// Runs an operation as `write` does, and keeps the answer to it in the same savepoint: after a crash there are both or none.
    func write<Value: Sendable>(
        acknowledging acknowledgement: Acknowledgement<Value>?, at now: Timestamp, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        guard let acknowledgement else { return try await write(body) }
        return try await write { db in
            let value = try body(db)
            try SQLiteIdempotencyStore.insert(acknowledgement.answer(value), for: acknowledgement.request, at: now, db)
            return value
        }
    }
}
