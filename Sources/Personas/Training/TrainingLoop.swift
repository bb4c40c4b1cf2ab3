/// Runs a trainer on whatever jobs come, until its task is cancelled.
package struct TrainingLoop: Sendable {
    /// Jobs leased in one transaction: enough that leasing costs little under load, few enough that none waits long in another's shadow.
    private static let jobsAtOnce = 16

    private let training: Training
    private let trainer: any Trainer
    private let jobsHeldMax: Int?
    private let report: @Sendable (Failure) -> Void

    /// - Parameters:
    ///   - jobsHeldMax: how many jobs a trainer that takes its time has in hand, each for as long as it takes; nil for one that is done at once, which
    ///     gets a few jobs together and more when it is done with these.
    ///   - report: told of failures of the store; the loop goes on after a pause.
    package init(
        training: Training, trainer: any Trainer, jobsHeldMax: Int? = nil, report: @escaping @Sendable (Failure) -> Void
    ) {
        self.training = training
        self.trainer = trainer
        self.jobsHeldMax = jobsHeldMax
        self.report = report
    }

    /// Takes over what an earlier loop left, then leases, trains and reports, for ever. When cancelled, the jobs in hand are finished or handed back before it returns.
    package func run() async {
        do throws(Failure) {
            try await training.takeOver()
        } catch {
            report(error)
        }
        if let jobsHeldMax { return await hold(jobsHeldMax) }
        while !Task.isCancelled {
            let jobs = await lease(Self.jobsAtOnce)
            // Side by side, so that the store can commit their ends together.
            await withDiscardingTaskGroup { group in
                for job in jobs { group.addTask { await finish(job) } }
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
                        await finish(job)
                        places.leave()
                    }
                }
            }
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
