import CoreMetrics
import Foundation
import GRDB
import Personas

/// Training jobs in SQLite: each call loads a job, applies one transition of the state machine, and writes job and item back together.
struct SQLiteTrainingJobStore: TrainingJobStore {
    /// How long a cancelled job is remembered for the sake of its last worker.
    private static let cancelledSecondsKept = 86_400

    let writer: GroupWriter
    let readers: ReadPool
    let metrics: StoreMetrics
    let changes: ItemChanges
    let outbox: Outbox

    func lease(limit: Int, policy: LeasePolicy, in context: WriteContext<[LeasedJob]>) async throws(Failure) -> [LeasedJob] {
        let now = context.now
        // Looking costs microseconds, a write transaction its turn at the writer; so waiting workers look first.
        let isWorkThere = try readers.read { connection in
            let sql = "SELECT 1 FROM training_job WHERE state = 'queued' OR (state = 'leased' AND lease_expires_at <= ?) LIMIT 1"
            return try connection.first(sql, [.integer(now.milliseconds)], row: { _ in true }) ?? false
        }
        guard isWorkThere else { return [] }
        let (leased, expired) = try await writer.write(in: context, recording: { leased, _ in leased.isEmpty ? nil : leased }) { db in
            let expired = try endLeases(runningUntil: now, policy: policy, at: now, db)
            let queued = try JobRow.all("state = 'queued' ORDER BY id LIMIT ?", [.integer(Int64(limit))], db)
            let leased = try queued.compactMap { try lease($0, policy: policy, at: now, db) }
            return (leased, expired)
        }
        count(expired)
        return leased
    }

    func heartbeat(
        _ id: Identifier, token: RandomToken, progress: Int?, policy: LeasePolicy, in context: WriteContext<LeaseState>
    ) async throws(Failure) -> LeaseState {
        let until = context.now.adding(seconds: policy.seconds)
        return try await change(id, in: context) { job throws(Failure) in
            LeaseState(isCancelled: try job.heartbeat(token: token, progress: progress, until: until, at: context.now), expiresAt: until)
        }.value
    }

    func complete(_ id: Identifier, token: RandomToken, portrait: StoredImage?, in context: WriteContext<Void>) async throws(Failure) {
        _ = try await change(id, portrait: portrait, in: context) { job throws(Failure) in try job.complete(token: token, at: context.now) }
        metrics.jobsCompleted.increment()
    }

    func fail(
        _ id: Identifier, token: RandomToken, error: TrainingError, retryable: Bool, policy: LeasePolicy, in context: WriteContext<Void>
    ) async throws(Failure) {
        let (_, job) = try await change(id, in: context) { job throws(Failure) in
            try job.fail(token: token, error: error, retryable: retryable, attemptsMax: policy.attemptsMax, at: context.now)
        }
        if job.hasFailed { metrics.jobsFailed.increment() }
    }

    func handBack(_ id: Identifier, token: RandomToken, in context: WriteContext<Void>) async throws(Failure) {
        _ = try await change(id, in: context) { job throws(Failure) in try job.handBack(token: token, at: context.now) }
    }

