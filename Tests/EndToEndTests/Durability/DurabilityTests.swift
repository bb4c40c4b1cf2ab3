import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What was acknowledged survives kill -9. `PERSONAS_KILLS` sets how often the service is killed, `PERSONAS_SEED` when and during what.
@Suite("Durability", .timeLimit(.minutes(60)))
struct DurabilityTests {
    private static let kills = ProcessInfo.processInfo.environment["PERSONAS_KILLS"].flatMap(Int.init) ?? 15
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_121

    @Test("Killed at random moments and at exact calls, the service keeps everything that it acknowledged, and only what it was asked for")
    func kills() async throws {
        try await Stage.run { stage in
            var random = SplitMix64(seed: Self.seed)
            let rounds = CrashRounds(
                stage: stage, faults: try FaultInjector(stage), key: try await stage.key(),
                trainer: try await stage.key(account: "trainers", scopes: "trainer"))
            let ledger = rounds.ledger
            try await rounds.credits.endow()
            for round in 0..<Self.kills {
                try await rounds.run(round, &random)
                try #require(ledger.problems.isEmpty, "seed \(Self.seed), round \(round)")
            }
            let service = try await stage.serve(["--lease-seconds", "1"] + CreditBook.flags)
            try await rounds.check(service.client(rounds.key), everything: true)
            #expect(ledger.problems.isEmpty, "seed \(Self.seed)")
            #expect(ledger.answers > Self.kills, "too little happened for this to prove anything")
            #expect(try await service.stop() == .status(0))
            print(
                "Crash harness: \(Self.kills) kills survived, \(rounds.exactKills) of them at exact calls,",
                "\(ledger.answers) requests acknowledged, none lost; \(rounds.credits.summary); seed \(Self.seed)")
            // Files that a kill left without their rows are still being swept.
            let check = try await stage.command("check", "--json").json
            let kinds = Set((check["findings"]?.array ?? []).compactMap { $0["kind"]?.string })
            #expect(check["counts"] != nil && kinds.isSubset(of: ["file_orphaned", "row_orphaned"]), "\(check)")
        }
    }

    @Test("Killed at any call of its very first start, the service starts afterwards")
    func firstStart() async throws {
        var random = SplitMix64(seed: Self.seed)
        for call in [FaultInjector.Call.sync, .write, .create] {
            for _ in 0..<max(2, Self.kills / 15) {
                let number = Int.random(in: 1...30, using: &random)
                try await Stage.run { stage in
                    let faults = try FaultInjector(stage)
                    faults.set(Bool.random(using: &random) ? .killBefore : .killAfter, on: [call], of: [.database], from: number)
                    let process = try stage.start(["serve", "--port", "0"], data: stage.data, environment: faults.environment)
                    // It has listened, and so has started, when it does not come that far.
                    try await eventually("a kill or a start", detail: { process.standardError }) {
                        process.exit != nil || process.standardError.contains("listening")
                    }
                    try await process.kill()
                    let service = try await stage.serve()
                    #expect(try await service.client().get("/readyz").status == 200, "killed at \(call) \(number)")
                    let key = try await stage.key()
                    let id = try await service.client(key).create(name: "First").id
                    #expect(try await service.client(key).trained(id)["status"] == "completed", "killed at \(call) \(number)")
                }
            }
        }
    }

    @Test("A kill between create and training leaves the job to a worker after the restart")
    func jobsSurvive() async throws {
        try await Stage.run { stage in
            let first = try await stage.serve("--trainer", "worker")
            let (key, trainer) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
            var ids: [String] = []
            for index in 0..<3 { ids.append(try await first.client(key).create(name: "Item \(index)", seed: index).id) }
            try await first.process.kill()
            let second = try await stage.serve("--trainer", "worker")
            for id in ids {
                #expect(try await second.client(key).get("/v2/personas/\(id)").json["status"] == "processing")
                let worker = try await stage.bareCommand("worker", "--once", "--server", second.address, "--key", trainer.secret)
                #expect(worker.exit == .status(0), "\(worker)")
            }
            for (index, id) in ids.enumerated() {
                let item = try await second.client(key).trained(id)
                let portrait = try await second.client().get(try #require(item["portrait_url"]?.string))
                #expect(portrait.body == Picture.three(seed: index)[0])
            }
        }
    }

    @Test("A job survives a kill in every state, and a lease goes on where it was")
    func everyStateSurvives() async throws {
        try await Stage.run { stage in
            let first = try await stage.serve("--trainer", "worker", "--lease-seconds", "600")
            let (key, trainer) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
            let (before, worker) = (first.client(key), first.client(trainer))
            func leased(_ name: String) async throws -> (id: String, job: String, token: JSONValue) {
                let id = try await before.create("style", name: name).id
                let lease = try await worker.send(.POST, "/v2/training/lease")
                try #require(lease.json["pikzonality"]?["id"] == .string(id), "\(lease.text)")
                return (id, try #require(lease.json["job_id"]?.string), try #require(lease.json["lease_token"]))
            }
            let completed = try await leased("Completed")
            #expect(try await worker.post("/v2/training/\(completed.job)/complete", ["lease_token": completed.token]).status == 200)
            let failed = try await leased("Failed")
            let reason: JSONValue = ["lease_token": failed.token, "code": "GENERATION_REJECTED", "message": "No face"]
            #expect(try await worker.post("/v2/training/\(failed.job)/fail", reason).status == 200)
            let running = try await leased("Running")
            #expect(
                try await worker.post("/v2/training/\(running.job)/heartbeat", ["lease_token": running.token, "progress": 40]).status == 200
            )
            let queued = try await before.create("style", name: "Queued").id
            var seen: [String: JSONValue] = [:]
            for id in [completed.id, failed.id, running.id, queued] { seen[id] = try await before.get("/v2/styles/\(id)").json }
            #expect(seen[running.id]?["progress"] == 40)
            try await first.process.kill()

            let second = try await stage.serve("--trainer", "worker", "--lease-seconds", "600", port: first.port)
            let (after, nextWorker) = (second.client(key), second.client(trainer))
            for (id, item) in seen { #expect(try await after.get("/v2/styles/\(id)").json == item) }
            #expect(try await nextWorker.post("/v2/training/\(running.job)/complete", ["lease_token": running.token]).status == 200)
            #expect(try await after.get("/v2/styles/\(running.id)").json["status"] == "completed")
            let next = try await nextWorker.send(.POST, "/v2/training/lease")
            #expect(next.json["pikzonality"]?["id"] == .string(queued))
            #expect(try await nextWorker.send(.POST, "/v2/training/lease").status == 204)
        }
    }

    @Test("A file that a crash left half stored is gone after the start, and nothing else is")
    func halfStoredFiles() async throws {
        try await Stage.run { stage in
            let first = try await stage.serve()
            let key = try await stage.key()
            let id = try await first.client(key).create(name: "Kept", seed: 9).id
            _ = try await first.client(key).trained(id)
            try await first.process.kill()
            try stage.write([1, 2, 3], to: "data/media/incoming/half")
            let second = try await stage.serve()
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(stage.data)/media/incoming").isEmpty)
            let item = try await second.client(key).trained(id)
            #expect(try await second.client().get(try #require(item["portrait_url"]?.string)).body == Picture.three(seed: 9)[0])
        }
    }
}
