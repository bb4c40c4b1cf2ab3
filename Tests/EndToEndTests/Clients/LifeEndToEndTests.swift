import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// Cancels and retries through the executable: kills in the middle of them, and the commands of operators.
@Suite("Lives end to end", .timeLimit(.minutes(10)))
struct LifeEndToEndTests {
    /// A job as a worker holds it.
    private struct Lease {
        let job: String
        let token: String

        init(_ answer: ClientAnswer) throws {
            job = try #require(answer.json["job_id"]?.string, "\(answer.status) \(answer.text)")
            token = try #require(answer.json["lease_token"]?.string)
        }

        func report(_ call: String, _ trainer: Client) async throws -> ClientAnswer {
            try await trainer.post("/v2/training/\(job)/\(call)", ["lease_token": .string(token)])
        }
    }

    @Test(
        "A server that is killed -9 within a cancel or a retry has done all of it or nothing, and answers it once",
        .enabled(if: !SharedDatabase.isWanted, "The faults are those of a data folder"), arguments: ["cancel", "retry"],
        [FaultInjector.Action.killBefore, .killAfter])
    func killed(call: String, action: FaultInjector.Action) async throws {
        try await Stage.run { stage in
            let faults = try FaultInjector(stage)
            let (key, trainerKey) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
            var service = try await stage.serve("--trainer", "worker", faults: faults)
            let id = try await service.client(key).create(name: "Nova").id
            let lease = try Lease(try await service.client(trainerKey).post("/v2/training/lease", [:]))
            if call == "retry" { #expect(try await service.client(key).send(.POST, "/v2/personas/\(id)/cancel").status == 200) }
            func ask() async throws -> ClientAnswer {
                try await service.client(key).send(.POST, "/v2/personas/\(id)/\(call)", headers: [("Idempotency-Key", "once")])
            }
            faults.set(action, on: [.sync], of: [.database])
            let unanswered = try? await ask()
            #expect(unanswered == nil)
            _ = try await service.process.exit(within: timeout)
            faults.clear()

            service = try await stage.serve("--trainer", "worker")
            let again = try await ask()
            #expect(again.status == 200, "\(again.text)")
            if case .killAfter = action { #expect(again.header("Idempotent-Replayed") == "true", "it was on disk") }
            let item = try await service.client(key).get("/v2/personas/\(id)").json
            #expect(item["status"]?.string == (call == "cancel" ? "failed" : "processing"))
            #expect(item["error"]?["code"]?.string == (call == "cancel" ? "CANCELLED" : nil))
            #expect(try await ask().body == again.body)
            let trainer = service.client(trainerKey)
            #expect(try await lease.report("heartbeat", trainer).json["cancelled"] == true)
            #expect(try await lease.report("complete", trainer).code == "CONFLICT")
            #expect(try await trainer.post("/v2/training/lease", [:]).status == (call == "cancel" ? 204 : 200))
            #expect(try await stage.command("check").exit == .status(0))
        }
    }

    @Test("Operators cancel, retry and look at an item, beside a server and without one", arguments: [true, false])
    func commands(besideServer: Bool) async throws {
        try await Stage.run { stage in
            let (key, trainerKey) = (try await stage.key(), try await stage.key(account: "trainers", scopes: "trainer"))
            let service = try await stage.serve("--trainer", "worker", "--training-attempts-max", "2")
            let id = try await service.client(key).create(name: "Nova").id
            let lease = try Lease(try await service.client(trainerKey).post("/v2/training/lease", [:]))
            let leased = try await stage.command("show", id, "--json").json
            #expect(leased["job"]?["state"] == "leased" && leased["job"]?["attempts"] == 1)
            // On a database a command asks no server, and goes by settings of its own.
            if !SharedDatabase.isWanted { #expect(leased["job"]?["attempts_max"] == 2) }
            #expect(leased["job"]?["lease_expires_at"]?.string != nil && leased["settles_to"] == .null)
            if !besideServer { #expect(try await service.stop() == .status(0)) }

            let cancelled = try await stage.command("cancel", id)
            #expect(cancelled.exit == .status(0) && cancelled.output == "Persona cancelled\n", "\(cancelled)")
            let shown = try await stage.command("show", id, "--json").json
            #expect(shown["status"] == "failed" && shown["job"]?["state"] == "cancelled" && shown["job"]?["lease_expires_at"] == .null)
            #expect(shown["error"] == ["code": "CANCELLED", "message": "This persona was cancelled"])
            #expect(shown["images"]?.array?.count == 3)
            let twice = try await stage.command("cancel", id, "--json")
            #expect(twice.exit == .status(1) && twice.error.contains("CONFLICT"), "\(twice)")
            if besideServer {
                #expect(try await lease.report("heartbeat", service.client(trainerKey)).json["cancelled"] == true)
            }
            let retried = try await stage.command("retry", id)
            #expect(retried.exit == .status(0) && retried.output == "Persona queued anew\n", "\(retried)")
            #expect(try await stage.command("retry", id).exit == .status(1))
            #expect(try await stage.command("show", id).output.contains("0 of "))
            for call in ["cancel", "retry"] {
                #expect(try await stage.command(call, "nonsense").exit == .status(64))
                #expect(try await stage.command(call, UUID().uuidString).exit == .status(1))
            }
            let audit = try await stage.command("audit", "--json").json.array ?? []
            #expect(audit.prefix(2).compactMap { $0["action"]?.string } == ["retry", "cancel"])
            #expect(audit.prefix(2).allSatisfy { $0["target"]?.string == id })
            #expect(try await stage.command("check").exit == .status(0))
        }
    }
}
