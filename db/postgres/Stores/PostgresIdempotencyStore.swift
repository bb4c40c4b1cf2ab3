import Personas

/// Records under idempotency keys that several processes share. The claim of a request that runs is its record without an answer, so that of several at
/// once one gets it, whichever processes they come to; its effect gives up the claim in its own transaction, and is undone where that is another's by now.
///
/// Claims are not waited for to reach the disk: one that a power cut takes has no effect either.
struct PostgresIdempotencyStore: IdempotencyStore {
    let writer: PostgresWriter
    let reader: PostgresReader

    func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) async throws(Failure) -> ClaimOutcome {
        let claim = ClaimID.random()
        let oldest = IdempotencyRecord.oldest(at: now)
        return try await writer.writeAsynchronously { db in
            let scope: SQLValues = [request.scope.accountID, request.scope.operation, request.scope.key.text]
            let isClaimed = try db.finds(
                """
                INSERT INTO idempotency_record (account_id, route, idempotency_key, fingerprint, claim, claimed_until, kept_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT (account_id, route, idempotency_key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = NULL,
                    claim = excluded.claim, claimed_until = excluded.claimed_until, kept_at = excluded.kept_at
                WHERE idempotency_record.claimed_until <= ?7 OR idempotency_record.kept_at < ?8 AND idempotency_record.answer IS NOT NULL
                RETURNING 1
                """, scope + [request.fingerprint, claim.identifier, end, now, oldest])
            if isClaimed { return .claimed(claim) }
            let kept = try db.first(
                """
                SELECT fingerprint, answer FROM idempotency_record
                WHERE account_id = ? AND route = ? AND idempotency_key = ? AND kept_at >= ? AND answer IS NOT NULL
                """, scope + [oldest]
            ) { IdempotencyRecord(fingerprint: Array($0.bytes(0)), answer: Array($0.bytes(1))) }
            guard let kept else { throw Failure.idempotencyKeyInUse }
            return .recorded(kept)
        }
    }

    var areClaimsShared: Bool { true }

    /// A claim that is no longer the one that holds, or under which there is an answer, is not touched.
    func prolong(_ claim: ClaimID, of request: IdempotentRequest, until end: Timestamp) async {
        _ = try? await writer.writeAsynchronously { db in
            try db.run(
                "UPDATE idempotency_record SET claimed_until = ? WHERE account_id = ? AND route = ? AND idempotency_key = ? AND claim = ?",
                [end, request.scope.accountID, request.scope.operation, request.scope.key.text, claim.identifier])
        }
    }

    /// Where the database cannot be reached the claim ends by itself.
    func release(_ claim: ClaimID, of request: IdempotentRequest) async {
        _ = try? await writer.writeAsynchronously { db in
            try db.run(
                "DELETE FROM idempotency_record WHERE account_id = ? AND route = ? AND idempotency_key = ? AND claim = ?",
                [request.scope.accountID, request.scope.operation, request.scope.key.text, claim.identifier])
        }
    }

    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) async throws(Failure) {
        let writer = writer
        try await writer.write { db in try writer.keep(answer, for: request, under: claim, at: now, db) }
    }

    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking first spares an idle service a commit every minute.
        let isAnythingOver = try await reader.read { connection in
            try connection.finds("SELECT 1 FROM idempotency_record WHERE kept_at < ? LIMIT 1", [oldest])
        }
        guard isAnythingOver else { return 0 }
        return try await writer.write { db in
            try db.change(
                """
                DELETE FROM idempotency_record WHERE (account_id, route, idempotency_key) IN
                    (SELECT account_id, route, idempotency_key FROM idempotency_record WHERE kept_at < ? ORDER BY kept_at LIMIT ?
                        FOR UPDATE SKIP LOCKED)
                """, [oldest, limit])
        }
    }
}
