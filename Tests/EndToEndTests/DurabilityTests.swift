import Foundation
import NIOHTTP1
import Synchronization
import Testing

/// What was acknowledged survives kill -9. `PERSONAS_KILLS` sets how often the service is killed, `PERSONAS_SEED` when and during what.
@Suite("Durability", .timeLimit(.minutes(60)))
struct DurabilityTests {
    private static let kills = ProcessInfo.processInfo.environment["PERSONAS_KILLS"].flatMap(Int.init) ?? 10
    private static let seed = ProcessInfo.processInfo.environment["PERSONAS_SEED"].flatMap(UInt64.init) ?? 20_261_121

    @Test("Killed at random moments, the service keeps everything that it acknowledged, and only what it was asked for")
    func randomKills() async throws {
        try await Stage.run { stage in
            var random = SplitMix64(seed: Self.seed)
            let ledger = Ledger()
            let key = try await stage.key()
            for round in 0..<Self.kills {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    try await Self.killStart(stage, afterMilliseconds: .random(in: 0..<200, using: &random))
                }
                // Jobs in hand at a kill are taken up again when their leases are over.
                let service = try await stage.serve("--lease-seconds", "2")
                let incoming = try FileManager.default.contentsOfDirectory(atPath: "\(stage.data)/media/incoming")
                if !incoming.isEmpty { ledger.note(problem: "half-stored files were left: \(incoming)") }
                try await ledger.check(service.client(key), everyImage: false)
                let seeds = (0..<8).map { _ in random.next() }
                let pause = Duration.milliseconds(Int.random(in: 30..<400, using: &random))
                try await Self.work(ledger, service, key, round: round, seeds: seeds, killAfter: pause)
                #expect(ledger.problems.isEmpty, "seed \(Self.seed), round \(round)")
            }
            let service = try await stage.serve("--lease-seconds", "2")
            try await ledger.check(service.client(key), everyImage: true)
            #expect(ledger.problems.isEmpty, "seed \(Self.seed)")
            #expect(ledger.answers > Self.kills, "too little happened for this to prove anything")
            #expect(try await service.stop() == .status(0))
        }
    }

    /// Kills a server that is about to open its data.
    private static func killStart(_ stage: Stage, afterMilliseconds pause: Int) async throws {
        let process = try stage.start(["serve", "--port", "0"], data: stage.data)
        try await Task.sleep(for: .milliseconds(pause))
        try await process.kill()
    }

    /// Has eight clients create, change and delete until the service is killed under them.
    private static func work(
        _ ledger: Ledger, _ service: RunningService, _ key: Key, round: Int, seeds: [UInt64], killAfter pause: Duration
    ) async throws {
        let kill = Kill()
        let living = ledger.living.sorted { $0.id < $1.id }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, seed) in seeds.enumerated() {
                let start = LedgerWorker(
                    ledger: ledger, client: service.client(key), label: "\(round)-\(index)", seed: seed,
                    own: living.enumerated().filter { $0.offset % seeds.count == index }.map { ($0.element.id, $0.element.mode) })
                group.addTask {
                    var worker = start
                    while !kill.hasBegun {
                        do {
                            try await worker.step()
                        } catch {
                            guard kill.hasBegun else { return ledger.note(problem: "a call broke: \(error)") }
                        }
                    }
                }
            }
            try await Task.sleep(for: pause)
            kill.begin()
            try await service.process.kill()
            try await group.waitForAll()
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

/// Tells calls that were cut off by the kill from those that the service broke.
private final class Kill: Sendable {
    private let flag = Atomic(false)
    var hasBegun: Bool { flag.load(ordering: .sequentiallyConsistent) }
    func begin() { flag.store(true, ordering: .sequentiallyConsistent) }
}

/// One client of the ledger: it creates, changes and deletes items of its own, and notes every answer before it goes on.
private struct LedgerWorker: Sendable {
    /// Items beyond which nothing more is created, so that a long run does not slow down.
    private static let itemsMax = 60

    let ledger: Ledger
    let client: Client
    let label: String
    private var random: SplitMix64
    /// The items that no other client touches.
    private var own: [(id: String, mode: String)]
    private var count = 0

    init(ledger: Ledger, client: Client, label: String, seed: UInt64, own: [(id: String, mode: String)]) {
        self.ledger = ledger
        self.client = client
        self.label = label
        self.own = own
        random = SplitMix64(seed: seed)
    }

    /// Sends one request. What it throws leaves open whether it was done.
    mutating func step() async throws {
        let choice = Int.random(in: 0..<10, using: &random)
        if own.isEmpty || choice < 5 && ledger.living.count < Self.itemsMax { return try await create() }
        let index = Int.random(in: own.indices, using: &random)
        if choice < 8 { try await change(own[index].id) } else { try await delete(at: index) }
    }

    private mutating func create() async throws {
        count += 1
        let mode = Bool.random(using: &random) ? "persona" : "style"
        // Now and then a name that others want at the same moment.
        let isContested = Int.random(in: 0..<4, using: &random) == 0
        let name = isContested ? "Contested \(Int.random(in: 0..<3, using: &random))" : "Item \(label)-\(count)"
        let attempt = Ledger.Attempt(mode: mode, name: name, seed: Int.random(in: 0..<1_000_000, using: &random))
        let answer: Answer
        do {
            answer = try await client.post(
                "/v2/\(mode)s", ["name": .string(name), "image_base64s": Picture.threeBase64(seed: attempt.seed)])
        } catch {
            ledger.note(attempt: attempt)
            throw error
        }
        switch (answer.status, answer.json["id"]?.string) {
        case (201, let id?):
            ledger.note(created: id, mode: mode, name: name, seed: attempt.seed)
            own.append((id, mode))
        case (409, _) where isContested: break
        default: ledger.note(problem: "create answered \(answer.status) \(answer.text)")
        }
    }

    private mutating func change(_ id: String) async throws {
        count += 1
        let isRenaming = Int.random(in: 0..<3, using: &random) == 0
        let text = "\(isRenaming ? "Name" : "Words") \(label)-\(count)"
        let answer: Answer
        do {
            answer = try await client.patch("/v2/pikzonality/\(id)", [isRenaming ? "name" : "special_instructions": .string(text)])
        } catch {
            ledger.update(id) { item in
                if isRenaming { item.names.insert(text) } else { item.instructions.insert(.string(text)) }
            }
            throw error
        }
        guard answer.status == 200 else { return ledger.note(problem: "PATCH answered \(answer.status) \(answer.text)") }
        ledger.note(answered: id) { item in
            if isRenaming { item.names = [text] } else { item.instructions = [.string(text)] }
        }
    }

    private mutating func delete(at index: Int) async throws {
        let (id, mode) = own[index]
        let urls = Ledger.urls(of: try await client.get("/v2/\(mode)s/\(id)").json)
        ledger.update(id) { $0.urls = urls }
        let answer: Answer
        do {
            answer = try await client.delete("/v2/\(mode)s/\(id)")
        } catch {
            own.remove(at: index)
            ledger.update(id) { $0.mayBeDeleted = true }
            throw error
        }
        if answer.code == "CANNOT_DELETE_PROCESSING" { return }
        guard answer.status == 200 else { return ledger.note(problem: "DELETE answered \(answer.status) \(answer.text)") }
        own.remove(at: index)
        ledger.note(answered: id) { $0.isDeleted = true }
        for url in urls where try await client.get(url).status != 404 { ledger.note(problem: "\(url) outlives its item") }
    }
}
