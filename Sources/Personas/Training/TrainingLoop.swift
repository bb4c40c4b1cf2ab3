/// Runs a trainer on whatever jobs come, until its task is cancelled.
package struct TrainingLoop: Sendable {
    /// Jobs leased in one transaction: enough that leasing costs little under load, few enough that none waits long in another's shadow.
    private static let jobsAtOnce = 16

    private let training: Training
    private let trainer: any Trainer
    private let jobsHeldMax: Int?
    private let isShared: Bool
    private let report: @Sendable (Failure) -> Void

    /// - Parameters:
    ///   - jobsHeldMax: how many jobs a trainer that takes its time has in hand, each for as long as it takes; nil for one that is done at once, which
    ///     gets a few jobs together and more when it is done with these.
    ///   - isShared: whether accounts share what is in hand, because the trainer takes very long: each gets a job in turn, and none more than half of all.
    ///     Such jobs have leases that outlast everything, so that what cannot be written down about one is tried again rather than left to its end.
    ///   - report: told of failures of the store; the loop goes on after a pause.
    package init(
        training: Training, trainer: any Trainer, jobsHeldMax: Int? = nil, isShared: Bool = false,
        report: @escaping @Sendable (Failure) -> Void
    ) {
        self.training = training
        self.trainer = trainer
        self.jobsHeldMax = jobsHeldMax
        self.isShared = isShared
        self.report = report
    }

    /// Takes over what an earlier loop left, then leases, trains and reports, for ever. When cancelled, the jobs in hand are finished or handed back before it returns.
    package func run() async {
        do throws(Failure) {
            try await training.takeOver()
        } catch {
            report(error)
        }
        if let jobsHeldMax { return isShared ? await share(jobsHeldMax) : await hold(jobsHeldMax) }
        while !Task.isCancelled {
            let jobs = await lease(Self.jobsAtOnce)
            // Side by side, so that the store can commit their ends together.
            await withDiscardingTaskGroup { group in
                for job in jobs { group.addTask { _ = await finish(job) } }
            }
        }
    }

    /// Leases a job whenever there is a place, whatever becomes of the others.
    private func hold(_ jobsMax: Int) async {
        let places = AsyncSemaphore(count: jobsMax)
        await withDiscardingTaskGroup { group in
            while await places.enter() == .admitted {
                let jobs = await lease(1)
                if jobs.isEmpty { places.leave() }
                for job in jobs {
                    group.addTask {
                        _ = await finish(job)
                        places.leave()
                    }
                }
            }
        }
    }

    /// Leases a job of each account in turn whenever there is a place that it may have.
    private func share(_ jobsMax: Int) async {
        let places = AsyncSemaphore(count: jobsMax)
        var last: Identifier?
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                guard let job = await leaseInTurn(after: last, places) else { continue }
                let accountID = job.item.accountID
                last = accountID
                // There is one, because places are taken here alone.
                let hasPlace = places.tryEnter(accountID) == .admitted
                group.addTask {
                    while await !finish(job), (try? await Task.sleep(for: .seconds(1))) != nil {}
                    if hasPlace { places.leave(accountID) }
                    training.lookAgain()
                }
            }
        }
    }

    private func leaseInTurn(after last: Identifier?, _ places: AsyncSemaphore) async -> LeasedJob? {
        do throws(Failure) {
            return try await training.leaseInTurn(after: last, waiting: .seconds(Limits.leaseWaitSecondsMax)) {
                places.free > 0 ? places.accountsAtTheirShare : nil
            }
        } catch {
            report(error)
            try? await Task.sleep(for: .seconds(1))
            return nil
        }
    }

    /// The oldest jobs that wait, once there are some; none where the store fails, or after a while.
    private func lease(_ limit: Int) async -> [LeasedJob] {
        do throws(Failure) {
            return try await training.lease(limit: limit, waiting: .seconds(Limits.leaseWaitSecondsMax))
        } catch {
            report(error)
            try? await Task.sleep(for: .seconds(1))
            return []
        }
    }

    /// Trains on a job and reports on it.
    /// - Returns: whether the report was taken, or is wanted no more; the same may be tried again where not.
    private func finish(_ job: LeasedJob) async -> Bool {
        do throws(Failure) {
            try await train(job)
            return true
        } catch {
            if case .staleLease = error, await training.isCancelled(job) { return true }
            report(error)
            switch error {
            case .staleLease, .notFound: return true
            default: return false
            }
        }
    }

    private func train(_ job: LeasedJob) async throws(Failure) {
        if Task.isCancelled { return try await training.handBack(job) }
        let portrait: TrainedPortrait?
        do throws(TrainingError) {
            portrait = try await trainer.train(job)
        } catch {
            // A trainer that is being stopped may have broken off for that alone.
            if Task.isCancelled { return try await training.handBack(job) }
            return try await training.fail(job.id, token: job.leaseToken, error: error, retryable: false)
        }
        try await training.complete(job, portrait: portrait)
    }
}
