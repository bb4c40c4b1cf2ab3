import Personas
import Testing

@testable import PersonasDB

@Suite("Training in process", .timeLimit(.minutes(1)))
struct TrainingLoopTests {
    @Test("A trainer that starts takes over at once what the one before it had in hand when the process died")
    func takesOver() async throws {
        try await withStorage { open in
            let image = try await open.media.store(try ProbedImage.fixture(1))
            defer { open.media.release([image]) }
            let item = try await open.insert("Ann", of: try await open.account(), images: [image, image, image])
            let policy = LeasePolicy(seconds: 3_600, attemptsMax: 3)
            #expect(try await open.jobs.lease(limit: 1, policy: policy, at: .now).count == 1)

            let training = Training(
                jobs: open.jobs, media: open.media, signals: CatalogSignals(), policy: policy, keepsImageMetadata: false)
            let loop = TrainingLoop(training: training, trainer: EmbeddedTrainer(media: open.media)) { failure in
                Issue.record("\(failure)")
            }
            let running = Task { await loop.run() }
            let deadline = ContinuousClock.now + .seconds(30)
            var status = Status.processing
            while status == .processing, ContinuousClock.now < deadline {
                status = try await open.items.find(item.id, mode: nil, accountID: item.accountID).status
                await Task.yield()
            }
            running.cancel()
            await running.value
            #expect(status == .completed)
        }
    }
}
