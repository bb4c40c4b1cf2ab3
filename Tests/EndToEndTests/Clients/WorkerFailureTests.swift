import Foundation
import NIOHTTP1
import TestSupport
import Testing

/// What `personas worker` does when something goes wrong: what the item's owner is told, what its own log says, and what becomes of the job.
@Suite("A worker in trouble", .timeLimit(.minutes(10)))
struct WorkerFailureTests {
    /// One job, and a worker that reaches the server through a gateway with rules of its own.
    private struct Scene: Sendable {
        let stage: Stage
        let client: Client
        let gateway: Gateway
        let worker: ChildProcess
        /// The item in training.
        let id: String

        /// What the worker printed about the job, once it has ended.
        func end(_ status: Int32 = 0) async throws -> String {
            #expect(try await worker.exit(within: .seconds(30) * timeoutFactor) == .status(status), "\(worker.standardError)")
            return worker.standardOutput
        }

        /// The line of the worker's log with a message.
        func log(_ message: String) -> JSONValue? {
            worker.standardError.split(separator: "\n").compactMap { try? JSONValue(parsing: $0.utf8) }
                .first { $0["message"]?.string == message }
        }

        /// What the item's owner is told of the failure.
        func failure() async throws -> JSONValue? { try await client.trained(id)["error"] }
    }

    private static func run(
        _ flags: String..., rule: @escaping @Sendable (_ call: String, _ earlier: Int) -> Gateway.Ruling,
        body: @escaping @Sendable (Scene) async throws -> Void
    ) async throws {
        try await Stage.run { stage in
            let service = try await stage.serve(["--trainer", "worker"] + flags)
            let client = service.client(try await stage.key())
            let trainer = try await stage.key(account: "trainers", scopes: "trainer")
            let id = try await client.create(name: "Unlucky", seed: 1).id
            try await Gateway.run(to: service.port, rule: rule) { gateway in
                let worker = try stage.start(["worker", "--once", "--server", gateway.address, "--key", trainer.secret], data: nil)
                try await body(Scene(stage: stage, client: client, gateway: gateway, worker: worker, id: id))
            }
        }
    }

    @Test("An image that it cannot download: the owner reads which, and only the worker's log says from where and why")
    func downloadFailed() async throws {
        try await Self.run("--training-attempts-max", "1") { call, earlier in
            call == "media" && earlier == 1 ? .answer(404, Array("internal page".utf8)) : .pass
        } body: { scene in
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Failed (Reference image 2 could not be downloaded): "))
            #expect(try await scene.failure() == ["code": "DOWNLOAD_FAILED", "message": "Reference image 2 could not be downloaded"])
            let cause = try #require(scene.log("job failed")?["cause"]?.string)
            #expect(cause.contains(scene.gateway.address) && cause.contains("status 404"), "\(cause)")
            #expect(!cause.contains("/media/"))
        }
    }

