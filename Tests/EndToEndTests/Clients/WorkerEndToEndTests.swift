import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// Training by workers: the command, and programs that speak HTTP themselves.
@Suite("Training workers", .timeLimit(.minutes(10)))
struct WorkerEndToEndTests {
    /// A server that leaves jobs to workers, a client that creates, and a worker that trains.
    private static func withWorkers(
        _ flags: String..., body: (Stage, RunningService, _ client: Client, _ trainer: Key) async throws -> Void
    ) async throws {
        try await Stage.run { stage in
            let service = try await stage.serve(["--trainer", "worker"] + flags)
            let trainer = try await stage.key(account: "trainers", scopes: "trainer")
            try await body(stage, service, service.client(try await stage.key()), trainer)
        }
    }

    private static func workOnce(_ stage: Stage, _ service: RunningService, _ trainer: Key) async throws -> CommandResult {
        try await stage.bareCommand("worker", "--once", "--server", service.address, "--key", trainer.secret)
    }

    private static func lease(_ caller: Client) async throws -> (job: String, token: JSONValue, answer: JSONValue) {
        let answer = try await caller.post("/v2/training/lease", ["wait_seconds": 20])
        try #require(answer.status == 200, "\(answer.status) \(answer.text)")
        return (try #require(answer.json["job_id"]?.string), try #require(answer.json["lease_token"]), answer.json)
    }

    @Test("While a job waits its item cannot be deleted; worker --once completes it; then it can")
    func once() async throws {
        try await Self.withWorkers { stage, service, client, trainer in
            let id = try await client.create(name: "Once", seed: 1).id
            let refused = try await client.delete("/v2/personas/\(id)")
            #expect((refused.status, refused.code) == (400, "CANNOT_DELETE_PROCESSING"))
            let worker = try await stage.bareCommand("worker", "--once", "--server", service.address, "--key", trainer.secret)
            #expect(worker.exit == .status(0))
            #expect(worker.output.hasPrefix("Completed: persona \"Once\" \(id), job "), "\(worker)")
            #expect(!worker.error.contains(trainer.secret))
            let item = try await client.trained(id)
            #expect(item["progress"] == 100)
            #expect(try await service.client().get(try #require(item["portrait_url"]?.string)).body == Picture.three(seed: 1)[0])
            #expect(try await client.delete("/v2/personas/\(id)").status == 200)
        }
    }

    @Test("worker --once ends at once where there is no job, says so, and is no failure")
    func nothingToDo() async throws {
        try await Self.withWorkers { stage, service, _, trainer in
            let worker = try stage.start(["worker", "--once", "--server", service.address, "--key", trainer.secret], data: nil)
            // Before the 20 seconds are over for which another worker waits for a job.
            #expect(try await worker.exit(within: .seconds(15)) == .status(0))
            #expect(worker.standardOutput.isEmpty)
            #expect(worker.standardError.split(separator: "\n").contains("personas: there is no job to handle"), "\(worker.standardError)")
        }
    }

    @Test("A lease names the job; heartbeats bring progress; completion brings a portrait of the worker's own")
    func leaseByHTTP() async throws {
        try await Self.withWorkers { _, service, client, trainer in
            let caller = service.client(trainer)
            #expect(try await caller.send(.POST, "/v2/training/lease").status == 204)
            async let waiting = Self.lease(caller)
            let id = try await client.create("style", name: "Leased", seed: 2, members: ["special_instructions": "Bold."]).id
            let (job, token, lease) = try await waiting
            #expect(lease.names == ["job_id", "lease_token", "lease_expires_at", "attempt", "pikzonality", "reference"])
            #expect(lease["attempt"] == 1)
            #expect(lease["pikzonality"] == ["id": .string(id), "mode": "style", "name": "Leased", "special_instructions": "Bold."])
            let sent = Picture.three(seed: 2)
            for (index, url) in (lease["reference"]?.array ?? []).enumerated() {
                #expect(try await caller.get(try #require(url.string)).body == sent[index])
            }
            for (told, shown) in [(30, 30), (10, 30), (100, 99)] {
                let beat = try await caller.post("/v2/training/\(job)/heartbeat", ["lease_token": token, "progress": .integer(told)])
                #expect(beat.status == 200)
                #expect(beat.json.names == ["cancelled", "lease_expires_at"])
                #expect(beat.json["cancelled"] == false)
                let item = try await client.get("/v2/pikzonality/\(id)").json
                #expect(item["progress"] == .integer(shown))
                #expect(item["status"] == "processing" && item["portrait_url"] == .null && item["reference"] == .null)
            }
            let broken: JSONValue = ["lease_token": token, "portrait_base64": "bm8gaW1hZ2U="]
            #expect(try await caller.post("/v2/training/\(job)/complete", broken).code == "INVALID_IMAGE")
            let complete: JSONValue = ["lease_token": token, "portrait_base64": .string(Picture.base64(Picture.webp))]
            #expect(try await caller.post("/v2/training/\(job)/complete", complete).status == 200)
            let item = try await client.trained(id)
            let portrait = try await caller.get(try #require(item["portrait_url"]?.string))
            #expect(portrait.header("Content-Type") == "image/webp")
            #expect(portrait.body == Picture.webp)
            #expect(try await caller.post("/v2/training/\(job)/complete", complete).status == 409)
        }
    }

    @Test("A foreign and a late token change nothing; the job goes to the next worker")
    func staleTokens() async throws {
        try await Self.withWorkers("--lease-seconds", "1") { _, service, client, trainer in
            let caller = service.client(trainer)
            let id = try await client.create(name: "Contended").id
            let first = try await Self.lease(caller)
            // Waits out the first lease, which is not prolonged.
            let second = try await Self.lease(caller)
            #expect(second.job == first.job)
            #expect(second.token != first.token)
            #expect(second.answer["attempt"] == 2)
            let before = try await client.get("/v2/personas/\(id)")
            for token in [first.token, "AAAAAAAAAAAAAAAAAAAAAA", "no token"] {
                let calls: [(String, JSONValue)] = [
                    ("heartbeat", ["lease_token": token, "progress": 50]), ("complete", ["lease_token": token]),
                    ("fail", ["lease_token": token, "code": "GENERATION_FAILED", "message": "x", "retryable": false]),
                ]
                for (call, body) in calls {
                    let answer = try await caller.post("/v2/training/\(first.job)/\(call)", body)
                    #expect((answer.status, answer.code) == (409, "CONFLICT"), "\(call)")
                }
            }
            let after = try await client.get("/v2/personas/\(id)")
            #expect(after.json == before.json && after.header("ETag") == before.header("ETag"))
            #expect(try await caller.post("/v2/training/\(UUID())/heartbeat", ["lease_token": first.token]).status == 404)
        }
    }

    @Test("A job whose attempts are used up fails with GENERATION_TIMEOUT, and is given to no worker any more")
    func attemptsExhausted() async throws {
        try await Self.withWorkers("--lease-seconds", "1", "--training-attempts-max", "2") { _, service, client, trainer in
            let caller = service.client(trainer)
            let id = try await client.create(name: "Doomed").id
            for attempt in 1...2 { #expect(try await Self.lease(caller).answer["attempt"] == .integer(attempt)) }
            let item = try await client.trained(id)
            #expect(item["status"] == "failed")
            #expect(item["error"]?["code"] == "GENERATION_TIMEOUT")
            #expect(item["error"]?["message"] == item["message"])
            #expect(try await caller.send(.POST, "/v2/training/lease").status == 204)
            // The name is free once the failed item is gone, and not before.
            #expect(try await client.post("/v2/personas", ["name": "doomed", "image_base64s": Picture.threeBase64()]).status == 409)
            #expect(try await client.delete("/v2/personas/\(id)").status == 200)
            #expect(try await client.post("/v2/personas", ["name": "doomed", "image_base64s": Picture.threeBase64()]).status == 201)
        }
    }

    @Test("A failure that may pass sends the job back; one that may not ends it with the worker's words")
    func failures() async throws {
        try await Self.withWorkers { _, service, client, trainer in
            let caller = service.client(trainer)
            let id = try await client.create("style", name: "Unlucky").id
            let first = try await Self.lease(caller)
            let passing: JSONValue = ["lease_token": first.token, "code": "DOWNLOAD_FAILED", "message": "Try later", "retryable": true]
            #expect(try await caller.post("/v2/training/\(first.job)/fail", passing).status == 200)
            #expect(try await client.get("/v2/styles/\(id)").json["status"] == "processing")
            let second = try await Self.lease(caller)
            let final: JSONValue = [
                "lease_token": second.token, "code": "GENERATION_REJECTED", "message": "No style to see", "retryable": false,
            ]
            #expect(try await caller.post("/v2/training/\(second.job)/fail", final).status == 200)
            let item = try await client.trained(id)
            #expect(item["status"] == "failed")
            #expect(item["error"] == ["code": "GENERATION_REJECTED", "message": "No style to see"])
            #expect(item["message"] == "No style to see")
        }
    }

    @Test("Two workers share the jobs: every one is done, and none twice")
    func twoWorkers() async throws {
        try await Self.withWorkers { stage, service, client, trainer in
            let arguments = ["worker", "--server", service.address, "--key", trainer.secret]
            let workers = try (0..<2).map { _ in try stage.start(arguments, data: nil) }
            var ids: Set<String> = []
            for index in 0..<10 { ids.insert(try await client.create(name: "Job \(index)", seed: index).id) }
            for id in ids { #expect(try await client.trained(id)["status"] == "completed") }
            // A worker that waits for a job ends at once when told to.
            for worker in workers { worker.signal(SIGTERM) }
            var done: [String] = []
            for worker in workers {
                #expect(try await worker.exit(within: .seconds(15)) == .status(0))
                let lines = worker.standardError.split(separator: "\n").compactMap { try? JSONValue(parsing: $0.utf8) }
                done += lines.filter { $0["message"] == "job completed" }.compactMap { $0["id"]?.string }
            }
            #expect(done.count == 10)
            #expect(Set(done) == ids)
        }
    }

    @Test("A worker killed in the middle of a job loses it to another one")
    func killedWorker() async throws {
        try await Self.withWorkers("--lease-seconds", "2") { stage, service, client, trainer in
            try await Gateway.run(to: service.port, rule: { call, _ in call == "media" ? .stall : .pass }) { gateway in
                let worker = try stage.start(["worker", "--server", gateway.address, "--key", trainer.secret], data: nil)
                let id = try await client.create(name: "Orphan", seed: 3).id
                try await eventually("the worker in the middle of the job", detail: { worker.standardError }) {
                    gateway.calls.contains("media")
                }
                try await worker.kill()
                #expect(try await client.get("/v2/personas/\(id)").json["status"] == "processing")
                var next = try await Self.workOnce(stage, service, trainer)
                // Until the lease has run out there is nothing for another, who does not wait for it.
                let deadline = ContinuousClock.now + .seconds(30) * timeoutFactor
                while next.output.isEmpty, ContinuousClock.now < deadline {
                    #expect(next.exit == .status(0) && next.error.contains("personas: there is no job to handle"), "\(next)")
                    next = try await Self.workOnce(stage, service, trainer)
                }
                #expect(next.exit == .status(0))
                #expect(next.output.contains(id) && next.output.contains("attempt 2"), "\(next)")
                #expect(try await client.trained(id)["status"] == "completed")
            }
        }
    }

    @Test("A key without the scope trains nothing, and a trainer's key reads nothing")
    func scopes() async throws {
        try await Self.withWorkers { stage, service, client, trainer in
            let id = try await client.create(name: "Guarded").id
            let caller = service.client(trainer)
            for call in ["lease", "\(UUID())/heartbeat", "\(UUID())/complete", "\(UUID())/fail"] {
                let answer = try await client.post("/v2/training/\(call)", ["lease_token": "x"])
                #expect((answer.status, answer.code) == (403, "API_ACCESS_NOT_ENABLED"))
            }
            for path in ["/v2/personas", "/v2/pikzonality", "/v2/personas/\(id)"] { #expect(try await caller.get(path).status == 403) }
            let worker = try await stage.bareCommand("worker", "--server", service.address, "--key", client.key ?? "")
            #expect(worker.exit == .status(1))
            #expect(worker.error.contains("API_ACCESS_NOT_ENABLED"))
            #expect(try await client.get("/v2/personas/\(id)").json["status"] == "processing")
        }
    }
}
