import Foundation
import Personas
import TestImages
import TestSupport
import Testing

/// `personas audit`, and what leaves its entries, with the built program.
@Suite("The audit on the command line", .timeLimit(.minutes(10)))
struct AuditEndToEndTests {
    /// What the audit says, oldest first.
    private func said(_ stage: Stage) async throws -> [String] {
        let result = try await stage.command("audit", "--json")
        #expect(result.exit == .status(0) && result.error == "", "\(result)")
        let entries = result.json.array ?? []
        for entry in entries {
            #expect(entry.names == ["at", "action", "target", "uid"], "\(entry)")
            #expect(entry["uid"]?.integer == Int(geteuid()) && entry["at"]?.string.flatMap { Timestamp(text: $0) } != nil, "\(entry)")
        }
        return entries.reversed().map { "\($0["action"]?.string ?? "") \($0["target"]?.string ?? "-")" }
    }

    @Test("What a server is asked for is in its log, in the same words as in the audit; without one the audit alone has it")
    func log() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            let migrations = try await said(stage).count
            _ = try await stage.command("accounts", "create", "acme")
            let service = try await stage.serve("--log-format", "json")
            #expect(try await stage.command("names", "reserve", "Boss", "chief").exit == .status(0))
            #expect(try await stage.command("maintenance", "on").exit == .status(0))
            #expect(try await stage.command("maintenance", "on").exit == .status(0))
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(1))
            let lines = service.log("audit")
            #expect(
                lines.map { [$0["action"]?.string, $0["target"]?.string] }
                    == [["names.reserve", "Boss, chief"], ["maintenance.on", "retry after 60 s"]])
            #expect(lines.allSatisfy { $0["uid"]?.integer == Int(geteuid()) })
            _ = try await service.stop()
            let alone = try await stage.command("maintenance", "off")
            #expect(alone.exit == .status(0) && alone.error == stage.noServerNote, "\(alone)")
            let expected = ["accounts.create acme", "names.reserve Boss, chief", "maintenance.on retry after 60 s", "maintenance.off "]
            #expect(try await said(stage).dropFirst(migrations) == expected[...])
            let text = try await stage.command("audit", "--limit", "2")
            #expect(text.output.contains("maintenance.off") && !text.output.contains("Boss"), "\(text)")
            let more = try #require(text.error.firstMatch(of: /There is more: (--cursor) (\d+)\n/), "\(text)")
            let rest = try await stage.command("audit", "--limit", "2", String(more.output.1), String(more.output.2))
            #expect(
                rest.output.contains("Boss, chief") && !rest.output.contains("maintenance") && rest.error.contains("There is more"),
                "\(rest)")
            #expect(try await stage.command("audit", "--since", "2999-01-01", "--json").json == [])
        }
    }

    @Test("migrate, backup, restore, check and the demo leave entries where they changed something")
    func store() async throws {
        try await Stage.run { stage in
            let migrated = try await stage.command("migrate", "up")
            #expect(migrated.exit == .status(0), "\(migrated)")
            #expect(try await stage.command("migrate", "up").exit == .status(0))
            #expect(try await stage.command("check", "--repair").exit == .status(0))
            let first = try await said(stage)
            #expect(
                first.count == 10 && first[0].hasPrefix("migrate.up v0001_initial, ") && first[0].hasSuffix(", v0009_audit"), "\(first)")
            #expect(first.last == "migrate.up v0018_smart_balance")
            let backup = stage.folder + "/backup"
            #expect(try await stage.command("backup", backup).exit == .status(0))
            let orphan = stage.data + "/media/00/" + String(repeating: "0", count: 62)
            try Data("x".utf8).write(to: URL(fileURLWithPath: orphan))
            #expect(try await stage.command("check", "--repair").exit == .status(0))
            #expect(try await said(stage) == first + ["backup \(backup)", "check.repair 1 finding"])
            #expect(try await stage.command("restore", backup, "--force").exit == .status(0))
            #expect(try await said(stage) == first + ["restore \(backup)"])
            let service = try await stage.serve("--demo", "--log-format", "json")
            let actions = service.log("audit").compactMap { $0["action"]?.string }
            #expect(actions == ["accounts.create", "create", "create", "create", "keys.create"])
        }
    }

    @Test("The uid is that of the process that asks, as the kernel has it", .enabled(if: geteuid() == 0, "only root can be somebody else"))
    func caller() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--log-format", "json")
            // What a process of another user could never do, were the folder not opened for it here.
            for (path, mode) in [(stage.folder, 0o711), (stage.data, 0o711), (stage.data + "/admin.sock", 0o666)] {
                chmod(path, mode_t(mode))
            }
            let arguments = [
                "--reuid", "65534", "--clear-groups", "curl", "-s", "--max-time", "30", "--unix-socket", stage.data + "/admin.sock",
                "-H", "Personas-Operation: CreateAccount", "-d", #"{"name":"mine"}"#, "http://localhost/administration",
            ]
            let call = try stage.start(program: "/usr/bin/setpriv", arguments, environment: ["PATH": "/usr/bin:/bin"])
            #expect(
                try await call.exit() == .status(0) && call.standardOutput.contains("mine"), "\(call.standardOutput) \(call.standardError)")
            try await eventually("the line of the log") { service.log("audit").map { $0["uid"]?.integer } == [65_534] }
            let entry = try await stage.command("audit", "--json").json[0]
            #expect(entry?["target"] == "mine" && entry?["uid"]?.integer == 65_534)
            let text = try await stage.command("audit")
            #expect(text.output.contains("  65534 (nobody)  accounts.create  mine\n"), "\(text)")
        }
    }

    @Test("Terms count at once, as whole words, and for what comes; what holds them stays")
    func terms() async throws {
        try await Stage.run { stage in
            let client = try await stage.serve("--trainer", "worker").client(try await stage.key())
            let great = try await client.create(name: "Great Name", seed: 1)
            #expect(great.status == 201)
            let blocked = try await stage.command("terms", "block", "A", "great  name", "a")
            #expect(blocked.output == "TERM\na\ngreat name\n" && blocked.exit == .status(0), "\(blocked)")
            let greatID = try great.id
            #expect(try await client.get("/v2/personas/\(greatID)").status == 200)
            for (name, isBlocked) in [("GREAT name", true), ("Greater Name", false), ("Be A Star", true), ("Anna", false), ("a-b", true)] {
                let answer = try await client.post("/v2/personas", ["name": .string(name), "image_base64s": Picture.threeBase64(seed: 2)])
                #expect(
                    answer.status == (isBlocked ? 400 : 201) && (!isBlocked || answer.code == "CONTENT_POLICY"), "\(name): \(answer.text)")
            }
            let released = try await stage.command("terms", "release", "a", "b")
            #expect(
                released.output == "TERM\na\n" && released.error == "\"b\" is not blocked\n" && released.exit == .status(0), "\(released)")
            #expect(try await client.create(name: "Be A Star", seed: 3).status == 201)
            #expect(try await stage.command("terms", "list", "--json").json == [["term": "great name"]])
            #expect(try await stage.command("terms", "block", "  ").exit == .status(64))
        }
    }

    @Test("delete --force takes an item from its training: who waits for it is told, and its worker, and nothing of it stays")
    func forced() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--trainer", "worker")
            let client = service.client(try await stage.key())
            let trainer = service.client(try await stage.key(account: "trainers", scopes: "trainer"))
            let id = try await client.create(name: "Unlucky", seed: 1).id
            let lease = try await trainer.post("/v2/training/lease", [:])
            let job = try #require(lease.json["job_id"]?.string), token = try #require(lease.json["lease_token"])
            let shown = try await stage.command("show", id)
            #expect(shown.output.contains(job) && shown.output.contains(" leased ") && shown.output.contains("reference 3"), "\(shown)")
            let refused = try await stage.command("delete", id)
            #expect(refused.exit == .status(1) && refused.error.contains("--force"), "\(refused)")
            async let waiting = client.get("/v2/personas/\(id)?wait=60")
            let deleted = try await stage.command("delete", id, "--force")
            #expect(deleted.exit == .status(0) && deleted.output == "Persona deleted\n", "\(deleted)")
            #expect(try await waiting.status == 404)
            let beat = try await trainer.post("/v2/training/\(job)/heartbeat", ["lease_token": token, "progress": 5])
            #expect(beat.status == 200 && beat.json["cancelled"] == true, "\(beat.text)")
            let end = try await trainer.post("/v2/training/\(job)/complete", ["lease_token": token])
            #expect(end.status == 409 && end.code == "CONFLICT", "\(end.text)")
            try await eventually("its images are gone") {
                try FileManager.default.subpathsOfDirectory(atPath: stage.data + "/media").allSatisfy { $0.utf8.count < 60 }
            }
            #expect(try await stage.command("show", id).exit == .status(1))
            #expect(try await said(stage).last == "delete.force \(id)")
        }
    }

    @Test("Lists say what is left, go on from there, and know accounts that are not there")
    func lists() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            try stage.write(Picture.png(), to: "a.png")
            for account in ["acme", "globex"] {
                _ = try await stage.command("accounts", "create", account)
                for number in 1...3 {
                    let created = try await stage.command(
                        "create", "--account", account, "--mode", number == 2 ? "style" : "persona", "--name", "\(account) \(number)",
                        "a.png",
                        "a.png", "a.png")
                    #expect(created.exit == .status(0), "\(created)")
                }
            }
            var (names, arguments): ([String], [String]) = ([], [])
            while true {
                let page = try await stage.command(["list", "--json", "--limit", "4"] + arguments)
                #expect(page.exit == .status(0), "\(page)")
                names += (page.json.array ?? []).compactMap { $0["name"]?.string }
                guard let more = page.error.firstMatch(of: /There is more: (--cursor) (\S+)\n/) else { break }
                arguments = [String(more.output.1), String(more.output.2)]
            }
            #expect(names == ["globex 3", "globex 2", "globex 1", "acme 3", "acme 2", "acme 1"])
            for (filter, expected) in [
                (["--account", "acme", "--mode", "style"], ["acme 2"]), (["--q", "X 1"], ["globex 1"]), (["--status", "failed"], []),
                (["--account", " globex", "--q", "glob", "--status", "processing", "--limit", "1"], ["globex 3"]),
            ] {
                let list = try await stage.command(["list", "--json"] + filter)
                #expect((list.json.array ?? []).compactMap { $0["name"]?.string } == expected, "\(list)")
            }
            for command in [["list"], ["keys", "list"]] {
                let unknown = try await stage.command(command + ["--account", "nope"])
                #expect(unknown.exit == .status(1) && unknown.error.contains(#"there is no account "nope""#), "\(unknown)")
            }
            let wrong = try await stage.command("list", "--status", "done")
            #expect(wrong.exit == .status(64) && wrong.error.contains("'processing', 'completed' or 'failed'"), "\(wrong)")
            // Keys of an account that is gone are no more what they were.
            let (key, other) = (try await stage.key(), try await stage.key(account: "globex"))
            _ = try await stage.command("accounts", "suspend", "globex")
            _ = try await stage.command("accounts", "delete", "acme", "--yes")
            let some = try await stage.command("keys", "list")
            #expect(!some.output.contains(key.id) && some.output.contains(other.id), "\(some)")
            #expect(some.output.contains("account suspended") && !some.output.contains(" active "), "\(some)")
            let all = try await stage.command("keys", "list", "--all", "--json")
            let states = (all.json.array ?? []).map { [$0["id"]?.string, $0["state"]?.string, $0["account_state"]?.string] }
            #expect(states == [[key.id, "deleted", "deleted"], [other.id, "active", "suspended"]], "\(all)")
            #expect(try await stage.command("keys", "list", "--all").output.contains("account deleted"))
        }
    }
}
