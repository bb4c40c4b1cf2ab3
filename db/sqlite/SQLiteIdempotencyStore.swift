import Foundation
import GRDB
import Personas
import Synchronization

/// Records under idempotency keys in SQLite.
///
/// Only this process writes to the database, so its own memory knows every request that has a claim, and each ends by itself with the process.
/// None is ever lost to another request, so that writes need not look whether theirs still holds.
struct SQLiteIdempotencyStore: IdempotencyStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    private let running = RunningRequests()

    init(writer: any SQLWriter, readers: any SQLReader) {
        self.writer = writer
        self.readers = readers
    }

    func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) async throws(Failure) -> ClaimOutcome {
        guard let claim = running.begin(request.scope) else { throw .idempotencyKeyInUse }
        do throws(Failure) {
            // Looked for only now, because a request that ended before has its record by now.
            guard let kept = try await find(request.scope, since: IdempotencyRecord.oldest(at: now)) else { return .claimed(claim) }
            running.end(claim, request.scope)
            return .recorded(kept)
        } catch {
            running.end(claim, request.scope)
            throw error
        }
    }

    func release(_ claim: ClaimID, of request: IdempotentRequest) { running.end(claim, request.scope) }

    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) async throws(Failure) {
        try await writer.write { db in try Self.insert(answer, for: request, at: now, db) }
    }

    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking first spares an idle service a commit every minute.
        let isAnythingOver = try await readers.read { connection in
            let sql = "SELECT 1 FROM idempotency_record WHERE kept_at < ? LIMIT 1"
            return try connection.finds(sql, [oldest.milliseconds])
        }
        guard isAnythingOver else { return 0 }
        return try await writer.write { db in
            try db.change(
                """
                DELETE FROM idempotency_record WHERE (account_id, route, idempotency_key) IN
                    (SELECT account_id, route, idempotency_key FROM idempotency_record WHERE kept_at < ? ORDER BY kept_at LIMIT ?)
                """, [oldest.milliseconds, limit])
        }
    }

    private func find(_ scope: IdempotentRequest.Scope, since oldest: Timestamp) async throws(Failure) -> IdempotencyRecord? {
        try await readers.read { connection in
            let sql = """
                SELECT fingerprint, answer FROM idempotency_record
                WHERE account_id = ? AND route = ? AND idempotency_key = ? AND kept_at >= ?
                """
            let arguments: SQLValues = [
                scope.accountID, scope.operation, scope.key.text, oldest.milliseconds,
            ]
            return try connection.first(sql, arguments) { row in
                IdempotencyRecord(fingerprint: Array(row.bytes(0)), answer: Array(row.bytes(1)))
            }
        }
    }

    /// Keeps an answer within a transaction. One that is there already is over its time, or the request would not have got its claim.
    static func insert(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            """
            INSERT OR REPLACE INTO idempotency_record (account_id, route, idempotency_key, fingerprint, answer, kept_at)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                request.scope.accountID, request.scope.operation, request.scope.key.text, Data(request.fingerprint), Data(answer),
                now.milliseconds,
            ])
    }
}

/// The scopes in which a request has a claim at this moment.
private final class RunningRequests: Sendable {
    private let claims = Mutex<[IdempotentRequest.Scope: ClaimID]>([:])

    /// The claim of a new request; nil while another has one.
    func begin(_ scope: IdempotentRequest.Scope) -> ClaimID? {
        claims.withLock { claims in
            guard claims[scope] == nil else { return nil }
            let claim = ClaimID.random()
            claims[scope] = claim
            return claim
        }
    }

    /// Ends a claim; nothing changes where it is another that holds.
    func end(_ claim: ClaimID, _ scope: IdempotentRequest.Scope) {
        claims.withLock { claims in
            if claims[scope] == claim { claims[scope] = nil }
        }
    }
}
