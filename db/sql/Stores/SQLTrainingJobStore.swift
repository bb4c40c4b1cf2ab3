import CoreMetrics
import Foundation
import Personas

/// Training jobs as rows: each call loads a job, applies one transition of the state machine, and writes job and item back together.
struct SQLTrainingJobStore: TrainingJobStore {
    /// How long a cancelled job is remembered for the sake of its last worker.
    private static let cancelledSecondsKept = 86_400
    /// Cancelled jobs that are forgotten in one transaction.
    private static let forgottenAtOnce = 1_000

    let writer: any SQLWriter
    let readers: any SQLReader
    let metrics: StoreMetrics
    let steps: ItemSteps
    /// Whether other processes may have workers of their own at the same jobs.
    var isShared = false

    func lease(limit: Int, policy: LeasePolicy, in context: WriteContext<[LeasedJob]>) async throws(Failure) -> [LeasedJob] {
        let now = context.now
        // Looking costs microseconds, a write transaction its turn at the writer; so waiting workers look first.
        let isWorkThere = try await readers.read { connection in
            let sql = """
                SELECT 1 FROM training_job WHERE state = 'queued'
                UNION ALL SELECT 1 FROM training_job WHERE state = 'leased' AND lease_expires_at <= ? LIMIT 1
                """
            return try connection.finds(sql, [now.milliseconds])
        }
        guard isWorkThere else { return [] }
        let (leased, expired) = try await writer.write(in: context, recording: { leased, _ in leased.isEmpty ? nil : leased }) { db in
            let expired = try endLeases(runningUntil: now, policy: policy, at: now, db)
            let queued = try JobRow.all("state = 'queued' ORDER BY id LIMIT ?\(db.dialect.forUpdateOfAny)", [limit], db)
            let leased = try queued.compactMap { try lease($0, policy: policy, at: now, db) }
            return (leased, expired)
        }
        count(expired)
        return leased
    }

    func leaseInTurn(
        after last: Identifier?, passing: Set<Identifier>, policy: LeasePolicy, in context: WriteContext<LeasedJob>
    ) async throws(Failure) -> LeasedJob? {
        let next = try await readers.read { connection in try JobRow.next(after: last, passing: passing, connection) }
        guard next != nil else { return nil }
        return try await writer.write(in: context, recording: { $0 }) { db in
            guard let next = try JobRow.next(after: last, passing: passing, db),
                let queued = try JobRow.all("id = ? AND state = 'queued'\(db.dialect.forUpdateOfAny)", [next], db).first
            else { return nil }
            return try lease(queued, policy: policy, at: context.now, db)
        }
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

    /// Where no other process works at the same jobs there is no other worker of this process's kind whose lease could be good.
    func takeOver(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int {
        if isShared { return try await expire(policy: policy, in: context) }
        return try await endLeases(runningUntil: Timestamp(milliseconds: .max), policy: policy, in: context)
    }

    /// Ends the leases that run until a moment at most, and forgets the cancelled jobs that are old.
    private func endLeases(
        runningUntil end: Timestamp, policy: LeasePolicy, in context: WriteContext<Int>
    ) async throws(Failure) -> Int {
        let oldest = context.now.adding(seconds: -Self.cancelledSecondsKept)
        let isAnythingOver = try await readers.read { connection in
            let sql = """
                SELECT 1 FROM training_job WHERE state = 'leased' AND lease_expires_at <= ?
                UNION ALL SELECT 1 FROM training_job WHERE cancelled_at <= ? LIMIT 1
                """
            return try connection.finds(sql, [end.milliseconds, oldest.milliseconds])
        }
        guard isAnythingOver else { return 0 }
        let expired = try await writer.write(in: context, recording: { $0.leases > 0 ? $0.leases : nil }, isUnbounded: true) { db in
            try JobRow.forget(cancelledBefore: oldest, limit: Self.forgottenAtOnce, db)
            return try endLeases(runningUntil: end, policy: policy, at: context.now, db)
        }
        count(expired)
        return expired.leases
    }

    /// Leases that ran out, the jobs among theirs that got no other, and what their items show of it.
    private struct Expired {
        var leases = 0
        var failedJobs = 0
        var steps: [ItemStep] = []
    }

    /// Only what is committed may be counted and told, so not within a transaction.
    private func count(_ expired: Expired) {
        metrics.leasesExpired.increment(by: expired.leases)
        metrics.jobsFailed.increment(by: expired.failedJobs)
        steps.tell(expired.steps)
    }

    private func change<Value: Sendable>(
        _ id: Identifier, portrait: StoredImage? = nil, in context: WriteContext<Value>,
        _ transition: @escaping @Sendable (inout TrainingJob) throws(Failure) -> Value
    ) async throws(Failure) -> (value: Value, job: TrainingJob) {
        let outcome = try await writer.write(in: context, recording: { $0.value }) {
            db -> (value: Value, job: TrainingJob, step: ItemStep?) in
            guard var row = try JobRow.owned(id, db) else { throw Failure.notFound }
            let before = row.job
            let value = try transition(&row.job)
            let step = row.job == before ? nil : try steps.store(row, portrait: portrait, at: context.now, db)
            return (value, row.job, step)
        }
        if let step = outcome.step { steps.tell([step]) }
        return (outcome.value, outcome.job)
    }

    private func endLeases(
        runningUntil end: Timestamp, policy: LeasePolicy, at now: Timestamp, _ db: any SQLTransaction
    ) throws -> Expired {
        let over = try JobRow.all("state = 'leased' AND lease_expires_at <= ?", [end.milliseconds], db).sorted { $0.precedes($1) }
        var expired = Expired()
        for found in over {
            // Others may have ended the lease meanwhile, or prolonged it.
            guard var row = try JobRow.owned(found.job.id, db), row.job.expire(at: end, attemptsMax: policy.attemptsMax) else { continue }
            expired.leases += 1
            if let step = try steps.store(row, at: now, db) { expired.steps.append(step) }
            if row.job.hasFailed { expired.failedJobs += 1 }
        }
        return expired
    }

    private func lease(_ queued: JobRow, policy: LeasePolicy, at now: Timestamp, _ db: any SQLTransaction) throws -> LeasedJob? {
        var row = queued
        let token = RandomToken.random()
        let until = now.adding(seconds: policy.seconds)
        guard let itemID = row.itemID, let item = try ItemRow.find(itemID, db), row.job.lease(token: token, until: until) else {
            return nil
        }
        // Of a lease an item shows nothing.
        _ = try steps.store(row, at: now, db)
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
