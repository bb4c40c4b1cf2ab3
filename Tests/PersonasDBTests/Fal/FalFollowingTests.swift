import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Following a request at fal", .timeLimit(.minutes(2)))
struct FalFollowingTests {
    /// A queue that takes everything, and answers no question.
    private struct SilentQueue: FalQueue {
        let questions = Shared(0)

        func handle(of requestID: String) -> FalHandle? { FalRequestStoreTests.handle }
        func submit(_ input: [UInt8], webhook: String) async -> FalSubmission { .accepted(FalRequestStoreTests.handle) }
        func standing(of handle: FalHandle) async -> FalStanding {
            questions.withLock { $0 += 1 }
            await WakeSignal().wait(after: 0, atMost: .seconds(600))
            return .open
        }
        func cancel(_ handle: FalHandle) async -> Bool { true }
    }

    private struct NoFetcher: ImageFetcher {
        var acceptsPlainHTTP: Bool { false }
        func fetch(
            _ url: String, holding memory: MemoryReservation, before deadline: ContinuousClock.Instant
        ) async throws(ImageFetchProblem) -> [UInt8] {
            throw .unavailable(reason: "is not fetched")
        }
    }

    @Test(
        "What a webhook brings counts at once, though fal does not answer, and in the last question too", arguments: House.all,
        [false, true])
    func silence(on house: House, isLastQuestion: Bool) async throws {
        try await withStorage(on: house) { open in
            let item = try await open.insert("Ann", of: try await open.account())
            let (now, queue, wakes, sent) = (Shared(Timestamp.second(10)), SilentQueue(), FalWakes(), Shared<[Identifier]>([]))
            let clock = WallClock { now.value }
            let training = Training(
                jobs: open.jobs, images: open.images, decoding: .ofTests, signals: WorkSignals(),
                policy: FalRules.leasePolicy(timeoutSeconds: 60), clock: clock, keepsImageMetadata: false)
            let trainer = FalTrainer(
                FalTrainer.Configuration(
                    template: try FalTemplate(Array(#"{"a":"{{reference_urls}}"}"#.utf8)), webhookURL: "https://a/w", timeoutSeconds: 60,
                    pollPause: .milliseconds(1)), store: open.storage.falRequests, queue: queue,
                portraits: FalPortraits(fetcher: NoFetcher(), decoding: .ofTests, keepsMetadata: false), wakes: wakes,
                closings: WakeSignal(), changes: open.storage.changes, clock: clock, mediaURL: { $0.text }
            ) { news in
                if case .sent(_, let jobID) = news { sent.withLock { $0.append(jobID) } }
            }
            let loop = TrainingLoop(training: training, trainer: trainer, jobsHeldMax: 8, isShared: true) { failure in
                Issue.record("\(failure)")
            }
            let running = Task { await loop.run() }
            try await eventually("a question") { queue.questions.value == 1 }
            let jobID = try #require(sent.value.first)
            if isLastQuestion {
                now.withLock { $0 = .second(1_000) }
                wakes.wake(jobID)
                try await eventually("the last question") { queue.questions.value == 2 }
            }
            _ = try await open.storage.falRequests.take(.reported(.rejected(words: "no face")), ofJob: jobID, at: now.value)
            wakes.wake(jobID)
            func found() async throws -> Pikzonality { try await open.items.find(item.id, mode: nil, accountID: item.accountID) }
            try await eventually("the end") { try await found().status == .failed }
            #expect(try await found().error?.code == .rejected)
            running.cancel()
            await running.value
        }
    }
}