    @Test("A download that failed goes to another worker while attempts are left")
    func downloadFailedOnce() async throws {
        try await Self.run { call, earlier in
            call == "media" && earlier == 0 ? .answer(404, json: [:]) : .pass
        } body: { scene in
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Failed ("))
            #expect(try await scene.client.get("/v2/personas/\(scene.id)").json["status"] == "processing")
            #expect(scene.gateway.calls.filter { $0 != "heartbeat" } == ["lease", "media", "fail"])
        }
    }

    @Test(
        "A server that is away for a moment is asked again, for an image and for a report alike",
        arguments: ["media", "complete"], [Gateway.Ruling.cut, .answer(503, json: [:])])
    func askedAgain(call: String, trouble: Gateway.Ruling) async throws {
        try await Self.run {
            $0 == call && $1 == 0 ? trouble : .pass
        } body: { scene in
            let outcome = try await scene.end()
            try #require(outcome.hasPrefix("Completed: "), "\(outcome)")
            #expect(scene.gateway.calls.count { $0 == call } == (call == "media" ? 4 : 2))
            #expect(try await scene.client.trained(scene.id)["status"] == "completed")
        }
    }

    @Test(
        "A report that never reaches the server is a failure, and says which job's, well or badly as it ended",
        arguments: [("complete", "that it is completed could not be reported"), ("fail", "Reference image 1 is damaged: ")])
    func unreported(call: String, reason: String) async throws {
        try await Self.run { asked, _ in
            switch asked {
            case call: .answer(503, json: [:])
            case "media" where call == "fail": .answer(200, Array("GIF89a".utf8))
            default: .pass
            }
        } body: { scene in
            #expect(try await scene.end(1).isEmpty)
            let line = try #require(scene.worker.standardError.split(separator: "\n").last)
            #expect(line.hasPrefix("personas: persona \"Unlucky\" \(scene.id), job ") && line.contains(reason), "\(line)")
            #expect(scene.gateway.calls.count { $0 == call } == 5)
        }
    }

    @Test("An image that is none is rejected for good, and the report is sent again when the server was away")
    func rejected() async throws {
        try await Self.run { call, earlier in
            switch (call, earlier) {
            case ("media", 0): .answer(200, Array("GIF89a of the worker's proxy".utf8))
            case ("fail", 0): .cut
            default: .pass
            }
        } body: { scene in
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Failed (Reference image 1 is damaged): "))
            #expect(try await scene.failure() == ["code": "GENERATION_REJECTED", "message": "Reference image 1 is damaged"])
            #expect(scene.log("job failed")?["cause"]?.string?.hasPrefix("it is ") == true)
            #expect(scene.gateway.calls.count { $0 == "fail" } == 2)
        }
    }

    @Test("A result that the server does not take fails for good, in words that are not the server's")
    func notAccepted() async throws {
        try await Self.run { call, _ in
            call == "complete"
                ? .answer(422, json: ["error": ["code": "PROXY", "message": "10.9.8.7 said no"], "request_id": "x"]) : .pass
        } body: { scene in
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Failed (The worker's result was not accepted): "))
            #expect(try await scene.failure() == ["code": "GENERATION_FAILED", "message": "The worker's result was not accepted"])
            #expect(scene.log("job failed")?["cause"] == "PROXY: 10.9.8.7 said no")
        }
    }

    @Test(
        "A lease that is lost ends the work, at its end and in the middle of it, and nothing is reported",
        arguments: ["complete", "heartbeat"])
    func leaseLost(call: String) async throws {
        try await Self.run("--lease-seconds", "2") { asked, _ in
            switch asked {
            case call: .answer(409, json: ["error": ["code": "CONFLICT", "message": "stale"], "request_id": "x"])
            case "media": call == "complete" ? .pass : .stall
            default: .pass
            }
        } body: { scene in
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Dropped (the lease was lost): "))
            #expect(!scene.gateway.calls.contains("fail"))
            #expect(scene.gateway.calls.contains("complete") == (call == "complete"))
            #expect(try await scene.client.get("/v2/personas/\(scene.id)").json["status"] == "processing")
        }
    }

    @Test(
        "A job that is cancelled is dropped at the next heartbeat, without a word of trouble, whether or not it is retried meanwhile",
        arguments: [true, false])
    func cancelledByOwner(isRetried: Bool) async throws {
        try await Self.run("--lease-seconds", "2") { call, _ in
            call == "media" ? .stall : .pass
        } body: { scene in
            try await eventually("the worker in the middle of the job") { scene.gateway.calls.contains("media") }
            #expect(try await scene.client.send(.POST, "/v2/personas/\(scene.id)/cancel").status == 200)
            if isRetried { #expect(try await scene.client.send(.POST, "/v2/personas/\(scene.id)/retry").status == 200) }
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Dropped (the job was cancelled): "))
            #expect(Set(scene.gateway.calls) == ["lease", "media", "heartbeat"])
            #expect(scene.log("job cancelled")?["level"] == "info")
            let status = try await scene.client.get("/v2/personas/\(scene.id)").json["status"]?.string
            #expect(status == (isRetried ? "processing" : "failed"))
        }
    }

    @Test("A job whose item goes away under it is dropped at the next heartbeat, and nothing is reported")
    func cancelled() async throws {
        try await Self.run("--lease-seconds", "2") { call, _ in
            call == "media" ? .stall : .pass
        } body: { scene in
            try await eventually("the worker in the middle of the job") { scene.gateway.calls.contains("media") }
            #expect(try await scene.stage.command("accounts", "delete", "acme", "--yes").exit == .status(0))
            let outcome = try await scene.end()
            #expect(outcome.hasPrefix("Dropped (the job was cancelled): "))
            #expect(Set(scene.gateway.calls) == ["lease", "media", "heartbeat"])
        }
    }
}
