/// Has fal train. Each job is followed from its intent to its portrait by a task that waits most of the time, and goes on where an earlier process was.
package struct FalTrainer: Trainer {
    /// What the operator has chosen.
    package struct Configuration: Sendable {
        /// What the model is given.
        package let template: FalTemplate
        /// The address that fal's webhooks are posted to, without the token.
        package let webhookURL: String
        /// Seconds from when a request was first sent until it is given up.
        package let timeoutSeconds: Int
        /// How often fal is asked where no webhook comes.
        package let pollPause: Duration
        /// How long a request that is being sent is waited for once the process was told to stop.
        package let stopGrace: Duration

        package init(
            template: FalTemplate, webhookURL: String, timeoutSeconds: Int, pollPause: Duration, stopGrace: Duration = .seconds(5)
        ) {
            self.template = template
            self.webhookURL = webhookURL
            self.timeoutSeconds = timeoutSeconds
            self.pollPause = pollPause
            self.stopGrace = stopGrace
        }
    }

    /// Requests that are sent at once, and as many that are asked for; accounts share them.
    private static let callsMax = 16
    /// How long after a failure of the store it is asked again.
    private static let failurePause = Duration.seconds(1)
    /// What a job ends with whose end is not taken any more, because it was called off or is in other hands.
    private static let stopped = TrainingError(code: .failed, message: "The work was stopped")

    private let configuration: Configuration
    private let store: any FalRequestStore
    private let queue: any FalQueue
    private let portraits: FalPortraits
    private let wakes: FalWakes
    private let closings: WakeSignal
    private let changes: ItemChanges
    private let clock: WallClock
    private let mediaURL: @Sendable (RandomToken) -> String
    private let tell: @Sendable (FalNews) -> Void
    private let sendings = AsyncSemaphore(count: callsMax)
    private let questions = AsyncSemaphore(count: callsMax)

    /// - Parameters:
    ///   - closings: given when a request may be due to be called off.
    ///   - changes: tells of items that are cancelled or deleted.
    ///   - mediaURL: where fal finds the image behind a token.
    package init(
        _ configuration: Configuration, store: any FalRequestStore, queue: any FalQueue, portraits: FalPortraits, wakes: FalWakes,
        closings: WakeSignal, changes: ItemChanges, clock: WallClock, mediaURL: @escaping @Sendable (RandomToken) -> String,
        tell: @escaping @Sendable (FalNews) -> Void
    ) {
        self.configuration = configuration
        self.store = store
        self.queue = queue
        self.portraits = portraits
        self.wakes = wakes
        self.closings = closings
        self.changes = changes
        self.clock = clock
        self.mediaURL = mediaURL
        self.tell = tell
    }

    package func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
        let wake = wakes.follow(job.id)
        let watch = changes.watch(job.item.id, of: job.item.accountID, for: .settlement) { _ in wake.notify() }
        defer {
            changes.end(watch)
            wakes.end(job.id, wake)
        }
        var follower = Follower(wake: wake, nextQuestion: .now)
        while !Task.isCancelled {
            let seen = wake.count
            switch try await step(job, &follower, wakeCount: seen) {
            case .again: break
            case .done(let portrait): return portrait
            case .wait(let pause): await wake.wait(after: seen, atMost: pause)
            }
        }
        throw Self.stopped
    }

    /// What the task that follows a request remembers.
    private struct Follower {
        /// Given when something may have happened to the request.
        let wake: WakeSignal
        /// When fal is asked next.
        var nextQuestion: ContinuousClock.Instant
        /// How often it was woken when fal was asked last; a further time is a reason to ask at once.
        var wakeCount: UInt64 = 0
    }

    private enum Step {
        case again
        case wait(Duration)
        case done(TrainedPortrait?)
    }

    /// Does what there is to do now.
    private func step(_ job: LeasedJob, _ follower: inout Follower, wakeCount: UInt64) async throws(TrainingError) -> Step {
        let found: FalRequest?
        do throws(Failure) {
            found = try await store.request(ofJob: job.id)
        } catch {
            tell(.storeFailed(error))
            return .wait(Self.failurePause)
        }
        guard let request = found else { return try await send(job, &follower) }
        let left = left(of: request)
        switch request.state {
        case .waiting:
            if left <= .zero { throw overdue(job) }
            let pause = duration(until: request.dueAt ?? request.intendedAt)
            return pause <= .zero ? try await send(job, &follower) : .wait(min(pause, left, configuration.pollPause))
        case .intended:
            // Whether fal has it nobody knows, and what may have cost money once is not sent twice.
            if left <= .zero { throw overdue(job) }
            return .wait(min(left, configuration.pollPause))
        case .submitted:
            guard let handle = request.handle else { throw Self.stopped }
            return try await ask(handle, job, left: left, &follower, wakeCount: wakeCount)
        case .reported:
            guard case .portrait(let url)? = request.outcome else {
                throw request.outcome?.error(of: job.item.mode) ?? .falOverdue
            }
            return .done(try await portrait(at: url, job))
        case .closing, .ended:
            closings.notify()
            throw Self.stopped
        }
    }

    private func left(of request: FalRequest) -> Duration {
        duration(until: request.intendedAt.adding(seconds: configuration.timeoutSeconds))
    }

    private func duration(until moment: Timestamp) -> Duration { .milliseconds(moment.milliseconds - clock.now.milliseconds) }

    private func overdue(_ job: LeasedJob) -> TrainingError {
        tell(.overdue(jobID: job.id))
        closings.notify()
        return .falOverdue
    }

    private func portrait(at url: String, _ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait {
        do throws(FalPortraits.Problem) {
            return try await portraits.portrait(at: url, for: job.item.accountID)
        } catch {
            switch error {
            case .stopped: throw Self.stopped
            case .unusable(let reason):
                tell(.downloadFailed(jobID: job.id, reason: reason))
                throw TrainingError(code: .downloadFailed, message: "The portrait from the generation provider \(reason)")
            }
        }
    }
}

