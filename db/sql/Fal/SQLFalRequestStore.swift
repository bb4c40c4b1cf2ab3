import Foundation
import Personas

/// Requests at fal as rows. That a request follows the end of its job is the work of a trigger; see the migration.
struct SQLFalRequestStore: FalRequestStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func request(ofJob id: Identifier) async throws(Failure) -> FalRequest? {
        try await readers.read { connection in try FalRequestRow.find(id, connection) }
    }

    func request(withToken token: RandomToken) async throws(Failure) -> FalRequest? {
        try await readers.read { connection in
            try connection.first("\(FalRequestRow.select) WHERE token = ?", [token]) { try FalRequestRow.decode($0) }
        }
    }

    func intend(_ job: LeasedJob, token: RandomToken, at now: Timestamp) async throws(Failure) -> FalIntent {
        try await writer.write { db in
            guard let row = try JobRow.owned(job.id, db),
                case .leased(job.leaseToken, let until) = row.job.state, now < until
            else { throw Failure.staleLease }
            var request = try FalRequestRow.find(job.id, db) ?? FalRequest(jobID: job.id, token: token, at: now)
            let maySend = request.intend(at: now)
            if maySend { try FalRequestRow.put(request, db) }
            return FalIntent(request: request, maySend: maySend)
        }
    }

    func take(_ event: FalEvent, ofJob id: Identifier, at now: Timestamp) async throws(Failure) -> FalRequest? {
        try await writer.write { db in
            _ = try JobRow.owned(id, db)
            guard var request = try FalRequestRow.find(id, db) else { return nil }
            let before = request
            request.take(event, at: now)
            if request != before { try FalRequestRow.put(request, db) }
            return request
        }
    }

    func dueClosings(at now: Timestamp, silentSince: Timestamp, limit: Int) async throws(Failure) -> [FalRequest] {
        try await readers.read { connection in
            return try connection.all(
                """
                \(FalRequestRow.select) WHERE state = 'closing' AND due_at <= ? AND (request_id IS NOT NULL OR intended_at < ?)
                ORDER BY due_at LIMIT ?
                """, [now.milliseconds, silentSince.milliseconds, limit]
            ) { try FalRequestRow.decode($0) }
        }
    }

    func forget(intendedBefore moment: Timestamp, limit: Int) async throws(Failure) -> Int {
        let isAnythingOver = try await readers.read { connection in
            try connection.finds("SELECT 1 FROM fal_request WHERE state = 'ended' AND intended_at < ? LIMIT 1", [moment.milliseconds])
        }
        guard isAnythingOver else { return 0 }
        return try await writer.write { db in
            try db.change(
                """
                DELETE FROM fal_request WHERE job_id IN
                    (SELECT job_id FROM fal_request WHERE state = 'ended' AND intended_at < ? ORDER BY intended_at LIMIT ?)
                """, [moment.milliseconds, limit])
        }
    }
}
