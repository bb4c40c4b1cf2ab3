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
        try await images.withStored([
            try await decoding.image(portraitBase64, keepingMetadata: keepsImageMetadata, at: position, holding: memory)
        ]) { (stored) async throws(Failure) in
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

/// Makes something of an item's reference images.
package protocol Trainer: Sendable {
    /// Trains on one job.
    /// - Throws: why it failed.
    func train(_ job: LeasedJob) async throws(TrainingError)
}

/// The trainer within the process: verifies the stored reference images and publishes them, the first as portrait. It trains no model.
package struct EmbeddedTrainer: Trainer {
    private let images: ImageLibrary

    /// Takes the images.
    package init(images: ImageLibrary) {
        self.images = images
    }

    /// Reads every reference image back and compares it with its digest.
    package func train(_ job: LeasedJob) async throws(TrainingError) {
        for image in job.references {
            do throws(Failure) {
                try await verify(image)
            } catch {
                throw TrainingError(code: .failed, message: "A stored reference image could not be read back")
            }
        }
    }

    /// Reads an image back. What the process has used up for the moment, such as descriptors, is waited for: it is no fault of the item.
    private func verify(_ image: StoredImage) async throws(Failure) {
        while true {
            do throws(Failure) {
                return try await images.verify(image)
            } catch {
                guard case .usedUp(_, let seconds) = error, !Task.isCancelled else { throw error }
                try? await Task.sleep(for: .seconds(seconds))
            }
        }
    }
}

/// Runs a trainer on whatever jobs come, until its task is cancelled.
package struct TrainingLoop: Sendable {
    /// Jobs leased in one transaction: enough that leasing costs little under load, few enough that none waits long in another's shadow.
    private static let jobsAtOnce = 16

    private let training: Training
    private let trainer: any Trainer
    private let report: @Sendable (Failure) -> Void

    /// - Parameter report: told of failures of the store; the loop goes on after a pause.
    package init(training: Training, trainer: any Trainer, report: @escaping @Sendable (Failure) -> Void) {
        self.training = training
        self.trainer = trainer
        self.report = report
    }

    /// Takes over what an earlier loop left, then leases, trains and reports, for ever. When cancelled, the jobs in hand are finished or handed back before it returns.
    package func run() async {
        do throws(Failure) {
            try await training.takeOver()
        } catch {
            report(error)
        }
        while !Task.isCancelled {
            do throws(Failure) {
                let jobs = try await training.lease(limit: Self.jobsAtOnce, waiting: .seconds(Limits.leaseWaitSecondsMax))
                // Side by side, so that the store can commit their ends together.
                await withDiscardingTaskGroup { group in
                    for job in jobs { group.addTask { await finish(job) } }
                }
            } catch {
                report(error)
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func finish(_ job: LeasedJob) async {
        do throws(Failure) {
            if Task.isCancelled { return try await training.handBack(job) }
            do throws(TrainingError) {
                try await trainer.train(job)
            } catch {
                // A trainer that is being stopped may have broken off for that alone.
                if Task.isCancelled { return try await training.handBack(job) }
                return try await training.fail(job.id, token: job.leaseToken, error: error, retryable: false)
            }
            try await training.complete(job.id, token: job.leaseToken, portraitBase64: nil)
        } catch {
            if case .staleLease = error, await training.isCancelled(job) { return }
            report(error)
        }
    }
}
