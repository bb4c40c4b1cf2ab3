import Foundation
import GRDB
import Personas
import Synchronization

/// Records under idempotency keys in SQLite.
///
/// Only this process writes to the database, so its own memory knows every request that has a claim, and each ends by itself with the process.
struct SQLiteIdempotencyStore: IdempotencyStore {
    let writer: GroupWriter
    let readers: ReadPool
    private let running = RunningRequests()

    init(writer: GroupWriter, readers: ReadPool) {
        self.writer = writer
        self.readers = readers
    }

    func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) throws(Failure) -> IdempotencyRecord? {
        guard running.begin(request.scope) else { throw .idempotencyKeyInUse }
        do throws(Failure) {
            // Looked for only now, because a request that ended before has its record by now.
            guard let kept = try find(request.scope, since: IdempotencyRecord.oldest(at: now)) else { return nil }
            running.end(request.scope)
            return kept
        } catch {
            running.end(request.scope)
            throw error
        }
    }

    func release(_ request: IdempotentRequest) { running.end(request.scope) }

    func keep(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp) async throws(Failure) {
        try await writer.write { db in try Self.insert(answer, for: request, at: now, db) }
    }

    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking first spares an idle service a commit every minute.
        let isAnythingOver = try readers.read { connection in
            let sql = "SELECT 1 FROM idempotency_record WHERE kept_at < ? LIMIT 1"
            return try connection.first(sql, [.integer(oldest.milliseconds)], row: { _ in true })
        }
        guard isAnythingOver == true else { return 0 }
        return try await writer.write { db in
            try db.run(
                """
                DELETE FROM idempotency_record WHERE (account_id, route, idempotency_key) IN
                    (SELECT account_id, route, idempotency_key FROM idempotency_record WHERE kept_at < ? ORDER BY kept_at LIMIT ?)
                """, [oldest.milliseconds, limit])
            return db.changesCount
        }
    }

    private func find(_ scope: IdempotentRequest.Scope, since oldest: Timestamp) throws(Failure) -> IdempotencyRecord? {
        try readers.read { connection in
            let sql = """
                SELECT fingerprint, answer FROM idempotency_record
                WHERE account_id = ? AND route = ? AND idempotency_key = ? AND kept_at >= ?
                """
            let arguments: [SQLArgument] = [
                .identifier(scope.accountID), .text(scope.route), .text(scope.key.text), .integer(oldest.milliseconds),
            ]
            return try connection.first(sql, arguments) { row in
                IdempotencyRecord(fingerprint: Array(row.bytes(0)), answer: Array(row.bytes(1)))
            }
        }
    }

    /// Keeps an answer within a transaction. One that is there already is over its time, or the request would not have got its claim.
    fileprivate static func insert(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp, _ db: Database) throws {
        try db.run(
            """
            INSERT OR REPLACE INTO idempotency_record (account_id, route, idempotency_key, fingerprint, answer, kept_at)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                request.scope.accountID.data, request.scope.route, request.scope.key.text, Data(request.fingerprint), Data(answer),
                now.milliseconds,
            ])
    }
}

/// The scopes in which a request has the claim at this moment.
private final class RunningRequests: Sendable {
    private let scopes = Mutex<Set<IdempotentRequest.Scope>>([])

    func begin(_ scope: IdempotentRequest.Scope) -> Bool {
        scopes.withLock { $0.insert(scope).inserted }
    }

    func end(_ scope: IdempotentRequest.Scope) {
        scopes.withLock { _ = $0.remove(scope) }
    }
}

extension WriteContext {
    /// Keeps the record of what was done, within the transaction that did it.
    func record(_ value: Value, _ db: Database) throws {
        guard let claim else { return }
        try SQLiteIdempotencyStore.insert(claim.record(value), for: claim.request, at: now, db)
    }
}
