import Foundation
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Jobs of accounts in turn", .timeLimit(.minutes(1)))
struct JobTurnTests {
    private static let policy = LeasePolicy(seconds: 3_600, attemptsMax: .max)

    @Test("Each account has its turn, with its oldest job, whatever stands before it in the queue", arguments: House.all)
    func turns(on house: House) async throws {
        try await withStorage(on: house) { open in
            var names: [Identifier: String] = [:]
            for name in ["a", "b", "c"] { names[try await open.account(name)] = name }
            // All of one account first, then all of the next.
            for (account, name) in names.sorted(by: { $0.value < $1.value }) {
                for number in 0..<3 { _ = try await open.insert("\(name)\(number)", of: account, at: .second(number)) }
            }
            var (last, seen): (Identifier?, [String]) = (nil, [])
            while let job = try await open.jobs.leaseInTurn(
                after: last, passing: [], policy: Self.policy, in: WriteContext(at: .second(10)))
            {
                last = job.item.accountID
                seen.append(job.item.name.text)
            }
            #expect(seen.count == 9)
            for round in 0..<3 {
                let turn = seen[3 * round..<3 * round + 3]
                #expect(Set(turn) == Set(["a", "b", "c"].map { "\($0)\(round)" }), "\(seen)")
            }
        }
    }

    @Test("Accounts that are to be passed are passed, and nothing is written where there is no other", arguments: House.all)
    func passing(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (one, other) = (try await open.account("one"), try await open.account("other"))
            for number in 0..<3 { _ = try await open.insert("One \(number)", of: one, at: .second(number)) }
            _ = try await open.insert("Other", of: other)
            func lease(after last: Identifier?, passing: Set<Identifier>) async throws -> String? {
                try await open.jobs.leaseInTurn(after: last, passing: passing, policy: Self.policy, in: WriteContext(at: .second(10)))?
                    .item.name.text
            }
            #expect(try await lease(after: one, passing: [one]) == "Other")
            for last in [nil, one, other] { #expect(try await lease(after: last, passing: [one]) == nil) }
            #expect(try await lease(after: one, passing: [one, other]) == nil)
            #expect(try await lease(after: one, passing: [other]) == "One 0")
            #expect(try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 2, leasedJobs: 2, imageRemovals: 0))
        }
    }

    /// Holds every job until it is told to end, and notes whose they are.
    private final class HoldingTrainer: Trainer {
        let held = Shared<[Identifier: Int]>([:])
        let mayEnd = WakeSignal()

        func train(_ job: LeasedJob) async throws(TrainingError) -> TrainedPortrait? {
            held.withLock { $0[job.item.accountID, default: 0] += 1 }
            await mayEnd.wait(after: 0, atMost: .seconds(60))
            held.withLock { $0[job.item.accountID, default: 0] -= 1 }
            return nil
        }
    }

