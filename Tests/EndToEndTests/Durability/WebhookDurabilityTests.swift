import Foundation
import GRDB
import Synchronization
import TestSupport
import Testing

/// Deliveries survive kill -9: what was told in a commit reaches its receivers, at least once, under the same id each time. `PERSONAS_KILLS` sets how
/// often the service is killed, `PERSONAS_SEED` when.
@Suite("Durability of deliveries", .timeLimit(.minutes(30)))
struct WebhookDurabilityTests {
    private static let kills = max(3, (ProcessInfo.processInfo.environment["PERSONAS_KILLS"].flatMap(Int.init) ?? 15) / 3)
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_122

    /// An event that an endpoint is to be told of.
    private struct Told: Hashable {
        let path: String
        let id: String
        let sequence: Int
    }

    @Test("Killed at any moment, the service misses nothing that it has to deliver, and tells nothing that did not happen")
    func kills() async throws {
        try await Stage.run { stage in
            // Some messages are taken only when they come again.
            let refused = Mutex<Set<String>>([])
            try await LocalReceiver.run({ message in
                let isRefused = message.path == "/picky" && message.id.hasSuffix("7") && refused.withLock { $0.insert(message.id).inserted }
                return .status(isRefused ? 500 : 204)
            }) { receiver in
                var random = SplitMix64(seed: Self.seed)
                let key = try await stage.key()
                let first = try await stage.serve("--development-downloads")
                for path in ["/good", "/picky", "/other"] {
                    _ = try await WebhookDeliveryTests.endpoint(first.client(key), receiver.url(path))
                }
                #expect(try await first.stop() == .status(0))
                for round in 0..<Self.kills {
                    let service = try await stage.serve("--development-downloads")
                    try await Self.work(service.client(key), round: round, until: .milliseconds(.random(in: 100..<900, using: &random))) {
                        try await service.process.kill()
                    }
                }
                let last = try await stage.serve("--development-downloads")
                try await eventually("the end of all deliveries", within: timeout * 2, detail: { "\(Self.waiting(stage))" }) {
                    Self.waiting(stage) == 0
                }
                #expect(try await last.stop() == .status(0))
                try Self.check(receiver, against: stage)
                let messages = receiver.received
                print(
                    "Deliveries under kill -9: \(Self.kills) kills, \(Set(messages.map(\.id)).count) events, \(messages.count) messages,",
                    "none missing; seed \(Self.seed)")
            }
        }
    }

    /// Creates items from several clients until the service is killed.
    private static func work(_ client: Client, round: Int, until pause: Duration, kill: @escaping @Sendable () async throws -> Void)
        async throws
    {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<3 {
                group.addTask {
                    var number = 0
                    // Until a call breaks, because the service is gone.
                    while let answer = try? await client.create(name: "Item \(round)-\(index)-\(number)", seed: index), answer.status == 201
                    {
                        number += 1
                        if let id = answer.json["id"]?.string {
                            _ = try? await client.patch("/v2/personas/\(id)", ["name": .string("Renamed \(round)-\(index)-\(number)")])
                        }
                    }
                }
            }
            group.addTask {
                try await Task.sleep(for: pause)
                try await kill()
            }
            try await group.waitForAll()
        }
    }

    private static func waiting(_ stage: Stage) -> Int {
        let count = try? read(stage) { try Int.fetchOne($0, sql: "SELECT count(*) FROM webhook_delivery WHERE status = 'pending'") }
        return (count ?? nil) ?? -1
    }

    /// Compares what came with the events that there are.
    private static func check(_ receiver: LocalReceiver, against stage: Stage) throws {
        let events = try read(stage) { db in
            try Row.fetchAll(db, sql: "SELECT lower(hex(event_id)) AS id, sequence, kind FROM event WHERE kind <> 'progress'").map { row in
                (id: row["id"] as String, sequence: row["sequence"] as Int)
            }
        }
        try #require(events.count > kills, "too little happened for this to prove anything")
        let expected = Set(
            ["/good", "/picky", "/other"].flatMap { path in events.map { Told(path: path, id: $0.id, sequence: $0.sequence) } })
        let came = Set(
            receiver.received.map { message in
                Told(
                    path: message.path, id: message.id.replacing("-", with: ""),
                    sequence: message.event["sequence"]?.integer ?? 0)
            })
        // Equal sets also say that no event ever came under another id, and none that was rolled back.
        #expect(came.subtracting(expected).isEmpty && expected.subtracting(came).isEmpty)
        #expect(receiver.received.allSatisfy { $0.event["id"]?.string == $0.id })
    }

    private static func read<Value>(_ stage: Stage, _ body: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: "\(stage.data)/personas.sqlite", configuration: configuration).read(body)
    }
}
