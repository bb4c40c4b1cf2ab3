import Personas
import Testing

@Suite("Training jobs")
struct TrainingJobTests {
    static let id = Identifier.random()
    static let token = RandomToken.random()
    static let foreign = RandomToken.random()
    static let now = Timestamp(milliseconds: 1_795_231_740_000)
    static let later = now.adding(seconds: 30)
    static let muchLater = now.adding(seconds: 60)
    static let error = TrainingError(code: .failed, message: "The trainer broke")
    static let conflict = Failure.staleLease

    /// Where a job may stand before a transition; at most three attempts.
    enum Start: CaseIterable {
        case fresh, queuedAgain, leased, leasedLast, ranOut, ranOutLast, completed, failed, cancelledUnleased, cancelledLeased

        var job: TrainingJob {
            let state: TrainingJob.State =
                switch self {
                case .fresh, .queuedAgain: .queued
                case .leased, .leasedLast: .leased(token: token, until: later)
                // A lease ends at the very moment named.
                case .ranOut, .ranOutLast: .leased(token: token, until: now)
                case .completed: .completed
                case .failed: .failed(error)
                case .cancelledUnleased: .cancelled(token: nil)
                case .cancelledLeased: .cancelled(token: token)
                }
            let attempts =
                switch self {
                case .fresh, .cancelledUnleased: 0
                case .queuedAgain, .leased, .ranOut, .completed, .cancelledLeased: 1
                case .leasedLast, .ranOutLast, .failed: 3
                }
            let progress =
                switch self {
                case .fresh, .cancelledUnleased: 0
                case .completed: 100
                default: 40
                }
            return TrainingJob(id: id, state: state, attempts: attempts, progress: progress)
        }
    }

    /// What is done to the job, in the order of the table's columns.
    enum Action: CaseIterable {
        case lease, expire, heartbeat, complete, failPassing, failForGood, handBack, cancel
    }

    /// What comes of it.
    enum Outcome {
        /// Nothing changes; the call says no, or has nothing to do.
        case nothing
        /// Nothing changes, and the caller is told of a conflict.
        case conflict
        /// Nothing changes, and the worker is told to stop.
        case stop
        case leased, prolonged, queued, handedBack, completed, failed, timedOut, cancelled, cancelledLeased
    }

    /// Every transition from every state, by a worker that holds the token of the present lease, or of the last.
    static let table: [Start: [Outcome]] = [
        // In the order of the actions: lease, expire, heartbeat, complete, failPassing, failForGood, handBack, cancel.
        .fresh: [.leased, .nothing, .conflict, .conflict, .conflict, .conflict, .conflict, .cancelled],
        .queuedAgain: [.leased, .nothing, .conflict, .conflict, .conflict, .conflict, .conflict, .cancelled],
        .leased: [.nothing, .nothing, .prolonged, .completed, .queued, .failed, .handedBack, .cancelledLeased],
        .leasedLast: [.nothing, .nothing, .prolonged, .completed, .failed, .failed, .handedBack, .cancelledLeased],
        .ranOut: [.nothing, .queued, .conflict, .conflict, .conflict, .conflict, .conflict, .cancelledLeased],
        .ranOutLast: [.nothing, .timedOut, .conflict, .conflict, .conflict, .conflict, .conflict, .cancelledLeased],
        .completed: [.nothing, .nothing, .conflict, .conflict, .conflict, .conflict, .conflict, .nothing],
        .failed: [.nothing, .nothing, .conflict, .conflict, .conflict, .conflict, .conflict, .nothing],
        .cancelledUnleased: [.nothing, .nothing, .conflict, .conflict, .conflict, .conflict, .conflict, .nothing],
        .cancelledLeased: [.nothing, .nothing, .stop, .conflict, .conflict, .conflict, .conflict, .nothing],
    ]

    @Test("Every transition from every state, by the worker that holds the lease", arguments: Start.allCases, Action.allCases)
    func transitions(start: Start, action: Action) throws {
        let column = try #require(Action.allCases.firstIndex(of: action))
        let outcome = try #require(Self.table[start])[column]
        var job = start.job
        let answer = Result { () throws(Failure) in try Self.apply(action, to: &job, token: Self.token) }
        let before = start.job
        switch outcome {
        case .nothing:
            #expect(answer == .success(false))
            #expect(job == before)
        case .conflict:
            #expect(answer == .failure(Self.conflict))
            #expect(job == before)
        case .stop:
            #expect(answer == .success(true))
            #expect(job == before)
        default:
            #expect(answer == .success(action != .heartbeat))
            #expect(job == Self.expected(outcome, of: before))
        }
    }

    @Test(
        "A worker with a token of another lease is refused in every state and changes nothing", arguments: Start.allCases,
        [Action.heartbeat, .complete, .failPassing, .failForGood, .handBack])
    func foreignToken(start: Start, action: Action) {
        var job = start.job
        #expect(throws: Self.conflict) { try Self.apply(action, to: &job, token: Self.foreign) }
        #expect(job == start.job)
    }

    /// - Returns: the answer of those that give one, true of the others.
    static func apply(_ action: Action, to job: inout TrainingJob, token: RandomToken) throws(Failure) -> Bool {
        switch action {
        case .lease: return job.lease(token: token, until: later)
        case .expire: return job.expire(at: now, attemptsMax: 3)
        case .heartbeat: return try job.heartbeat(token: token, progress: 60, until: muchLater, at: now)
        case .complete: try job.complete(token: token, at: now)
        case .failPassing: try job.fail(token: token, error: error, retryable: true, attemptsMax: 3, at: now)
        case .failForGood: try job.fail(token: token, error: error, retryable: false, attemptsMax: 3, at: now)
        case .handBack: try job.handBack(token: token, at: now)
        case .cancel:
            let before = job
            job.cancel()
            return job != before
        }
        return true
    }

