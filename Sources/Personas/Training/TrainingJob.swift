/// Why training failed, as clients see it.
package struct TrainingError: Error, Sendable, Equatable, Codable {
    /// The reason as a constant.
    package let code: TrainingErrorCode
    /// The reason in words, safe to show.
    package let message: String

    /// Pairs a reason with its words.
    package init(code: TrainingErrorCode, message: String) {
        self.code = code
        self.message = message
    }

    /// Checks the words of somebody who reports a failure.
    /// - Parameter field: what the adapter calls them.
    /// - Throws: the rule that is broken.
    package static func checkedMessage(_ text: String, field: InputField) throws(Violation) -> String {
        guard !text.isEmpty, !text.holdsMoreScalars(than: Limits.failureMessageCharactersMax) else {
            throw Violation(field, "must be 1 to \(Limits.failureMessageCharactersMax) characters long")
        }
        guard !text.holdsNull else { throw Violation(field, "must not hold the character U+0000") }
        return text
    }
}

/// The reasons for which training fails: the part of the error catalogue that an item may carry.
package enum TrainingErrorCode: String, Sendable, CaseIterable, Codable {
    /// The trainer refused the input.
    case rejected = "GENERATION_REJECTED"
    /// The trainer broke.
    case failed = "GENERATION_FAILED"
    /// The job ran out of attempts or of time.
    case timeout = "GENERATION_TIMEOUT"
    /// A result of the trainer could not be fetched.
    case downloadFailed = "DOWNLOAD_FAILED"
    /// The job was cancelled.
    case cancelled = "CANCELLED"
    /// The provider reported an error.
    case falError = "FAL_ERROR"
    /// The provider did not finish in time.
    case falTimeout = "FAL_TIMEOUT"
}

/// One training job as a state machine without I/O: stores load it, apply one transition and write it back in one transaction.
///
/// `queued → leased → completed | failed`, back to `queued` when a lease runs out or a worker reports a passing fault; `cancelled` when it is
/// called off, or the item goes away under the job. Ended states never change: an item that is trained anew gets another job.
package struct TrainingJob: Sendable, Equatable {
    /// Where a job stands.
    package enum State: Sendable, Equatable {
        /// Waits for a worker.
        case queued
        /// A worker holds it until the moment named.
        case leased(token: RandomToken, until: Timestamp)
        /// Ended well.
        case completed
        /// Ended badly.
        case failed(TrainingError)
        /// It is wanted no more; the last worker is told so by its next heartbeat.
        case cancelled(token: RandomToken?)
    }

    /// The job's id.
    package let id: Identifier
    /// Where it stands.
    package private(set) var state: State
    /// Leases given so far.
    package private(set) var attempts: Int
    /// 0 to 100, never decreasing, 100 exactly when completed.
    package private(set) var progress: Int

    /// Takes a job as stored; a new one is queued and was never leased.
    package init(id: Identifier, state: State = .queued, attempts: Int = 0, progress: Int = 0) {
        self.id = id
        self.state = state
        self.attempts = attempts
        self.progress = progress
    }

    /// Gives the job to a worker. False, and nothing changes, unless it is queued.
    package mutating func lease(token: RandomToken, until: Timestamp) -> Bool {
        guard case .queued = state else { return false }
        state = .leased(token: token, until: until)
        attempts += 1
        return true
    }

    /// Ends a lease that ran out: back to the queue, or failed after the last attempt. False when no lease has run out.
    package mutating func expire(at now: Timestamp, attemptsMax: Int) -> Bool {
        guard case .leased(_, let until) = state, until <= now else { return false }
        state =
            attempts < attemptsMax
            ? .queued
            : .failed(TrainingError(code: .timeout, message: "No worker finished in time; attempts: \(attempts)"))
        return true
    }

    /// Prolongs a lease and notes progress, which never falls and stays below 100 until the job is completed.
    /// - Returns: true when the job was cancelled and the worker should stop.
    /// - Throws: `staleLease` for a token that is not the running lease's.
    package mutating func heartbeat(token: RandomToken, progress: Int?, until: Timestamp, at now: Timestamp) throws(Failure) -> Bool {
        if case .cancelled(let last) = state, last == token { return true }
        try requireLease(token, at: now)
        state = .leased(token: token, until: until)
        self.progress = max(self.progress, min(progress ?? 0, 99))
        return false
    }

    /// Ends the job well.
    /// - Throws: `staleLease` for a token that is not the running lease's.
    package mutating func complete(token: RandomToken, at now: Timestamp) throws(Failure) {
        try requireLease(token, at: now)
        state = .completed
        progress = 100
    }

    /// Ends the job badly, or sends it back to the queue when the fault may pass and attempts are left.
    /// - Throws: `staleLease` for a token that is not the running lease's.
    package mutating func fail(
        token: RandomToken, error: TrainingError, retryable: Bool, attemptsMax: Int, at now: Timestamp
    ) throws(Failure) {
        try requireLease(token, at: now)
        state = retryable && attempts < attemptsMax ? .queued : .failed(error)
    }

    /// Gives a lease back unused, as a worker does that stops; the attempt does not count.
    /// - Throws: `staleLease` for a token that is not the running lease's.
    package mutating func handBack(token: RandomToken, at now: Timestamp) throws(Failure) {
        try requireLease(token, at: now)
        state = .queued
        attempts -= 1
    }

    /// Calls the job off. Nothing changes of one that has ended.
    package mutating func cancel() {
        switch state {
        case .queued: state = .cancelled(token: nil)
        case .leased(let token, _): state = .cancelled(token: token)
        case .completed, .failed, .cancelled: break
        }
    }

    private func requireLease(_ token: RandomToken, at now: Timestamp) throws(Failure) {
        guard case .leased(let current, let until) = state, current == token, now < until else {
            throw .staleLease
        }
    }
}

