import Foundation
import Testing

/// Every acknowledged write waited for the disk, and many shared one wait.
@Suite("Syncs", .timeLimit(.minutes(5)))
struct SyncCountTests {
    /// How much later the disk is made to report.
    private static let delay = Duration.milliseconds(20)
    private static let writers = 64
    private static let writesEach = 10

    @Test("With 64 clients no write is acknowledged before a sync that began after it, and the database syncs once for ten writes or more")
    func grouping() async throws {
        try await Stage.run { stage in
            let faults = try FaultInjector(stage)
            let service = try await stage.serve("--requests-in-flight-max", "64", faults: faults)
            let client = service.client(try await stage.key())
            var ids: [String] = []
            for number in 0..<Self.writers { ids.append(try await client.create(name: "Item \(number)", seed: number).id) }
            for id in ids { _ = try await client.trained(id) }

            faults.set(.delay(milliseconds: 20), on: [.sync], of: [.database])
            let before = faults.count(.sync, .database)
            let fastest = try await Self.fastest(ids) { id, step in
                let answer = try await client.patch("/v2/personas/\(id)", ["special_instructions": "\(step)"])
                #expect(answer.status == 200)
            }
            let syncs = faults.count(.sync, .database) - before
            let writes = Self.writers * Self.writesEach
            print("Syncs: \(syncs) of the database for \(writes) writes of \(Self.writers) clients; fastest \(fastest), sync \(Self.delay)")
            #expect(syncs > 0)
            #expect(Double(syncs) / Double(writes) <= 0.10)
            #expect(fastest >= Self.delay, "an answer came before the disk had reported")
        }
    }

    @Test("An item is not acknowledged before its images and its row are on disk")
    func creating() async throws {
        try await Stage.run { stage in
            let faults = try FaultInjector(stage)
            let service = try await stage.serve(faults: faults)
            let client = service.client(try await stage.key())
            faults.set(.delay(milliseconds: 20), on: [.sync], of: [.database, .media])
            let before = (faults.count(.sync, .database), faults.count(.sync, .media))
            let fastest = try await Self.fastest((0..<8).map { "Item \($0)" }, steps: 2) { name, step in
                _ = try await client.create(name: "\(name) \(step)", seed: (Int(name.suffix(1)) ?? 0) * 10 + step)
            }
            // The images are stored side by side, each with a sync of its file and one of its folder, and then the row.
            #expect(fastest >= Self.delay * 3, "an answer came before the disk had reported")
            #expect(faults.count(.sync, .media) - before.1 >= 16 * 3 * 2)
            #expect(faults.count(.sync, .database) > before.0)
        }
    }

    @Test(
        "An item whose images are on disk already waits for their folders all the same: the request that wrote them may not have done so yet"
    )
    func sharedImages() async throws {
        try await Stage.run { stage in
            let faults = try FaultInjector(stage)
            let service = try await stage.serve(faults: faults)
            let client = service.client(try await stage.key())
            _ = try await client.trained(try await client.create(name: "First", seed: 1).id)
            let before = (faults.count(.sync, .media), faults.count(.write, .media))
            _ = try await client.create(name: "Second", seed: 1)
            #expect(faults.count(.write, .media) == before.1, "the images were written anew, which proves nothing")
            #expect(faults.count(.sync, .media) - before.0 == 3, "one for the folder of each image")
        }
    }

    /// Has clients write at once, each one thing after the other, and returns the shortest time to an answer.
    private static func fastest(
        _ names: [String], steps: Int = writesEach, _ write: @escaping @Sendable (String, Int) async throws -> Void
    ) async throws -> Duration {
        try await withThrowingTaskGroup(of: Duration.self) { group in
            for name in names {
                group.addTask {
                    var fastest = Duration.seconds(3_600)
                    for step in 0..<steps {
                        let start = ContinuousClock.now
                        try await write(name, step)
                        fastest = min(fastest, start.duration(to: .now))
                    }
                    return fastest
                }
            }
            return try await group.reduce(.seconds(3_600), min)
        }
    }
}
