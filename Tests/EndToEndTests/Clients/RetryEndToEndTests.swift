import Foundation
import NIOHTTP1
import Synchronization
import TestImages
import TestSupport
import Testing

/// Retries across kills: whatever a client sends again under its key has its effect once.
@Suite("Retries", .timeLimit(.minutes(10)))
struct RetryEndToEndTests {
    /// A create that a client sends until it is answered.
    private struct Create: Sendable {
        let name: String
        let key: String
        let seed: Int
        /// The first answer that arrived, if any did.
        var answer: ClientAnswer?
    }

    @Test("Every create that is sent again after a kill -9 is answered as created, once, and as the first time where that answer arrived")
    func creates() async throws {
        try await Stage.run { stage in
            var service = try await stage.serve()
            let key = try await stage.key()
            var creates: [Create] = []
            for round in 0..<4 {
                let answered = try await Self.createUntilKilled(service, key, round: round)
                #expect(answered.contains { $0.answer?.status == 201 }, "round \(round) proved nothing")
                creates += answered
                service = try await stage.serve()
                // Had an effect been kept without its answer, the name would be taken now.
                for create in answered { try await Self.sendAgain(create, service.client(key)) }
            }
            let names = try await service.client(key).all("/v2/personas").compactMap { $0["name"]?.string }
            #expect(names.sorted() == creates.map(\.name).sorted())
            #expect(try await service.stop() == .status(0))
        }
    }

    /// What the clients of one round and its killer tell each other.
    private final class Round: Sendable {
        let number: Int
        let isKilled = Atomic(false)
        let answered = Atomic(0)

        init(number: Int) { self.number = number }
    }

    /// Sends creates on eight connections until the server is killed under them.
    private static func createUntilKilled(_ service: RunningService, _ key: Key, round: Int) async throws -> [Create] {
        let round = Round(number: round)
        return try await withThrowingTaskGroup(of: [Create].self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var creates: [Create] = []
                    while !round.isKilled.load(ordering: .sequentiallyConsistent) {
                        let name = "Item \(round.number)-\(worker)-\(creates.count)"
                        var create = Create(name: name, key: UUID().uuidString, seed: creates.count, answer: nil)
                        do {
                            create.answer = try await send(create, service.client(key))
                            round.answered.add(1, ordering: .relaxed)
                        } catch {
                            guard round.isKilled.load(ordering: .sequentiallyConsistent) else { throw error }
                        }
                        creates.append(create)
                    }
                    return creates
                }
            }
            try await eventually("some answers") { round.answered.load(ordering: .relaxed) >= 20 + round.number * 7 }
            round.isKilled.store(true, ordering: .sequentiallyConsistent)
            try await service.process.kill()
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    private static func send(_ create: Create, _ client: Client) async throws -> ClientAnswer {
        let body: JSONValue = ["name": .string(create.name), "image_base64s": Picture.threeBase64(seed: create.seed)]
        return try await client.send(.POST, "/v2/personas", json: body, headers: [("Idempotency-Key", create.key)])
    }

    private static func sendAgain(_ create: Create, _ client: Client) async throws {
        let again: ClientAnswer = try await eventually("the end of a claim") {
            let answer = try await send(create, client)
            // On a database, what was under way at the kill is taken for work that goes on until its claim has run out.
            return SharedDatabase.isWanted && answer.code == "IDEMPOTENCY_KEY_IN_USE" ? nil : answer
        }
        #expect(again.status == 201, "\(create.name): \(again.text)")
        let later = try await send(create, client)
        #expect(later.body == again.body && later.header("Idempotent-Replayed") == "true")
        guard let first = create.answer else { return }
        #expect(again.header("Idempotent-Replayed") == "true")
        #expect(again.body == first.body)
        #expect(again.header("Location")?.hasSuffix(try first.id) == true)
    }
}
