import Personas
import TestSupport
import Testing

@Suite("Training jobs against a model")
struct TrainingJobModelTests {
    static let attemptsMax = 3

    /// What a training job is, told as plainly as possible and without looking at the code under test: who holds the job until when, how
    /// it ended, and two numbers.
    struct Model: Equatable {
        enum End: Equatable {
            case completed, failed(TrainingErrorCode), cancelled
        }

        var holder: RandomToken?
        var heldUntil: Timestamp?
        var end: End?
        /// The worker that held the job when it was cancelled.
        var toBeTold: RandomToken?
        var attempts = 0
        var progress = 0

        func isHeld(by token: RandomToken, at now: Timestamp) -> Bool {
            guard end == nil, let holder, let heldUntil else { return false }
            return holder == token && now < heldUntil
        }

        mutating func letGo() {
            holder = nil
            heldUntil = nil
        }

        mutating func finish(_ end: End) {
            letGo()
            self.end = end
        }

        /// The same, read off a job.
        init(of job: TrainingJob) {
            attempts = job.attempts
            progress = job.progress
            switch job.state {
            case .queued: break
            case .leased(let token, let until): (holder, heldUntil) = (token, until)
            case .completed: end = .completed
            case .failed(let error): end = .failed(error.code)
            case .cancelled(let token): (end, toBeTold) = (.cancelled, token)
            }
        }
    }

    enum Step: CaseIterable {
        case lease, heartbeat, expire, complete, fail, failPassing, handBack, cancel, restart, wait
    }

    /// What a step says to its caller.
    enum Answer: Hashable {
        case yes, no, stop, conflict, silent
    }

    /// The row that a store keeps of a job: words, numbers and bytes alone, so that reading it back is a restart.
    struct Row {
        var word: String
        var token: [UInt8]?
        var until: Int64?
        var code: String?
        var message: String?
        var attempts: Int
        var progress: Int

        init(_ job: TrainingJob) {
            (attempts, progress) = (job.attempts, job.progress)
            switch job.state {
            case .queued: word = "queued"
            case .leased(let token, let until): (word, self.token, self.until) = ("leased", token.bytes, until.milliseconds)
            case .completed: word = "completed"
            case .failed(let error): (word, code, message) = ("failed", error.code.rawValue, error.message)
            case .cancelled(let token): (word, self.token) = ("cancelled", token?.bytes)
            }
        }

