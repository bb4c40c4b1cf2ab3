/// Makes something of an item's reference images.
package protocol Trainer: Sendable {
    /// Trains on one job.
    /// - Returns: the portrait; nil where the first of the reference images is to be it.
    /// - Throws: why it failed.
    @discardableResult
    func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait?
}

/// The trainer within the process: verifies the stored reference images and publishes them, the first as portrait. It trains no model.
package struct EmbeddedTrainer: Trainer {
    private let images: ImageLibrary

    /// Takes the images.
    package init(images: ImageLibrary) {
        self.images = images
    }

    /// Reads every reference image back and compares it with its digest.
    package func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
        for image in job.references {
            do throws(Failure) {
                try await verify(image)
            } catch {
                throw TrainingError(code: .failed, message: "A stored reference image could not be read back")
            }
        }
        return nil
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

/// A trainer that takes its time: what another one does follows after a wait of a length that was set, in ten steps which are told as progress, so that
/// somebody who looks on sees a training go on. While it waits it holds a task and nothing else.
package struct PacedTrainer: Trainer {
    private static let stepPercent = 10
    /// Signs of life that are written at once, however many jobs are waited for: no client's write stands behind all of them.
    private static let writesMax = 8

    private let trainer: any Trainer
    private let training: Training
    private let duration: Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let places = AsyncSemaphore(count: writesMax)

    /// - Parameters:
    ///   - trainer: does the work once the wait is over.
    ///   - training: is told of progress.
    ///   - duration: how long the whole wait is.
    ///   - sleep: waits, and throws when its task is cancelled.
    package init(
        _ trainer: any Trainer, training: Training, lasting duration: Duration,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.trainer = trainer
        self.training = training
        self.duration = duration
        self.sleep = sleep
    }

    /// Waits for the steps that are left of the job, which are fewer where an earlier process has begun with it, then has it trained.
    package func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
        var percent = job.item.progress / Self.stepPercent * Self.stepPercent
        while percent < 100 {
            percent += Self.stepPercent
            guard try await wait(for: job, until: percent) else { return nil }
        }
        return try await perform { () async throws(TrainingError) in try await trainer.train(job) }
    }

    /// Waits for one step and tells of it.
    /// - Returns: whether there is anything left to do: not where the job was called off, or is in other hands. What whoever runs this then reports on
    ///   the job is refused, by which it learns that.
    private func wait(for job: LeasedJob, until percent: Int) async throws(TrainingError) -> Bool {
        var left = duration * Self.stepPercent / 100
        while left > .zero {
            let pause = min(left, training.signOfLifeInterval)
            do {
                try await sleep(pause)
            } catch {
                throw TrainingError(code: .failed, message: "The training was stopped")
            }
            left -= pause
            // The last step is told by the end of the job.
            if left <= .zero, percent >= 100 { return true }
            guard await isWanted(job, at: left > .zero ? nil : percent) else { return false }
        }
        return true
    }

    /// Gives a sign of life. A store that cannot take it now gets the next one.
    private func isWanted(_ job: LeasedJob, at percent: Int?) async -> Bool {
        await perform {
            do throws(Failure) {
                return try await !training.heartbeat(job.id, token: job.leaseToken, progress: percent).isCancelled
            } catch {
                switch error {
                case .staleLease, .notFound: return false
                default: return true
                }
            }
        }
    }

    /// Does something that others wait for when its turn has come. A task that is cancelled meanwhile does it all the same, because it takes a moment.
    private func perform<Value, Problem: Error>(_ body: () async throws(Problem) -> Value) async throws(Problem) -> Value {
        let places = places
        _ = await Task { await places.enter() }.value
        defer { places.leave() }
        return try await body()
    }
}
