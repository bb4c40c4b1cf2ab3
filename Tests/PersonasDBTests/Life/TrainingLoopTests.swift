import Foundation
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Training in process", .timeLimit(.minutes(1)))
struct TrainingLoopTests {
    @Test("A trainer that starts takes over at once what the one before it had in hand when the process died")
    func takesOver() async throws {
        try await withStorage { open in
            let image = try await open.store(try SanitizedImage.fixture(1))
            defer { open.unpin([image]) }
            let item = try await open.insert("Ann", of: try await open.account(), images: [image, image, image])
            let policy = LeasePolicy(seconds: 3_600, attemptsMax: 3)
            #expect(try await open.jobs.lease(limit: 1, policy: policy, at: .now).count == 1)

            let training = Training(
                jobs: open.jobs, images: open.images, decoding: .ofTests, signals: WorkSignals(), policy: policy, clock: .system,
                keepsImageMetadata: false
            )
            let loop = TrainingLoop(training: training, trainer: EmbeddedTrainer(images: open.images)) { failure in
                Issue.record("\(failure)")
            }
            let running = Task { await loop.run() }
            func status() async throws -> Status { try await open.items.find(item.id, mode: nil, accountID: item.accountID).status }
            _ = try await comesTrue { try await status() != .processing }
            running.cancel()
            await running.value
            #expect(try await status() == .completed)
        }
    }

    /// A trainer during whose work something happens to the item.
    private struct DisturbedTrainer: Trainer {
        let disturb: @Sendable (LeasedJob) async throws -> Void
        let fails: Bool

