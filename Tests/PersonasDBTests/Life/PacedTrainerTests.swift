import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("A trainer that takes its time", .timeLimit(.minutes(1)))
struct PacedTrainerTests {
    private struct QuickTrainer: Trainer {
        func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? { nil }
    }

    private func training(_ open: OpenStorage, _ policy: LeasePolicy = LeasePolicy()) -> Training {
        Training(
            jobs: open.jobs, images: open.images, decoding: .ofTests, signals: WorkSignals(), policy: policy, clock: .system,
            keepsImageMetadata: false)
    }

    /// Trains until a condition holds.
    private func train(
        with training: Training, lasting duration: Duration, jobsHeldMax: Int = 64,
        sleep: @escaping @Sendable (Duration) async throws -> Void, until condition: () async throws -> Bool
    ) async throws {
        let trainer = PacedTrainer(QuickTrainer(), training: training, lasting: duration, sleep: sleep)
        let loop = TrainingLoop(training: training, trainer: trainer, jobsHeldMax: jobsHeldMax) { failure in Issue.record("\(failure)") }
        let running = Task { await loop.run() }
        let isTrue = try await comesTrue { try await condition() }
        running.cancel()
        await running.value
        #expect(isTrue)
    }

    @Test("Tells of ten steps, each after a tenth of the time, and of the last one by the end", arguments: House.all)
    func steps(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (item, items) = (try await open.insert("Ann", of: try await open.account()), open.items)
            let (seen, slept) = (Shared<[Int]>([]), Shared<[Duration]>([]))
            try await train(with: training(open), lasting: .seconds(20)) { pause in
                let progress = try await items.find(item.id, mode: nil, accountID: item.accountID).progress
                seen.withLock { $0.append(progress) }
                slept.withLock { $0.append(pause) }
            } until: {
                try await items.find(item.id, mode: nil, accountID: item.accountID).status == .completed
            }
            #expect(seen.value == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
            #expect(slept.value == Array(repeating: .seconds(2), count: 10))
        }
    }

    @Test("A step that is longer than a lease has signs of life in it", arguments: House.all)
    func signsOfLife(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (item, items) = (try await open.insert("Ann", of: try await open.account()), open.items)
            let slept = Shared<[Duration]>([])
            try await train(with: training(open, LeasePolicy(seconds: 3, attemptsMax: 1)), lasting: .seconds(45)) { pause in
                slept.withLock { $0.append(pause) }
            } until: {
                try await items.find(item.id, mode: nil, accountID: item.accountID).status == .completed
            }
            #expect(slept.value.allSatisfy { $0 <= .seconds(1) } && slept.value.reduce(.zero, +) == .seconds(45))
        }
    }

    @Test("A job that an earlier process has begun with goes on where that was", arguments: House.all)
    func goesOn(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (item, items) = (try await open.insert("Ann", of: try await open.account()), open.items)
            let training = training(open)
            let job = try #require(try await training.lease(limit: 1, waiting: .zero).first)
            _ = try await training.heartbeat(job.id, token: job.leaseToken, progress: 47)
            let slept = Shared(0)
            try await train(with: training, lasting: .seconds(20)) { _ in
                slept.withLock { $0 += 1 }
            } until: {
                try await items.find(item.id, mode: nil, accountID: item.accountID).status == .completed
            }
            #expect(slept.value == 6)
        }
    }

    @Test(
        "None waits for another, and all are handed back at once when it is stopped, without the loss of an attempt", arguments: House.all)
    func together(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            for number in 0..<40 { _ = try await open.insert("Item \(number)", of: account) }
            let waiting = Shared(0)
            try await train(with: training(open), lasting: .seconds(20)) { _ in
                waiting.withLock { $0 += 1 }
                try await Task.sleep(for: .seconds(3_600))
            } until: {
                waiting.value == 40
            }
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 40, leasedJobs: 0, imageRemovals: 0))
            let leased = try await open.jobs.lease(limit: 100, policy: LeasePolicy(), at: .now)
            #expect(leased.count == 40 && leased.allSatisfy { $0.attempt == 1 })
        }
    }

    @Test("A job that is called off is let go of at the next step, for the next one", arguments: House.all)
    func cancelled(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, items) = (try await open.account(), open.items)
            let ann = try await open.insert("Ann", of: account)
            let (slept, ben) = (Shared(0), Shared<Identifier?>(nil))
            try await train(with: training(open), lasting: .seconds(20), jobsHeldMax: 1) { _ in
                let count = slept.withLock {
                    $0 += 1
                    return $0
                }
                guard count == 1 else { return }
                let next = try await open.insert("Ben", of: account).id
                ben.withLock { $0 = next }
                _ = try await items.cancel(ann.id, mode: nil, accountID: nil, if: .none, in: WriteContext(at: .now))
            } until: {
                guard let ben = ben.value else { return false }
                return try await items.find(ben, mode: nil, accountID: account).status == .completed
            }
            #expect(slept.value == 11)
            #expect(try await items.find(ann.id, mode: nil, accountID: account).error?.code == .cancelled)
        }
    }
}
