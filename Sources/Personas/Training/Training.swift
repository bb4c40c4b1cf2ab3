/// The use cases of training: what workers call, over HTTP or in process.
package struct Training: Sendable {
    private let jobs: any TrainingJobStore
    private let images: ImageLibrary
    private let signals: WorkSignals
    private let policy: LeasePolicy
    private let clock: WallClock
    private let decoding: BodyDecoding
    private let keepsImageMetadata: Bool

    /// Ties the use cases to their ports.
    package init(
        jobs: any TrainingJobStore, images: ImageLibrary, decoding: BodyDecoding, signals: WorkSignals, policy: LeasePolicy,
        clock: WallClock, keepsImageMetadata: Bool
    ) {
        self.jobs = jobs
        self.images = images
        self.decoding = decoding
        self.signals = signals
        self.policy = policy
        self.clock = clock
        self.keepsImageMetadata = keepsImageMetadata
    }

    /// Leases the oldest waiting jobs; waits for one if there is none, and answers with none when the time is over or the task cancelled.
    /// - Parameter claim: the claim on the worker's idempotency key, under which a lease is recorded; where there is no job, nothing is.
    package func lease(
        limit: Int, waiting duration: Duration, claim: IdempotencyClaim<[LeasedJob]>? = nil
    ) async throws(Failure) -> [LeasedJob] {
        let deadline = ContinuousClock.now.advanced(by: duration)
        while true {
            let seen = signals.jobs.count
            let leased = try await jobs.lease(limit: limit, policy: policy, in: WriteContext(at: clock.now, claim: claim))
            let left = ContinuousClock.now.duration(to: deadline)
            if !leased.isEmpty || left <= .zero || Task.isCancelled { return leased }
            // A lease of another worker may run out while this one waits, which gives no signal; so it looks again every second.
            await signals.jobs.wait(after: seen, atMost: min(left, .seconds(1)))
        }
    }

    /// Leases the next job for one who holds many: that of the account whose turn it is, of each account its oldest. Waits for one like `lease`.
    /// - Parameters:
    ///   - last: the account that had its turn last; nil at the beginning.
    ///   - passing: the accounts whose turn it is not now, asked for at each look; nil where it is nobody's.
    package func leaseInTurn(
        after last: Identifier?, waiting duration: Duration, passing: () -> Set<Identifier>?
    ) async throws(Failure) -> LeasedJob? {
        let deadline = ContinuousClock.now.advanced(by: duration)
        while true {
            let seen = signals.jobs.count
            if let passed = passing(),
                let job = try await jobs.leaseInTurn(after: last, passing: passed, policy: policy, in: WriteContext(at: clock.now))
            {
                return job
            }
            let left = ContinuousClock.now.duration(to: deadline)
            if left <= .zero || Task.isCancelled { return nil }
            await signals.jobs.wait(after: seen, atMost: min(left, .seconds(1)))
        }
    }

    /// Has whoever waits for a job look again, because a place is free for one.
    package func lookAgain() { signals.jobs.notify() }

    /// How often whoever holds a job for long gives a sign of life: three times in a lease, so that two may come too late.
    package var signOfLifeInterval: Duration { .seconds(policy.seconds) / 3 }

    /// Prolongs a lease and notes progress.
    /// - Throws: `invalid`, `notFound`, `staleLease`.
    package func heartbeat(
        _ id: Identifier, token: RandomToken, progress: Int?, claim: IdempotencyClaim<LeaseState>? = nil
    ) async throws(Failure) -> LeaseState {
        if let violation = Self.violation(ofProgress: progress) { throw .invalid([violation]) }
        return try await jobs.heartbeat(
            id, token: token, progress: progress, policy: policy, in: WriteContext(at: clock.now, claim: claim))
    }

    /// The rule that a reported progress breaks, if any; none given breaks none.
    package static func violation(ofProgress progress: Int?) -> Violation? {
        guard let progress, !(0...100).contains(progress) else { return nil }
        return Violation(.progress, "must be from 0 to 100")
    }

    /// Ends a job well.
    /// - Parameters:
    ///   - portraitBase64: the portrait; nil takes the first reference image.
    ///   - memory: what the request holds, the portrait included; without a bound where no client asks.
    /// - Throws: `badImages`, `tooManyRequests`, `usedUp`, `mediaNotStored`, `notFound`, `staleLease`.
    package func complete(
        _ id: Identifier, token: RandomToken, portraitBase64: ImageText?, holding memory: MemoryReservation = .unlimited(),
        claim: IdempotencyClaim<Void>? = nil
    ) async throws(Failure) {
        guard let portraitBase64 else {
            return try await jobs.complete(id, token: token, portrait: nil, in: WriteContext(at: clock.now, claim: claim))
        }
        let position = ImagePosition(field: .portrait)
        let image = try await decoding.image(portraitBase64, keepingMetadata: keepsImageMetadata, at: position, holding: memory)
        try await complete(id, token: token, portrait: image, claim: claim)
    }

    /// Ends a job well with what its trainer has made of it.
    /// - Parameter portrait: nil takes the first reference image.
    /// - Throws: `usedUp`, `mediaNotStored`, `notFound`, `staleLease`.
    package func complete(_ job: LeasedJob, portrait: TrainedPortrait?) async throws(Failure) {
        guard let portrait else { return try await complete(job.id, token: job.leaseToken, portraitBase64: nil) }
        try await complete(job.id, token: job.leaseToken, portrait: portrait.image, claim: nil)
    }

    private func complete(
        _ id: Identifier, token: RandomToken, portrait: SanitizedImage, claim: IdempotencyClaim<Void>?
    ) async throws(Failure) {
        try await images.withStored([portrait]) { (stored) async throws(Failure) in
            try await jobs.complete(id, token: token, portrait: stored.first, in: WriteContext(at: clock.now, claim: claim))
        }
    }

    /// Ends a job badly, or sends it back to the queue when the fault may pass.
    /// - Throws: `notFound`, `staleLease`.
    package func fail(
        _ id: Identifier, token: RandomToken, error: TrainingError, retryable: Bool, claim: IdempotencyClaim<Void>? = nil
    ) async throws(Failure) {
        try await jobs.fail(
            id, token: token, error: error, retryable: retryable, policy: policy, in: WriteContext(at: clock.now, claim: claim))
        signals.jobs.notify()
    }

    /// Ends the leases that ran out, so that an item fails on time even when no worker asks for jobs.
    package func expireLeases() async throws(Failure) {
        if try await jobs.expire(policy: policy, in: WriteContext(at: clock.now)) > 0 { signals.jobs.notify() }
    }

    /// Takes over what was left by a trainer that ran in the place of one that starts now; the store knows whether another may be at work.
    package func takeOver() async throws(Failure) {
        _ = try await jobs.takeOver(policy: policy, in: WriteContext(at: clock.now))
    }

    /// Whether a job was called off while somebody worked on it, so that there is nothing wrong where no report on it is taken any more.
    package func isCancelled(_ job: LeasedJob) async -> Bool {
        (try? await heartbeat(job.id, token: job.leaseToken, progress: nil))?.isCancelled ?? false
    }

    /// Gives a lease back unused.
    package func handBack(_ job: LeasedJob) async throws(Failure) {
        try await jobs.handBack(job.id, token: job.leaseToken, in: WriteContext(at: clock.now))
        signals.jobs.notify()
    }
}