        func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
            do {
                try await disturb(job)
            } catch {
                Issue.record("\(error)")
            }
            if fails { throw .fixture }
            return nil
        }
    }

    @Test(
        "A job that is cancelled while it is worked on is no fault, whether the work went well, and whatever became of the item since",
        arguments: House.all,
        [("cancelled", true), ("cancelled", false), ("retried", true), ("retried", false), ("deleted", true), ("deleted", false)])
    func cancelled(on house: House, end: (String, Bool)) async throws {
        let (fate, fails) = end
        try await withStorage(on: house) { open in
            let item = try await open.insert("Ann", of: try await open.account())
            let training = Training(
                jobs: open.jobs, images: open.images, decoding: .ofTests, signals: WorkSignals(), policy: LeasePolicy(), clock: .system,
                keepsImageMetadata: false)
            let rounds = Shared(0)
            let trainer = DisturbedTrainer(
                disturb: { job in
                    guard
                        rounds.withLock({
                            $0 += 1; return $0
                        }) == 1
                    else { return }
                    if fate == "deleted" {
                        _ = try await open.items.delete(
                            job.item.id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: .now))
                    } else {
                        _ = try await open.items.cancel(job.item.id, mode: nil, accountID: nil, if: .none, in: WriteContext(at: .now))
                    }
                    if fate == "retried" {
                        _ = try await open.items.retry(
                            job.item.id, mode: nil, accountID: nil, with: nil, if: .none, in: WriteContext(at: .now))
                    }
                }, fails: fails)
            let loop = TrainingLoop(training: training, trainer: trainer) { failure in Issue.record("\(failure)") }
            let running = Task { await loop.run() }
            try await eventually("the work") { rounds.value >= (fate == "retried" ? 2 : 1) }
            running.cancel()
            await running.value
            let found = try? await open.items.find(item.id, mode: nil, accountID: item.accountID)
            switch fate {
            case "cancelled": #expect(found?.error?.code == .cancelled)
            case "deleted": #expect(found == nil)
            default: #expect(found?.error?.code != .cancelled)
            }
        }
    }

    /// The real store, which stops the one who asks for jobs as soon as it has found some.
    private final class StoppingStore: TrainingJobStore {
        private let jobs: any TrainingJobStore
        private let stop: @Sendable () -> Void

        init(_ jobs: any TrainingJobStore, stop: @escaping @Sendable () -> Void) {
            (self.jobs, self.stop) = (jobs, stop)
        }

        func lease(limit: Int, policy: LeasePolicy, in context: WriteContext<[LeasedJob]>) async throws(Failure) -> [LeasedJob] {
            let leased = try await jobs.lease(limit: limit, policy: policy, in: context)
            if !leased.isEmpty { stop() }
            return leased
        }

        func leaseInTurn(
            after last: Identifier?, passing: Set<Identifier>, policy: LeasePolicy, in context: WriteContext<LeasedJob>
        ) async throws(Failure) -> LeasedJob? {
            try await jobs.leaseInTurn(after: last, passing: passing, policy: policy, in: context)
        }

        func heartbeat(
            _ id: Identifier, token: RandomToken, progress: Int?, policy: LeasePolicy, in context: WriteContext<LeaseState>
        ) async throws(Failure) -> LeaseState {
            try await jobs.heartbeat(id, token: token, progress: progress, policy: policy, in: context)
        }

        func complete(
            _ id: Identifier, token: RandomToken, portrait: StoredImage?, in context: WriteContext<Void>
        ) async throws(Failure) {
            try await jobs.complete(id, token: token, portrait: portrait, in: context)
        }

        func fail(
            _ id: Identifier, token: RandomToken, error: TrainingError, retryable: Bool, policy: LeasePolicy,
            in context: WriteContext<Void>
        ) async throws(Failure) {
            try await jobs.fail(id, token: token, error: error, retryable: retryable, policy: policy, in: context)
        }

        func handBack(_ id: Identifier, token: RandomToken, in context: WriteContext<Void>) async throws(Failure) {
            try await jobs.handBack(id, token: token, in: context)
        }

        func expire(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int {
            try await jobs.expire(policy: policy, in: context)
        }

        func takeOver(policy: LeasePolicy, in context: WriteContext<Int>) async throws(Failure) -> Int {
            try await jobs.takeOver(policy: policy, in: context)
        }
    }

    /// Notes the jobs that it is given, and trains on each until it is told to end.
    private final class SlowTrainer: Trainer {
        let begun = WakeSignal()
        let mayEnd = WakeSignal()

        func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
            begun.notify()
            // A stopped task waits no more for the signal, but a job in hand is to be finished all the same.
            let mayEnd = mayEnd
            await Task { await mayEnd.wait(after: 0, atMost: .seconds(30)) }.value
            return nil
        }
    }

    @Test(
        "A trainer that is stopped hands back the leases it has not begun with: another may have them at once, and no attempt is lost",
        arguments: House.all)
    func handsBack(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            for number in 0..<5 { _ = try await open.insert("Item \(number)", of: account) }
            let policy = LeasePolicy(seconds: 3_600, attemptsMax: 1)
            let running = Mutex<Task<Void, Never>?>(nil)
            let store = StoppingStore(open.jobs) { running.withLock { $0 }?.cancel() }
            let trainer = SlowTrainer()
            let training = Training(
                jobs: store, images: open.images, decoding: .ofTests, signals: WorkSignals(), policy: policy, clock: .system,
                keepsImageMetadata: false)
            let loop = TrainingLoop(training: training, trainer: trainer) { failure in Issue.record("\(failure)") }
            let mayBegin = WakeSignal()
            let task = Task {
                await mayBegin.wait(after: 0, atMost: .seconds(30))
                await loop.run()
            }
            running.withLock { $0 = task }
            mayBegin.notify()
            await task.value
            #expect(trainer.begun.count == 0)
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 5, leasedJobs: 0, imageRemovals: 0))
            let leased = try await open.jobs.lease(limit: 10, policy: policy, at: .now)
            #expect(leased.map(\.attempt) == [1, 1, 1, 1, 1])
        }
    }

    @Test("A trainer that is stopped finishes the job it is at, and takes no other", arguments: House.all)
    func finishes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Item", of: account)
            let signals = WorkSignals()
            let trainer = SlowTrainer()
            let training = Training(
                jobs: open.jobs, images: open.images, decoding: .ofTests, signals: signals, policy: LeasePolicy(), clock: .system,
                keepsImageMetadata: false)
            let loop = TrainingLoop(training: training, trainer: trainer) { failure in Issue.record("\(failure)") }
            let running = Task { await loop.run() }
            await trainer.begun.wait(after: 0, atMost: .seconds(30))
            running.cancel()
            _ = try await open.insert("Late", of: account)
            signals.jobs.notify()
            #expect(try await open.items.find(item.id, mode: nil, accountID: account).status == .processing)
            trainer.mayEnd.notify()
            await running.value
            #expect(try await open.items.find(item.id, mode: nil, accountID: account).status == .completed)
            #expect(trainer.begun.count == 1)
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 1, leasedJobs: 0, imageRemovals: 0))
        }
    }

    @Test("A portrait that comes too late is refused, pinned by nothing, and gone with the next removal", arguments: House.all)
    func latePortrait(on house: House) async throws {
        try await withStorage(on: house) { open in
            _ = try await open.insert("Item", of: try await open.account())
            let signals = WorkSignals()
            let images = ImageLibrary(index: open.storage.images, blobs: open.storage.blobs, signals: signals)
            let training = Training(
                jobs: open.jobs, images: images, decoding: .ofTests, signals: signals, policy: LeasePolicy(), clock: .system,
                keepsImageMetadata: false)
            let job = try #require(try await training.lease(limit: 1, waiting: .zero).first)
            let portrait = Array(Data(try SanitizedImage.fixture(1).bytes).base64EncodedString().utf8)
            let refused = await result { () throws(Failure) in
                try await training.complete(job.id, token: .random(), portraitBase64: ImageText(portrait[...]))
            }
            guard case .failure(.staleLease) = refused else {
                Issue.record("\(refused)")
                return
            }
            #expect(signals.removals.count == 1)
            #expect(try open.imageFiles().count == 1)
            try await open.endHolds()
            #expect(try await open.collector.collect() == 1)
            #expect(try open.imageFiles() == [])
        }
    }

    /// Blobs that cannot be opened for a while, for want of descriptors.
    private final class ExhaustedBlobs: BlobStore {
        private let blobs: any BlobStore
        private let left = Mutex(3)

        init(_ blobs: any BlobStore) { self.blobs = blobs }

        var attemptsLeft: Int { left.withLock { $0 } }

        func isIntact(_ key: BlobKey) async throws(Failure) -> Bool {
            let isExhausted = left.withLock { left in
                left -= 1
                return left >= 0
            }
            if isExhausted { throw .usedUp(.fileDescriptors, retryAfterSeconds: 0) }
            return try await blobs.isIntact(key)
        }

        func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { try await blobs.digest(of: bytes) }
        func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) { try await blobs.put(bytes, under: key) }
        func open(_ key: BlobKey) async throws(Failure) -> any Blob { try await blobs.open(key) }
        func delete(_ key: BlobKey) async throws(Failure) { try await blobs.delete(key) }
        func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
            try await blobs.list(prefix, to: sink)
        }
    }

    @Test("An image that cannot be opened for the moment is waited for, one that is damaged is not", arguments: House.all)
    func waitsForDescriptors(on house: House) async throws {
        try await withStorage(on: house) { open in
            let image = try await open.store(try SanitizedImage.fixture(1))
            defer { open.unpin([image]) }
            _ = try await open.insert("Ann", of: try await open.account(), images: [image, image, image])
            let job = try #require(try await open.jobs.lease(limit: 1, policy: LeasePolicy(), at: .now).first)
            let blobs = ExhaustedBlobs(open.storage.blobs)
            let trainer = EmbeddedTrainer(images: ImageLibrary(index: open.storage.images, blobs: blobs, signals: WorkSignals()))
            try await trainer.train(job)
            #expect(blobs.attemptsLeft == -3)
            try flipByte(of: open.file(of: image))
            await #expect(throws: TrainingError.self) { try await trainer.train(job) }
        }
    }
}