    func expire(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int {
        try await endLeases(runningUntil: context.now, policy: policy, in: context)
    }

    /// Only one process opens the folder, so there is no other worker of this process's kind whose lease could be good.
    func takeOver(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int {
        try await endLeases(runningUntil: Timestamp(milliseconds: .max), policy: policy, in: context)
    }

    /// Ends the leases that run until a moment at most, and forgets the cancelled jobs that are old.
    private func endLeases(
        runningUntil end: Timestamp, policy: LeasePolicy, in context: WriteContext<Int>
    ) async throws(Failure) -> Int {
        let oldest = context.now.adding(seconds: -Self.cancelledSecondsKept)
        let isAnythingOver = try readers.read { connection in
            let sql = """
                SELECT 1 FROM training_job WHERE state = 'leased' AND lease_expires_at <= ?
                UNION ALL SELECT 1 FROM training_job WHERE state = 'cancelled' AND created_at <= ? LIMIT 1
                """
            return try connection.first(sql, [.integer(end.milliseconds), .integer(oldest.milliseconds)], row: { _ in true }) ?? false
        }
        guard isAnythingOver else { return 0 }
        let expired = try await writer.write(in: context, recording: { $0.leases > 0 ? $0.leases : nil }, isUnbounded: true) { db in
            try db.run("DELETE FROM training_job WHERE state = 'cancelled' AND created_at <= ?", [oldest.milliseconds])
            return try endLeases(runningUntil: end, policy: policy, at: context.now, db)
        }
        count(expired)
        return expired.leases
    }

    /// The latest job of an item, and when it was made; nil where there never was one.
    static func job(ofItem id: Identifier, _ connection: some SQLConnection) throws -> (job: TrainingJob, createdAt: Timestamp)? {
        try JobRow.all("pikzonality_id = ? ORDER BY id DESC LIMIT 1", [.identifier(id)], connection).first.map { ($0.job, $0.createdAt) }
    }

    /// The job that an item in the trash had last; nil where there never was one, or is none any more.
    static func job(ofTrashedItem id: Identifier, _ connection: some SQLConnection) throws -> (job: TrainingJob, createdAt: Timestamp)? {
        try JobRow.all("id = (SELECT job_id FROM trash_item WHERE trash_item.id = ?)", [.identifier(id)], connection).first.map {
            ($0.job, $0.createdAt)
        }
    }

    /// Ends the jobs of items about to be deleted. One that has ended goes with its item; any other is cancelled and stays for a while, so that whoever
    /// holds a lease, or held one, is told.
    /// - Parameter condition: part of the statement, and so one of few texts, whose values are in `arguments`.
    static func endJobs(ofItemsWhere condition: String, _ arguments: StatementArguments, _ db: Database) throws {
        let items = "pikzonality_id IN (SELECT id FROM pikzonality WHERE \(condition))"
        try db.run("DELETE FROM training_job WHERE state IN ('completed', 'failed') AND \(items)", arguments)
        try db.run("UPDATE training_job SET state = 'cancelled' WHERE \(items)", arguments)
    }

    /// Leases that ran out, the jobs among theirs that got no other, and what their items show of it.
    private struct Expired {
        var leases = 0
        var failedJobs = 0
        var changes: [ItemChange] = []
    }

    /// Only what is committed may be counted and told, so not within a transaction.
    private func count(_ expired: Expired) {
        metrics.leasesExpired.increment(by: expired.leases)
        metrics.jobsFailed.increment(by: expired.failedJobs)
        for change in expired.changes { changes.notify(change) }
    }

    private func change<Value: Sendable>(
        _ id: Identifier, portrait: StoredImage? = nil, in context: WriteContext<Value>,
        _ transition: @escaping @Sendable (inout TrainingJob) throws(Failure) -> Value
    ) async throws(Failure) -> (value: Value, job: TrainingJob) {
        let outcome = try await writer.write(in: context, recording: { $0.value }) {
            db -> (value: Value, job: TrainingJob, item: ItemChange?) in
            guard var row = try JobRow.all("id = ?", [.identifier(id)], db).first else { throw Failure.notFound }
            let before = row.job
            let value = try transition(&row.job)
            let itemChange = row.job == before ? nil : try row.save(portrait: portrait, at: context.now, outbox, db)
            return (value, row.job, itemChange)
        }
        changes.notify(outcome.item)
        return (outcome.value, outcome.job)
    }

    private func endLeases(
        runningUntil end: Timestamp, policy: LeasePolicy, at now: Timestamp, _ db: Database
    ) throws -> Expired {
        let over = try JobRow.all("state = 'leased' AND lease_expires_at <= ?", [.integer(end.milliseconds)], db)
        var expired = Expired(leases: over.count)
        for var row in over where row.job.expire(at: end, attemptsMax: policy.attemptsMax) {
            if let change = try row.save(portrait: nil, at: now, outbox, db) { expired.changes.append(change) }
            if row.job.hasFailed { expired.failedJobs += 1 }
        }
        return expired
    }

    private func lease(_ queued: JobRow, policy: LeasePolicy, at now: Timestamp, _ db: Database) throws -> LeasedJob? {
        var row = queued
        let token = RandomToken.random()
        let until = now.adding(seconds: policy.seconds)
        guard let itemID = row.itemID, let item = try ItemRow.find(itemID, db), row.job.lease(token: token, until: until) else {
            return nil
        }
        // Of a lease an item shows nothing.
        _ = try row.save(portrait: nil, at: now, outbox, db)
        return LeasedJob(
            id: row.job.id, leaseToken: token, leaseExpiresAt: until, attempt: row.job.attempts, item: item,
            references: try ImageLinks.references(of: itemID, db))
    }
}

extension TrainingJob {
    /// Whether it ended badly.
    fileprivate var hasFailed: Bool {
        if case .failed = state { return true }
        return false
    }
}

/// The row of one training job.
private struct JobRow {
    let itemID: Identifier?
    let createdAt: Timestamp
    var job: TrainingJob

    private init(_ row: SQLRow) throws {
        // Nil once the item is gone.
        itemID = Identifier(bytes: row.bytes(1))
        createdAt = row.timestamp(9)
        job = TrainingJob(
            id: try row.identifier(0), state: try Self.state(row), attempts: Int(row.integer(3)), progress: Int(row.integer(4)))
    }

    /// The jobs that fulfil a condition, which is part of the statement, and so one of few texts.
    static func all(_ condition: String, _ arguments: [SQLArgument], _ connection: some SQLConnection) throws -> [JobRow] {
        var rows: [JobRow] = []
        let columns = "id, pikzonality_id, state, attempts, progress, lease_token, lease_expires_at, error_code, error_message, created_at"
        try connection.query("SELECT \(columns) FROM training_job WHERE \(condition)", arguments) { rows.append(try JobRow($0)) }
        return rows
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

    /// Writes the job, and what its item shows of it.
    /// - Returns: what a client can see of it; nil where that is nothing.
    func save(portrait: StoredImage?, at now: Timestamp, _ outbox: Outbox, _ db: Database) throws -> ItemChange? {
        var name = "queued"
        var token: RandomToken?
        var until: Timestamp?
        var error: TrainingError?
        switch job.state {
        case .queued: break
        case .leased(let leaseToken, let leaseUntil): (name, token, until) = ("leased", leaseToken, leaseUntil)
        case .completed: name = "completed"
        case .failed(let reason): (name, error) = ("failed", reason)
        case .cancelled(let leaseToken): (name, token) = ("cancelled", leaseToken)
        }
        try db.run(
            """
            UPDATE training_job SET state = ?, attempts = ?, progress = ?, lease_token = ?, lease_expires_at = ?, error_code = ?,
                error_message = ? WHERE id = ?
            """,
            [
                name, job.attempts, job.progress, token?.data, until?.milliseconds, error?.code.rawValue, error?.message, job.id.data,
            ])
        guard let itemID, let item = try ItemRow.find(itemID, db) else { return nil }
        switch job.state {
        case .queued, .leased:
            guard let progressed = item.progressed(to: job.progress, at: now) else { return nil }
            return try store(progressed, .progress, from: item, at: now, outbox, db)
        case .completed:
            let token = try publish(itemID, portrait: portrait, db)
            return try store(item.completed(portrait: token, at: now), .completed, from: item, at: now, outbox, db)
        case .failed(let error):
            return try store(item.failed(error, at: now), .failed, from: item, at: now, outbox, db)
        case .cancelled:
            return nil
        }
    }

    private func store(
        _ item: Pikzonality, _ kind: EventKind, from before: Pikzonality, at now: Timestamp, _ outbox: Outbox, _ db: Database
    ) throws -> ItemChange {
        try ItemRow.updateTraining(item, db)
        // Whatever a worker's request was called, it is none of the owner's.
        try outbox.append(kind, item, from: before, at: now, requestID: nil, db)
        return ItemChange(item.id, isSettled: item.status != .processing)
    }

    /// Ties an item to its portrait.
    /// - Returns: the token of the portrait.
    private func publish(_ itemID: Identifier, portrait: StoredImage?, _ db: Database) throws -> RandomToken {
        guard let image = try portrait ?? ImageLinks.references(of: itemID, db).first else {
            throw Failure.unexpected("An item has no reference images")
        }
        let token = RandomToken.random()
        try ImageLinks.insert(image, token: token, position: ImageLinks.portraitPosition, itemID: itemID, db)
        return token
    }
}