    @Test(
        "An account holds half of the places at most, and another gets one at once, however many jobs wait before it", arguments: House.all)
    func shares(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (one, other) = (try await open.account("one"), try await open.account("other"))
            for number in 0..<20 { _ = try await open.insert("One \(number)", of: one, at: .second(number)) }
            let (signals, trainer) = (WorkSignals(), HoldingTrainer())
            let training = Training(
                jobs: open.jobs, images: open.images, decoding: .ofTests, signals: signals, policy: Self.policy, clock: .system,
                keepsImageMetadata: false)
            let loop = TrainingLoop(training: training, trainer: trainer, jobsHeldMax: 8, isShared: true) { failure in
                Issue.record("\(failure)")
            }
            let running = Task { await loop.run() }
            func held(_ account: Identifier) -> Int { trainer.held.value[account, default: 0] }
            try await eventually("half") { held(one) == 4 }
            for number in 0..<3 { _ = try await open.insert("Other \(number)", of: other) }
            signals.jobs.notify()
            try await eventually("the other") { held(other) >= 2 }
            #expect(held(one) == 4)
            trainer.mayEnd.notify()
            try await eventually("the end of all") {
                try await open.storage.queueDepths.queueDepths() == QueueDepths(queuedJobs: 0, leasedJobs: 0, imageRemovals: 0)
            }
            running.cancel()
            await running.value
        }
    }

    /// A store that cannot write ends of jobs down for a while.
    private final class FailingImages: ImageIndex {
        private let index: any ImageIndex
        let failures = Shared(2)

        init(_ index: any ImageIndex) { self.index = index }

        func image(_ token: RandomToken) async throws(Failure) -> StoredImage { try await index.image(token) }
        func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage? { try index.imageNow(token) }
        func pin(_ image: SanitizedImage, digest: [UInt8]) async throws(Failure) -> StoredImage {
            let isFailing = failures.withLock { left in
                left -= 1
                return left >= 0
            }
            if isFailing { throw .mediaNotStored("the disk is full") }
            return try await index.pin(image, digest: digest)
        }
        func unpin(_ images: [StoredImage]) async { await index.unpin(images) }
        func abandon(_ images: [StoredImage]) async { await index.abandon(images) }
        func removals(after last: BlobKey?, limit: Int) async throws(Failure) -> [BlobKey] {
            try await index.removals(after: last, limit: limit)
        }
        func unnamed(among keys: [BlobKey]) async throws(Failure) -> [BlobKey] { try await index.unnamed(among: keys) }
        func remove(
            _ keys: [BlobKey], at now: Timestamp, deletingBytes: ([BlobKey]) async -> [BlobKey]
        ) async throws(Failure) -> Int { try await index.remove(keys, at: now, deletingBytes: deletingBytes) }
    }

    /// A queue that is done with everything at once.
    private struct QuickQueue: FalQueue {
        let submissions: Shared<Int>

        func handle(of requestID: String) -> FalHandle? { FalRequestStoreTests.handle }
        func submit(_ input: [UInt8], webhook: String) async -> FalSubmission {
            submissions.withLock { $0 += 1 }
            return .accepted(FalRequestStoreTests.handle)
        }
        func standing(of handle: FalHandle) async -> FalStanding { .done(.portrait(url: "https://p/1")) }
        func cancel(_ handle: FalHandle) async -> Bool { true }
    }

    private struct QuickFetcher: ImageFetcher {
        var acceptsPlainHTTP: Bool { false }
        func fetch(
            _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
        ) async throws(ImageFetchProblem) -> [UInt8] {
            (try? SanitizedImage.fixture(9).bytes) ?? []
        }
    }

    @Test("A portrait that cannot be stored for the moment is stored later, and fal is asked for none again")
    func fullDisk() async throws {
        try await withStorage { open in
            let item = try await open.insert("Ann", of: try await open.account())
            let index = FailingImages(open.index)
            let training = Training(
                jobs: open.jobs, images: ImageLibrary(index: index, blobs: open.files, signals: WorkSignals()), decoding: .ofTests,
                signals: WorkSignals(), policy: Self.policy, clock: .system, keepsImageMetadata: false)
            let queue = QuickQueue(submissions: Shared(0))
            let trainer = FalTrainer(
                FalTrainer.Configuration(
                    template: try FalTemplate(Array(#"{"a":"{{reference_urls}}"}"#.utf8)), webhookURL: "https://a/w", timeoutSeconds: 60,
                    pollPause: .milliseconds(1)), store: open.storage.falRequests, queue: queue,
                portraits: FalPortraits(fetcher: QuickFetcher(), decoding: .ofTests, keepsMetadata: false), wakes: FalWakes(),
                closings: WakeSignal(), changes: open.storage.changes, clock: .system, mediaURL: { $0.text }, tell: { _ in })
            let failures = Shared(0)
            let loop = TrainingLoop(training: training, trainer: trainer, jobsHeldMax: 8, isShared: true) { failure in
                if case .mediaNotStored = failure { failures.withLock { $0 += 1 } } else { Issue.record("\(failure)") }
            }
            let running = Task { await loop.run() }
            func found() async throws -> Pikzonality { try await open.items.find(item.id, mode: nil, accountID: item.accountID) }
            try await eventually("the end") { try await found().status == .completed }
            running.cancel()
            await running.value
            #expect(failures.value == 2 && queue.submissions.value == 1)
            let portrait = try #require(try await found().portraitToken)
            #expect(try await open.images.image(portrait).byteCount == SanitizedImage.fixture(9).bytes.count)
            #expect(try await open.storage.falRequests.dueClosings(at: .now, silentSince: .now, limit: 9) == [])
        }
    }
}