    static func expected(_ outcome: Outcome, of before: TrainingJob) -> TrainingJob {
        func job(_ state: TrainingJob.State, attemptsMore: Int = 0, progress: Int? = nil) -> TrainingJob {
            TrainingJob(id: id, state: state, attempts: before.attempts + attemptsMore, progress: progress ?? before.progress)
        }
        return switch outcome {
        case .nothing, .conflict, .stop: before
        case .leased: job(.leased(token: token, until: later), attemptsMore: 1)
        case .prolonged: job(.leased(token: token, until: muchLater), progress: 60)
        case .queued: job(.queued)
        case .handedBack: job(.queued, attemptsMore: -1)
        case .completed: job(.completed, progress: 100)
        case .failed: job(.failed(error))
        case .timedOut: job(.failed(TrainingError(code: .timeout, message: "No worker finished in time; attempts: 3")))
        case .cancelled: job(.cancelled(token: nil))
        case .cancelledLeased: job(.cancelled(token: token))
        }
    }

    @Test("A new job is queued, was never leased, and has made no progress")
    func newJob() {
        let job = TrainingJob(id: Self.id)
        #expect(job == Start.fresh.job)
        #expect(job.id == Self.id)
    }

    @Test(
        "Reported progress never takes the job back, and never ends it",
        arguments: [
            (nil, 40), (-5, 40), (.min, 40), (0, 40), (39, 40), (40, 40), (41, 41), (99, 99), (100, 99), (101, 99), (.max, 99),
        ] as [(Int?, Int)])
    func progress(reported: Int?, kept: Int) throws {
        var job = Start.leased.job
        #expect(try job.heartbeat(token: Self.token, progress: reported, until: Self.muchLater, at: Self.now) == false)
        #expect(job.progress == kept)
        #expect(job.state == .leased(token: Self.token, until: Self.muchLater))
    }

    @Test("A lease is good until just before its end, and may run out from its end on")
    func endOfLease() throws {
        let justBefore = Timestamp(milliseconds: Self.later.milliseconds - 1)
        var job = Start.leased.job
        #expect(job.expire(at: justBefore, attemptsMax: 3) == false)
        #expect(try job.heartbeat(token: Self.token, progress: nil, until: Self.later, at: justBefore) == false)
        #expect(throws: Self.conflict) { try job.complete(token: Self.token, at: Self.later) }
        #expect(job.expire(at: Self.later, attemptsMax: 3) == true)
        #expect(job.state == .queued)
        #expect(job.expire(at: Self.later, attemptsMax: 3) == false, "What ran out once does not run out again")
    }

    @Test("A lease that ran out goes to another worker, and the late one changes nothing")
    func lateWorker() throws {
        var job = Start.leased.job
        #expect(job.expire(at: Self.later, attemptsMax: 3) == true)
        #expect(job.lease(token: Self.foreign, until: Self.muchLater) == true)
        #expect(job.attempts == 2)
        let before = job
        for action in [Action.heartbeat, .complete, .failPassing, .failForGood, .handBack] {
            #expect(throws: Self.conflict) { try Self.apply(action, to: &job, token: Self.token) }
            #expect(job == before)
        }
        try job.complete(token: Self.foreign, at: Self.later)
        #expect(job.state == .completed)
    }

    @Test("Leases handed back unused do not count as attempts, however many there are")
    func handBacks() throws {
        var job = TrainingJob(id: Self.id)
        for _ in 0..<10 {
            #expect(job.lease(token: Self.token, until: Self.later) == true)
            try job.handBack(token: Self.token, at: Self.now)
        }
        #expect(job == TrainingJob(id: Self.id))
    }

    @Test(
        "After the last attempt the job fails: with the timeout where the lease ran out, with the worker's reason where it reported one",
        arguments: 1...5)
    func lastAttempt(attemptsMax: Int) throws {
        var job = TrainingJob(id: Self.id)
        for attempt in 1...attemptsMax {
            #expect(job.lease(token: Self.token, until: Self.later) == true)
            #expect(job.attempts == attempt)
            if attempt < attemptsMax {
                var reported = job
                try reported.fail(token: Self.token, error: Self.error, retryable: true, attemptsMax: attemptsMax, at: Self.now)
                #expect(reported.state == .queued)
                #expect(job.expire(at: Self.later, attemptsMax: attemptsMax) == true)
                #expect(job.state == .queued)
            }
        }
        var reported = job
        try reported.fail(token: Self.token, error: Self.error, retryable: true, attemptsMax: attemptsMax, at: Self.now)
        #expect(reported.state == .failed(Self.error))
        #expect(job.expire(at: Self.later, attemptsMax: attemptsMax) == true)
        guard case .failed(let error) = job.state else {
            Issue.record("\(job.state)")
            return
        }
        #expect(error.code == .timeout)
    }

    @Test("The reason that clients are shown for a timeout holds none of the words from which they conclude something else")
    func wordsOfTimeout() {
        var job = Start.ranOutLast.job
        #expect(job.expire(at: Self.now, attemptsMax: 3) == true)
        guard case .failed(let error) = job.state else {
            Issue.record("\(job.state)")
            return
        }
        let message = error.message.lowercased()
        for word in [
            "credit", "insufficient", "balance", "payment", "training", "not ready", "still processing", "busy", "overloaded",
            "rate limit", "persona", "style",
        ] {
            #expect(!message.contains(word))
        }
    }
}