        func job(id: Identifier) throws -> TrainingJob {
            let token = token.flatMap { $0.withUnsafeBytes { RandomToken(bytes: $0) } }
            let state: TrainingJob.State =
                switch word {
                case "queued": .queued
                case "leased": .leased(token: try #require(token), until: Timestamp(milliseconds: try #require(until)))
                case "completed": .completed
                case "failed":
                    .failed(
                        TrainingError(code: try #require(code.flatMap(TrainingErrorCode.init(rawValue:))), message: try #require(message)))
                default: .cancelled(token: token)
                }
            return TrainingJob(id: id, state: state, attempts: attempts, progress: progress)
        }
    }

    /// One run: a job, its model, the clock, and every token that was ever given out.
    struct World {
        let id = Identifier.random()
        var job: TrainingJob
        var model: Model
        var now = Timestamp(milliseconds: 1_795_231_740_000)
        var tokens: [RandomToken] = []
        var generator: SplitMix64

        init(seed: UInt64) {
            job = TrainingJob(id: id)
            model = Model(of: job)
            generator = SplitMix64(seed: seed)
        }

        mutating func freshToken() -> RandomToken {
            let words = [generator.next(), generator.next()]
            return words.withUnsafeBytes { RandomToken(bytes: $0) } ?? .random()
        }

        /// Mostly the youngest token, often an old one, sometimes one that was never given out.
        mutating func someToken() -> RandomToken {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: freshToken()
            case 1...3: tokens.randomElement(using: &generator) ?? freshToken()
            default: tokens.last ?? freshToken()
            }
        }
    }

    @Test("Thousands of random interleavings do what the model does, and keep what is promised", arguments: 0..<20 as Range<UInt64>)
    func interleavings(block: UInt64) throws {
        var seen: [Step: Set<Answer>] = [:]
        var ends: [Model.End?] = []
        for seed in block * 200..<(block + 1) * 200 {
            var world = World(seed: seed)
            for number in 0..<60 {
                let comment: Comment = "seed \(seed), step \(number)"
                let before = world.job
                // Ends are rarer than the rest, so that a run gets somewhere before it is over.
                var step = try #require(Step.allCases.randomElement(using: &world.generator))
                if [.complete, .fail, .cancel].contains(step), Int.random(in: 0..<4, using: &world.generator) > 0 { step = .heartbeat }
                let (answer, expected) = try Self.take(step, in: &world)
                try #require(answer == expected, comment)
                try #require(Model(of: world.job) == world.model, comment)
                try Self.checkInvariants(before: before, after: world.job, answer: answer, world, comment)
                seen[step, default: []].insert(answer)
            }
            ends.append(world.model.end)
        }
        // A run that never reaches a case would prove nothing about it.
        #expect(seen[.lease] == [.yes, .no])
        #expect(seen[.heartbeat] == [.no, .stop, .conflict])
        #expect(seen[.expire] == [.yes, .no])
        for step in [Step.complete, .fail, .failPassing, .handBack] { #expect(seen[step] == [.silent, .conflict], "\(step)") }
        for end in [Model.End.completed, .failed(.rejected), .failed(.downloadFailed), .failed(.timeout), .cancelled] {
            #expect(ends.contains(end), "No run ended as \(end)")
        }
    }

    /// Takes one step with the job and with the model.
    private static func take(_ step: Step, in world: inout World) throws -> (Answer, expected: Answer) {
        let now = world.now
        let until = now.adding(seconds: 30)
        switch step {
        case .lease:
            let token = world.freshToken()
            let isFree = world.model.end == nil && world.model.holder == nil
            if isFree {
                (world.model.holder, world.model.heldUntil) = (token, until)
                world.model.attempts += 1
                world.tokens.append(token)
            }
            return (world.job.lease(token: token, until: until) ? .yes : .no, isFree ? .yes : .no)
        case .expire:
            let hasRunOut = world.model.end == nil && (world.model.heldUntil.map { $0 <= now } ?? false)
            if hasRunOut, world.model.attempts >= attemptsMax {
                world.model.finish(.failed(.timeout))
            } else if hasRunOut {
                world.model.letGo()
            }
            return (world.job.expire(at: now, attemptsMax: attemptsMax) ? .yes : .no, hasRunOut ? .yes : .no)
        case .heartbeat: return heartbeat(in: &world, until: until)
        case .complete, .fail, .failPassing, .handBack: return report(step, in: &world)
        case .cancel:
            if world.model.end == nil {
                world.model.toBeTold = world.model.holder
                world.model.finish(.cancelled)
            }
            world.job.cancel()
        case .restart: world.job = try Row(world.job).job(id: world.id)
        case .wait:
            // Often to the very moment at which the lease ends, where off-by-one errors live.
            let end = world.model.heldUntil ?? now
            let seconds = Int.random(in: 0...20, using: &world.generator)
            world.now = end > now && Bool.random(using: &world.generator) ? end : now.adding(seconds: seconds)
        }
        return (.silent, .silent)
    }

    private static func heartbeat(in world: inout World, until: Timestamp) -> (Answer, expected: Answer) {
        let token = world.someToken()
        let progress = Bool.random(using: &world.generator) ? Int.random(in: -10...120, using: &world.generator) : nil
        var expected = Answer.conflict
        if world.model.isHeld(by: token, at: world.now) {
            world.model.heldUntil = until
            for reached in 0...99 where reached <= progress ?? 0 && reached > world.model.progress { world.model.progress = reached }
            expected = .no
        } else if world.model.end == .cancelled, world.model.toBeTold == token {
            expected = .stop
        }
        do throws(Failure) {
            return (try world.job.heartbeat(token: token, progress: progress, until: until, at: world.now) ? .stop : .no, expected)
        } catch {
            return (answer(to: error), expected)
        }
    }

    private static func report(_ step: Step, in world: inout World) -> (Answer, expected: Answer) {
        let token = world.someToken()
        var expected = Answer.conflict
        if world.model.isHeld(by: token, at: world.now) {
            expected = .silent
            switch step {
            case .complete:
                world.model.finish(.completed)
                world.model.progress = 100
            case .fail: world.model.finish(.failed(.rejected))
            case .failPassing where world.model.attempts >= attemptsMax: world.model.finish(.failed(.downloadFailed))
            case .failPassing: world.model.letGo()
            default:
                world.model.letGo()
                world.model.attempts -= 1
            }
        }
        let (passing, lasting) = (
            TrainingError(code: .downloadFailed, message: "passing"), TrainingError(code: .rejected, message: "lasting")
        )
        do throws(Failure) {
            switch step {
            case .complete: try world.job.complete(token: token, at: world.now)
            case .fail: try world.job.fail(token: token, error: lasting, retryable: false, attemptsMax: attemptsMax, at: world.now)
            case .failPassing:
                try world.job.fail(token: token, error: passing, retryable: true, attemptsMax: attemptsMax, at: world.now)
            default: try world.job.handBack(token: token, at: world.now)
            }
            return (.silent, expected)
        } catch {
            return (answer(to: error), expected)
        }
    }

    /// Any other failure than a conflict is an answer that no model expects.
    private static func answer(to failure: Failure) -> Answer {
        if case .staleLease = failure { .conflict } else { .silent }
    }

    private static func checkInvariants(
        before: TrainingJob, after: TrainingJob, answer: Answer, _ world: World, _ comment: Comment
    ) throws {
        if Model(of: before).end != nil { try #require(after == before, comment) }
        if [.conflict, .no, .stop].contains(answer), !isRunning(after) { try #require(after == before, comment) }
        if answer == .conflict { try #require(after == before, comment) }
        try #require(after.id == world.id, comment)
        try #require(after.progress >= before.progress && (0...100).contains(after.progress), comment)
        try #require((after.progress == 100) == (after.state == .completed), comment)
        try #require((0...attemptsMax).contains(after.attempts), comment)
        // Every token ever given out is tried on a copy, for each of the calls that need one.
        var valid: [RandomToken] = []
        for token in Set(world.tokens) {
            var copies = [TrainingJob](repeating: after, count: 4)
            let isHeld = (try? copies[0].heartbeat(token: token, progress: nil, until: world.now, at: world.now)) == false
            let canComplete = (try? copies[1].complete(token: token, at: world.now)) != nil
            let error = TrainingError(code: .failed, message: "")
            let canFail = (try? copies[2].fail(token: token, error: error, retryable: false, attemptsMax: 3, at: world.now)) != nil
            let canHandBack = (try? copies[3].handBack(token: token, at: world.now)) != nil
            try #require(Set([isHeld, canComplete, canFail, canHandBack]).count == 1, comment)
            if isHeld { valid.append(token) }
        }
        try #require(valid.count <= 1, comment)
        if let token = valid.first { try #require(token == world.tokens.last && isRunning(after), comment) }
    }

    private static func isRunning(_ job: TrainingJob) -> Bool {
        if case .leased = job.state { true } else { false }
    }
}