// Sending and asking.
extension FalTrainer {
    /// Sends a request when it is its turn. Its intent is on disk before.
    private func send(_ job: LeasedJob, _ follower: inout Follower) async throws(TrainingError) -> Step {
        guard await sendings.enter(job.item.accountID) == .admitted else { throw Self.stopped }
        defer { sendings.leave(job.item.accountID) }
        let intent: FalIntent
        do throws(Failure) {
            intent = try await store.intend(job, token: .random(), at: clock.now)
        } catch {
            if case .staleLease = error { throw Self.stopped }
            tell(.storeFailed(error))
            return .wait(Self.failurePause)
        }
        guard intent.maySend else { return .again }
        await finishing(Task { await send(intent.request, for: job) })
        follower.nextQuestion = .now + configuration.pollPause
        return .again
    }

    /// Sends a request and notes what came of it. In a task of its own, because what was begun must not be given up: the answer may be on its way.
    private func send(_ request: FalRequest, for job: LeasedJob) async {
        let references = job.item.referenceTokens.map { mediaURL($0) }
        let submission = await queue.submit(
            configuration.template.input(for: job.item, references: references),
            webhook: "\(configuration.webhookURL)?token=\(request.token.text)")
        tell(.sent(submission, jobID: job.id))
        let event: FalEvent
        switch submission {
        case .accepted(let handle): event = .accepted(handle)
        case .notTaken(let seconds):
            event = .notTaken(retryAt: FalRules.retryAt(clock.now, attempts: request.attempts, retryAfterSeconds: seconds))
        case .refused(let outcome): event = .reported(outcome)
        case .unknown: return
        }
        await note(event, of: job)
    }

    /// Writes an event down, however long the store cannot: what fal has said once it says to nobody else.
    private func note(_ event: FalEvent, of job: LeasedJob) async {
        while true {
            do throws(Failure) {
                // Called off meanwhile, it is closed now that it can be.
                if try await store.take(event, ofJob: job.id, at: clock.now)?.state == .closing { closings.notify() }
                return
            } catch {
                tell(.storeFailed(error))
            }
            guard (try? await Task.sleep(for: Self.failurePause)) != nil else { return }
        }
    }

    /// Waits for a task, but not for long once this one is cancelled: then it goes on by itself, as far as it comes.
    private func finishing(_ task: Task<Void, Never>) async {
        let done = WakeSignal()
        Task {
            await task.value
            done.notify()
        }
        while done.count == 0, !Task.isCancelled { await done.wait(after: 0, atMost: .seconds(60)) }
        let grace = configuration.stopGrace
        if done.count == 0 { await Task { await done.wait(after: 0, atMost: grace) }.value }
    }

    /// Asks fal how a request stands, where it is time to, or a webhook has said that there is something to be asked for.
    private func ask(
        _ handle: FalHandle, _ job: LeasedJob, left: Duration, _ follower: inout Follower, wakeCount: UInt64
    ) async throws(TrainingError) -> Step {
        let pause = ContinuousClock.now.duration(to: follower.nextQuestion)
        guard pause <= .zero || follower.wakeCount != wakeCount || left <= .zero else { return .wait(min(pause, left)) }
        let standing = await standing(of: handle, job, unless: follower.wake, isGivenAfter: wakeCount)
        (follower.nextQuestion, follower.wakeCount) = (.now + configuration.pollPause, wakeCount)
        if case .done(let outcome)? = standing {
            tell(.reported(outcome, jobID: job.id))
            await note(.reported(outcome), of: job)
            return .again
        }
        // Only after a last question, for the result may be there and its webhook lost; and not where a webhook came while that was asked.
        if standing == .open, left <= .zero, follower.wake.count == wakeCount { throw overdue(job) }
        return .again
    }

    /// Asks fal how a request stands, when it is its turn. A fal that takes its time keeps nobody from what a webhook has brought meanwhile.
    /// - Returns: nil where the signal is given first, or the task is cancelled.
    private func standing(
        of handle: FalHandle, _ job: LeasedJob, unless wake: WakeSignal, isGivenAfter seen: UInt64
    ) async -> FalStanding? {
        await withTaskGroup(of: FalStanding?.self) { group in
            group.addTask {
                guard await questions.enter(job.item.accountID) == .admitted else { return nil }
                defer { questions.leave(job.item.accountID) }
                return await queue.standing(of: handle)
            }
            group.addTask {
                // A day stands for as long as it takes; whoever waits keeps the place in line.
                await wake.wait(after: seen, atMost: .seconds(86_400))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = await group.next() else { return nil }
            return first
        }
    }
}
