import Foundation
import TestImages
import TestSupport
import Testing

/// `serve --demo`, as a newcomer meets it.
@Suite("The demo", .timeLimit(.minutes(10)))
struct DemoTests {
    /// A server with the demo, and the lines that it prints to be pasted.
    private static func start(_ stage: Stage, _ flags: String...) async throws -> (service: RunningService, lines: [String]) {
        let service = try await stage.serve(["--demo"] + flags)
        let lines = try await eventually("the demo's lines") {
            let lines = service.process.standardOutput.split(separator: "\n").map(String.init).filter { $0.contains(#/^(export|curl) /#) }
            return lines.count == 3 ? lines : nil
        }
        return (service, lines)
    }

    private static func key(_ lines: [String]) throws -> String {
        String(try #require(lines[0].wholeMatch(of: /export KEY=(pkz_[0-9A-Za-z]{38})/)).output.1)
    }

    /// What a shell says to lines that are pasted into it.
    private static func paste(_ lines: [String], into shell: String, _ stage: Stage) async throws -> [JSONValue] {
        let script = lines.map { $0.replacing(#/^curl /#, with: "curl -sS ") }.joined(separator: "\n")
        let process = try stage.start(program: shell, ["-c", script], environment: [:])
        #expect(try await process.exit() == .status(0), "\(process.standardError)")
        return try process.standardOutput.split(separator: "\n").map { try JSONValue(parsing: $0.utf8) }
    }

    private static func keyFile(_ stage: Stage) -> String { stage.data + "/demo.key" }

    @Test("Its lines work in any shell, as often as they are pasted, and show items that are trained, failed and new")
    func lines() async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage)
            let shells = ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/usr/bin/fish"].filter {
                FileManager.default.isExecutableFile(atPath: $0)
            }
            for (index, shell) in (shells + shells).enumerated() {
                let answers = try await Self.paste(lines, into: shell, stage)
                try #require(answers.count == 2, "\(shell): \(answers)")
                #expect(answers[0]["data"]?.array?.count == 3 + index, "\(shell): \(answers[0])")
                #expect(answers[1]["status"] == "processing" && answers[1]["mode"] == "persona", "\(shell): \(answers[1])")
            }
            let client = Client(base: service.address, key: try Self.key(lines))
            let items = try await client.all("/v2/personas")
            let states = Set(items.compactMap { $0["status"]?.string })
            #expect(states.contains("completed") && states.contains("failed"))
            #expect(try await client.all("/v2/styles").count == 1)
            for item in items where item["name"] == "Nova Reyes" {
                #expect(try await service.client().get(try #require(item["portrait_url"]?.string)).header("Content-Type") == "image/png")
            }
            #expect(!service.process.standardError.contains("pkz_"))
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("The key is the same after a restart and a kill, for nobody else to read, and no key is left over")
    func restarts() async throws {
        try await Stage.run { stage in
            var keys: Set<String> = []
            for end in [SIGTERM, SIGKILL, SIGTERM] {
                let (service, lines) = try await Self.start(stage)
                let key = try Self.key(lines)
                keys.insert(key)
                #expect(try await Client(base: service.address, key: key).get("/v2/personas").status == 200)
                let attributes = try FileManager.default.attributesOfItem(atPath: Self.keyFile(stage))
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                service.process.signal(end)
                _ = try await service.process.exit()
            }
            #expect(keys.count == 1)
            let listed = try await stage.command("keys", "list", "--account", "demo", "--json").json.array ?? []
            #expect(listed.count == 1 && listed[0]["state"] == "active")
            // What was done to the account is no reason for another key.
            _ = try await stage.command("accounts", "suspend", "demo")
            let (service, lines) = try await Self.start(stage)
            #expect(try keys.contains(Self.key(lines)))
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test(
        "A key that is good for nothing, or a file that others could have read, is replaced, and the former key is deleted",
        arguments: ["disable", "delete", "readable", "gone", "odd", "database"])
    func replaced(_ way: String) async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage)
            let (file, former) = (Self.keyFile(stage), try Self.key(lines))
            let id = try #require(try await stage.command("keys", "list", "--account", "demo", "--json").json[0]?["id"]?.string)
            #expect(try await service.stop() == .status(0))
            switch way {
            case "disable", "delete": #expect(try await stage.command("keys", way, id).exit == .status(0))
            case "readable": try #require(chmod(file, 0o644) == 0)
            case "gone": try FileManager.default.removeItem(atPath: file)
            case "odd": try stage.write(Array("pkz_something else\nand more\n".utf8), to: "data/demo.key")
            default:
                for name in try FileManager.default.contentsOfDirectory(atPath: stage.data) where name != "demo.key" {
                    try FileManager.default.removeItem(atPath: "\(stage.data)/\(name)")
                }
            }
            let (second, newLines) = try await Self.start(stage)
            let key = try Self.key(newLines)
            #expect(key != former)
            #expect(try await Client(base: second.address, key: key).get("/v2/personas").status == 200)
            let code = try await Client(base: second.address, key: former).get("/v2/personas").code
            #expect(code == (way == "database" ? "INVALID_API_KEY" : "API_KEY_DELETED"))
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
            #expect(try await second.stop() == .status(0))
            let (third, sameLines) = try await Self.start(stage)
            #expect(try Self.key(sameLines) == key)
            #expect(try await third.stop() == .status(0))
        }
    }

    @Test("No backup has the key, a check finds nothing strange about it, and a restore lives with it")
    func backup() async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage)
            let key = try Self.key(lines)
            #expect(try await stage.command("check").exit == .status(0))
            #expect(try await stage.command("backup", "backup").exit == .status(0))
            #expect(try await service.stop() == .status(0))
            let names = try FileManager.default.subpathsOfDirectory(atPath: stage.folder + "/backup")
            #expect(!names.contains { $0.contains("demo") })
            // Back to what the backup knows of: the key is in it as its hash, and the file still has the secret.
            #expect(try await stage.command("restore", "backup", "--force").exit == .status(0))
            let (restored, restoredLines) = try await Self.start(stage)
            #expect(try Self.key(restoredLines) == key)
            #expect(try await restored.stop() == .status(0))
            // A key without its database is good for nothing, and keeps no restore out.
            for name in try FileManager.default.contentsOfDirectory(atPath: stage.data) where name != "demo.key" {
                try FileManager.default.removeItem(atPath: "\(stage.data)/\(name)")
            }
            let again = try await stage.command("restore", "backup")
            #expect(again.exit == .status(0), "\(again)")
            let elsewhere = try await CommandResult(of: stage.start(["restore", "backup"], data: "other"), ["restore"])
            #expect(
                elsewhere.exit == .status(0) && !FileManager.default.fileExists(atPath: stage.folder + "/other/demo.key"), "\(elsewhere)")
        }
    }

    @Test("A demo whose lines are lost says at once where the key is, and ends with 1")
    func lost() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve(["--demo"], launcher: ["/bin/sh", "-c", #"exec "$0" "$@" >/dev/full"#])
            let warning = try await eventually("a warning") { service.log("the demo could not print its key").first }
            #expect(warning["file"]?.string == Self.keyFile(stage))
            let key = try String(contentsOfFile: Self.keyFile(stage), encoding: .utf8).trimmingCharacters(in: .newlines)
            #expect(try await Client(base: service.address, key: key).get("/v2/personas").status == 200)
            #expect(try await service.stop() == .status(1))
        }
    }

    private static func names(_ items: [JSONValue]) -> Set<String> { Set(items.compactMap { $0["name"]?.string }) }

    @Test("Every state can be seen from the first start: ready, failed, in training, in the trash, and deliveries of every outcome")
    func states() async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage, "--demo-training-seconds", "3600")
            let client = Client(base: service.address, key: try Self.key(lines))
            let personas = try await client.all("/v2/personas").map { "\($0["name"]?.string ?? "") \($0["status"]?.string ?? "")" }
            #expect(Set(personas) == ["Nova Reyes completed", "Weekend Duo failed", "Studio Host processing"])
            #expect(Self.names(try await client.all("/v2/trash")) == ["Old Banner"])
            let webhook = try #require(try await client.all("/v2/webhooks").first)
            #expect(webhook["status"] == "disabled" && webhook["disabled_reason"] == "manual" && webhook["pending"] == 0)
            let deliveries = try await client.all("/v2/webhooks/\(try #require(webhook["id"]?.string))/deliveries")
            #expect(Set(deliveries.compactMap { $0["status"]?.string }) == ["succeeded", "failed", "cancelled"])
            let last = deliveries.compactMap { $0["last_attempt"] }
            #expect(last.contains { $0["http_status"] == 500 } && last.contains { $0["error"] == "timeout" })
            #expect(last.contains { $0["error"] == "dns" } && last.contains { $0["http_status"] == 200 })
            let nova = try #require(try await client.all("/v2/personas", query: "q=Nova").first?["id"]?.string)
            #expect(try await client.get("/v2/personas/\(nova)/revisions").json["data"]?.array?.count == 3)
            #expect(try await stage.command("check").exit == .status(0))
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("What was renamed, restored, purged and deleted stays so when it is started again, until its account is made anew")
    func kept() async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage, "--demo-training-seconds", "0")
            let client = Client(base: service.address, key: try Self.key(lines))
            for item in try await client.all("/v2/personas") {
                let target = "/v2/personas/\(try #require(item["id"]?.string))"
                switch item["name"] {
                case "Nova Reyes": #expect(try await client.patch(target, ["name": "Renamed"]).status == 200)
                case "Weekend Duo": #expect(try await client.delete(target).status == 200)
                default: break
                }
            }
            let trashed = try #require(try await client.all("/v2/trash").first?["id"]?.string)
            #expect(try await client.delete("/v2/trash/\(trashed)").status == 200)
            let webhook = try #require(try await client.all("/v2/webhooks").first?["id"]?.string)
            #expect((200..<300).contains(try await client.delete("/v2/webhooks/\(webhook)").status))
            #expect(try await service.stop() == .status(0))

            let (second, _) = try await Self.start(stage)
            let again = Client(base: second.address, key: try Self.key(lines))
            #expect(Self.names(try await again.all("/v2/personas")) == ["Renamed", "Studio Host"])
            #expect(try await again.all("/v2/trash").isEmpty)
            #expect(try await again.all("/v2/webhooks").isEmpty)
            #expect(try await stage.command("accounts", "delete", "demo", "--yes").exit == .status(0))
            #expect(try await second.stop() == .status(0))

            let (third, newLines) = try await Self.start(stage)
            let anew = Client(base: third.address, key: try Self.key(newLines))
            #expect(Self.names(try await anew.all("/v2/personas")) == ["Nova Reyes", "Weekend Duo", "Studio Host"])
            #expect(try await third.stop() == .status(0))
        }
    }

    @Test(
        "An account that has the seed alone, as an earlier version left it, gets the rest, and keeps what is its own under the same names")
    func earlier() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            for name in ["one", "two", "three"] { try stage.write(Picture.png(), to: name) }
            let own = try await stage.command(
                "create", "--account", "demo", "--mode", "style", "--name", "Old Banner", "one", "two", "three")
            #expect(own.exit == .status(0), "\(own)")
            let (service, lines) = try await Self.start(stage)
            let client = Client(base: service.address, key: try Self.key(lines))
            #expect(Self.names(try await client.all("/v2/personas")) == ["Nova Reyes", "Weekend Duo", "Studio Host"])
            #expect(Self.names(try await client.all("/v2/styles")) == ["Paper Cuts", "Old Banner"])
            #expect(try await client.all("/v2/webhooks").count == 1)
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("A training takes as long as is set, is left to workers where they train, and no length is taken that is none")
    func training() async throws {
        try await Stage.run { stage in
            let (service, lines) = try await Self.start(stage, "--trainer", "worker", "--demo-training-seconds", "0")
            let trainer = service.client(try await stage.key(account: "trainers", scopes: "trainer"))
            let leased = try await trainer.post("/v2/training/lease", ["wait_seconds": 0])
            #expect(leased.json["pikzonality"]?["name"] == "Studio Host", "\(leased)")
            #expect(try await service.stop() == .status(0))
            let (second, _) = try await Self.start(stage, "--demo-training-seconds", "2")
            let client = Client(base: second.address, key: try Self.key(lines))
            let host = try #require(try await client.all("/v2/personas", query: "q=Host").first?["id"]?.string)
            #expect(try await client.trained(host)["status"] == "completed")
            let told = try await client.get("/v2/events?type=persona.progress").json["data"]?.array ?? []
            #expect(!told.isEmpty && told.allSatisfy { $0["data"]?["name"] == "Studio Host" })
            #expect(try await second.stop() == .status(0))
            let wrong = try await stage.command("config", "--demo-training-seconds", "3601")
            #expect(wrong.exit == .status(78) && wrong.error.contains("demo-training-seconds"), "\(wrong)")
        }
    }
}
