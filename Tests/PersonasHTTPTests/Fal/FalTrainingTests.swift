import HTTPTypes
import Personas
import PersonasDB
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("The service that trains at fal", .timeLimit(.minutes(2)))
struct FalTrainingTests {
    @Test("Jobs that were called off are forgotten after a day, without a restart")
    func forgetting() async throws {
        let now = Shared(Timestamp.now)
        try await TestService.run(
            policy: FalRules.leasePolicy(timeoutSeconds: 3_600), fal: TestFalAccess(), clock: WallClock { now.value }
        ) { service in
            let id = try await service.create(.persona, "Nova")
            let job = try #require(try await service.training.lease(limit: 1, waiting: .zero).first)
            #expect(try await service.send(.post, "/v2/personas/\(id)/cancel").status == 200)
            try await service.create(.persona, "Vega")
            let training = FalTraining(training: service.training, fal: try #require(service.fal), logger: service.log.logger)
            let running = Task { await training.run() }
            defer { running.cancel() }
            // What is done at the start is done by then.
            try await eventually("the other at fal") { try await service.storage.queueDepths.queueDepths().leasedJobs == 1 }
            #expect(await service.training.isCancelled(job))
            now.withLock { $0 = $0.adding(seconds: 86_400) }
            try await eventually("the end of all memory of it") { await !service.training.isCancelled(job) }
            running.cancel()
            await running.value
        }
    }
}