/// A job in a worker's hands.
package struct LeasedJob: Sendable {
    /// The job's id.
    package let id: Identifier
    /// The right to report on the job.
    package let leaseToken: RandomToken
    /// When the right ends, unless a heartbeat prolongs it.
    package let leaseExpiresAt: Timestamp
    /// Which attempt this is, from 1.
    package let attempt: Int
    /// The item in training.
    package let item: Pikzonality
    /// The item's reference images in their order.
    package let references: [StoredImage]

    package init(
        id: Identifier, leaseToken: RandomToken, leaseExpiresAt: Timestamp, attempt: Int, item: Pikzonality, references: [StoredImage]
    ) {
        self.id = id
        self.leaseToken = leaseToken
        self.leaseExpiresAt = leaseExpiresAt
        self.attempt = attempt
        self.item = item
        self.references = references
    }
}

/// What a worker learns from a sign of life.
package struct LeaseState: Sendable, Equatable {
    /// Whether the job is wanted no more, so that the worker should stop.
    package let isCancelled: Bool
    /// When the lease ends now.
    package let expiresAt: Timestamp

    package init(isCancelled: Bool, expiresAt: Timestamp) {
        self.isCancelled = isCancelled
        self.expiresAt = expiresAt
    }
}

/// How long leases last and how many a job gets.
package struct LeasePolicy: Sendable, Equatable {
    /// Seconds that a lease lasts without a heartbeat.
    package let seconds: Int
    /// Leases that one job is given before its item fails.
    package let attemptsMax: Int

    /// Takes both members; the defaults are those of `Limits`.
    package init(seconds: Int = Limits.leaseSeconds, attemptsMax: Int = Limits.trainingAttemptsMax) {
        self.seconds = seconds
        self.attemptsMax = attemptsMax
    }
}

/// Remembers training jobs. Each call is one transaction that applies one transition of `TrainingJob`, and changes the item with it.
package protocol TrainingJobStore: Sendable {
    /// Ends the leases that ran out, then leases the oldest queued jobs, at most `limit`. Without a job nothing is recorded.
    func lease(limit: Int, policy: LeasePolicy, in context: WriteContext<[LeasedJob]>) async throws(Failure) -> [LeasedJob]
    /// Leases one job, the oldest of the account that follows another in the order of their ids, as if that were a ring; accounts to be passed are
    /// passed. Nil where no other has a queued job. Leases that ran out are left to `expire`.
    /// - Parameter last: the account to begin after; nil to begin with the first.
    func leaseInTurn(
        after last: Identifier?, passing: Set<Identifier>, policy: LeasePolicy, in context: WriteContext<LeasedJob>
    ) async throws(Failure) -> LeasedJob?
    /// Prolongs a lease.
    /// - Throws: `notFound` for an unknown job, `staleLease` for a lease that is not running.
    func heartbeat(
        _ id: Identifier, token: RandomToken, progress: Int?, policy: LeasePolicy, in context: WriteContext<LeaseState>
    ) async throws(Failure) -> LeaseState
    /// Ends a job well; the item is completed in the same transaction. Without a portrait the first reference image serves.
    /// - Throws: `notFound`, `staleLease`.
    func complete(_ id: Identifier, token: RandomToken, portrait: StoredImage?, in context: WriteContext<Void>) async throws(Failure)
    /// Ends a job badly or sends it back to the queue.
    /// - Throws: `notFound`, `staleLease`.
    func fail(
        _ id: Identifier, token: RandomToken, error: TrainingError, retryable: Bool, policy: LeasePolicy, in context: WriteContext<Void>
    ) async throws(Failure)
    /// Gives a lease back unused.
    /// - Throws: `notFound`, `staleLease`.
    func handBack(_ id: Identifier, token: RandomToken, in context: WriteContext<Void>) async throws(Failure)
    /// Ends the leases that ran out. Returns how many; without one nothing is recorded.
    func expire(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int
    /// Takes over what was left by workers that trained before this process started: ends their leases, running or not, so that their jobs need
    /// not wait for that. Each still counts as an attempt, so that a job that brings the process down does not do so for ever. A store that
    /// several processes share ends none, for another may be at work; its leases run out. Returns how many were ended; without one nothing is
    /// recorded.
    func takeOver(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int
}
