import Foundation
import Personas

/// The row of one training job.
struct JobRow {
    /// The item that it works for; nil once that is gone, or has another job.
    let itemID: Identifier?
    /// Whose job it is; nil for one that ended in a version that did not write it down.
    let accountID: Identifier?
    /// When it was queued first.
    let createdAt: Timestamp
    var job: TrainingJob

    private init(_ row: SQLRow) throws {
        itemID = Identifier(bytes: row.bytes(1))
        createdAt = row.timestamp(9)
        accountID = Identifier(bytes: row.bytes(10))
        job = TrainingJob(
            id: try row.identifier(0), state: try Self.state(row), attempts: Int(row.integer(3)), progress: Int(row.integer(4)))
    }

    private static let columns = """
        id, pikzonality_id, state, attempts, progress, lease_token, lease_expires_at, error_code, error_message, created_at, account_id
        """

    /// The jobs that fulfil a condition, which is part of the statement, and so one of few texts.
    static func all(_ condition: String, _ arguments: SQLValues, _ connection: any SQLConnection) throws -> [JobRow] {
        return try connection.all("SELECT \(columns) FROM training_job WHERE \(condition)", arguments) { try JobRow($0) }
    }

    private static func state(_ row: SQLRow) throws -> TrainingJob.State {
        let token = RandomToken(bytes: row.bytes(5))
        switch (try row.requiredText(2), token) {
        case ("queued", _): return .queued
        case ("leased", .some(let token)): return .leased(token: token, until: row.timestamp(6))
        case ("completed", _): return .completed
        case ("failed", _):
            guard let code = TrainingErrorCode(rawValue: try row.requiredText(7)) else {
                throw Failure.unexpected("A training job failed for an unknown reason")
            }
            return .failed(TrainingError(code: code, message: try row.requiredText(8)))
        case ("cancelled", _): return .cancelled(token: token)
        default: throw Failure.unexpected("A training job is in an unknown state")
        }
    }

    /// Queues a new job for an item.
    static func insert(for itemID: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run(
            """
            INSERT INTO training_job (id, pikzonality_id, account_id, state, attempts, progress, created_at)
            SELECT ?, id, account_id, 'queued', 0, 0, ? FROM pikzonality WHERE id = ?
            """, [Identifier.timeOrdered(at: now), now.milliseconds, itemID])
    }

    /// The latest job of an item; nil where there never was one.
    static func latest(of itemID: Identifier, _ connection: any SQLConnection) throws -> JobRow? {
        try all("pikzonality_id = ? ORDER BY id DESC LIMIT 1", [itemID], connection).first
    }

    /// A job that is about to be changed: nobody else changes it, or anything of its account, meanwhile. Nil where there is none.
    static func owned(_ id: Identifier, _ db: any SQLTransaction) throws -> JobRow? {
        try db.lock { try all("id = ?", [id], db).first?.accountID }
        return try all("id = ?\(db.dialect.forUpdate)", [id], db).first
    }

    /// The job that an item in the trash had last; nil where there never was one, or is none any more.
    static func latest(ofTrashedItem id: Identifier, _ connection: any SQLConnection) throws -> JobRow? {
        try all("id = (SELECT job_id FROM trash_item WHERE trash_item.id = ?)", [id], connection).first
    }

    /// The oldest queued job of the first account behind another, in a ring of their ids, that is not to be passed. Costs what accounts are passed, however
    /// many jobs there are.
    static func next(
        after last: Identifier?, passing: Set<Identifier>, _ connection: any SQLConnection
    ) throws -> Identifier? {
        var (account, isLastRound) = (last, last == nil)
        while true {
            let found = try connection.first(
                "SELECT account_id, id FROM training_job WHERE state = 'queued' AND account_id > ? ORDER BY account_id, id LIMIT 1",
                [account ?? .nilUUID]
            ) { (accountID: try $0.identifier(0), jobID: try $0.identifier(1)) }
            if let found, !passing.contains(found.accountID) { return found.jobID }
            guard found != nil || !isLastRound else { return nil }
            if found == nil { isLastRound = true }
            account = found?.accountID
        }
    }

    /// Whether it comes first where the jobs of several accounts are changed: in the order of the accounts, in which these are locked.
    func precedes(_ other: JobRow) -> Bool {
        (accountID ?? .nilUUID, job.id) < (other.accountID ?? .nilUUID, other.job.id)
    }

    /// Writes the job as a transition has left it.
    func update(at now: Timestamp, _ db: any SQLTransaction) throws {
        var name = "queued"
        var token: RandomToken?
        var until: Timestamp?
        var cancelledAt: Timestamp?
        var error: TrainingError?
        switch job.state {
        case .queued: break
        case .leased(let leaseToken, let leaseUntil): (name, token, until) = ("leased", leaseToken, leaseUntil)
        case .completed: name = "completed"
        case .failed(let reason): (name, error) = ("failed", reason)
        case .cancelled(let leaseToken): (name, token, cancelledAt) = ("cancelled", leaseToken, now)
        }
        try db.run(
            """
            UPDATE training_job SET state = ?, attempts = ?, progress = ?, lease_token = ?, lease_expires_at = ?, error_code = ?,
                error_message = ?, cancelled_at = ? WHERE id = ?
            """,
            [
                name, job.attempts, job.progress, token, until?.milliseconds, error?.code.rawValue, error?.message,
                cancelledAt?.milliseconds, job.id,
            ])
    }

    /// Ends the jobs of items about to be deleted. One that has ended goes with its item; any other is cancelled and stays for a while, so that whoever
    /// holds a lease, or held one, is told.
    /// - Parameter condition: part of the statement, and so one of few texts, whose values are in `arguments`.
    static func end(ofItemsWhere condition: String, _ arguments: SQLValues, at now: Timestamp, _ db: any SQLTransaction) throws {
        let items = "pikzonality_id IN (SELECT id FROM pikzonality WHERE \(condition))"
        try db.run("DELETE FROM training_job WHERE state IN ('completed', 'failed') AND \(items)", arguments)
        try db.run(
            "UPDATE training_job SET state = 'cancelled', cancelled_at = coalesce(cancelled_at, ?) WHERE \(items)",
            [now.milliseconds] + arguments)
    }

    /// Takes the ended jobs of an item from it that gets another. Whoever has worked on one learns for a while that it is over, whatever is reported of
    /// it; what nobody ever held goes at once, or an owner could make any number of them.
    static func leave(_ itemID: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try db.run("DELETE FROM training_job WHERE pikzonality_id = ? AND attempts = 0", [itemID])
        try db.run(
            """
            UPDATE training_job SET state = 'cancelled', cancelled_at = coalesce(cancelled_at, ?), pikzonality_id = NULL
            WHERE pikzonality_id = ?
            """, [now.milliseconds, itemID])
    }

    /// Forgets the jobs that were cancelled before a moment, so many of them.
    static func forget(cancelledBefore moment: Timestamp, limit: Int, _ db: any SQLTransaction) throws {
        try db.run(
            """
            DELETE FROM training_job WHERE id IN
                (SELECT id FROM training_job WHERE cancelled_at <= ? ORDER BY cancelled_at LIMIT ?)
            """, [moment.milliseconds, limit])
    }
}
