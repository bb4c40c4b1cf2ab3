import Foundation
import Personas
import TestSupport
import Testing

/// `personas keys`, with the built program, beside a server and without one.
@Suite("Keys on the command line", .timeLimit(.minutes(10)))
struct KeysEndToEndTests {
    private func expect(_ service: RunningService, _ secret: String, _ status: Int, _ code: String? = nil) async throws {
        let answer = try await Client(base: service.address, key: secret).get("/v2/personas")
        #expect(answer.status == status && answer.code == code, "\(answer.text)")
    }

    private func secret(of result: CommandResult) throws -> String {
        #expect(result.exit == .status(0), "\(result)")
        return String(try #require(result.output.wholeMatch(of: /(pkz_[0-9A-Za-z]{38})\n/), "\(result)").output.1)
    }

    @Test("A rotation takes effect at once, is as it was after a kill, and says until when the previous secret is good")
    func rotation() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve()
            try await expect(service, key.secret, 200)
            let rotated = try await stage.command("keys", "rotate", key.id, "--json")
            #expect(rotated.json.names == ["id", "key", "prefix", "account", "scopes", "previous_secret_expires_at"], "\(rotated)")
            #expect(
                rotated.json["id"]?.string == key.id && rotated.json["account"] == "acme" && rotated.json["scopes"] == ["read", "write"])
            let end = try #require(rotated.json["previous_secret_expires_at"]?.string.flatMap { Timestamp(text: $0) })
            #expect(abs(end.milliseconds - Timestamp.now.adding(seconds: 86_400).milliseconds) < 600_000)
            let second = try #require(rotated.json["key"]?.string)
            for secret in [key.secret, second] { try await expect(service, secret, 200) }
            let again = try await stage.command("keys", "rotate", key.id, "--overlap", "1")
            let third = try secret(of: again)
            #expect(again.error.contains("It is shown this once. The previous secret is good until "), "\(again)")
            #expect(again.error.contains("any from before it has ended"))
            try await expect(service, key.secret, 401, "API_KEY_INACTIVE")
            for secret in [second, third] { try await expect(service, secret, 200) }
            try await service.process.kill()

            // Without a server it is the same.
            let alone = try await stage.command("keys", "rotate", key.id, "--overlap", "0")
            let fourth = try secret(of: alone)
            #expect(alone.error.contains("The previous secret has ended."), "\(alone)")
            let restarted = try await stage.serve()
            for secret in [key.secret, second, third] { try await expect(restarted, secret, 401, "API_KEY_INACTIVE") }
            try await expect(restarted, fourth, 200)
            let last = try secret(of: try await stage.command("keys", "rotate", key.id, "--overlap", "0"))
            try await restarted.process.kill()
            let afterKill = try await stage.serve()
            try await expect(afterKill, fourth, 401, "API_KEY_INACTIVE")
            try await expect(afterKill, last, 200)
        }
    }

    @Test("A new secret that cannot be written is a failure that changes nothing", arguments: ["full", "gone"])
    func undelivered(output: String) async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            // A disk that is full, and a reader that went away before anything was written.
            let shell =
                output == "full"
                ? #"exec "$0" "$@" >/dev/full"#
                : #"exec 3> >(exec <&-; : >gone); until [ -e gone ]; do :; done; exec "$0" "$@" >&3 3>&-"#
            func run(_ arguments: [String]) async throws -> CommandResult {
                try? FileManager.default.removeItem(atPath: stage.folder + "/gone")
                let process = try stage.start(arguments, data: stage.data, launcher: ["/bin/bash", "-c", shell])
                return try await CommandResult(of: process, arguments)
            }
            for flags in [[], ["--json"], ["--overlap", "0"]] {
                let result = try await run(["keys", "rotate", key.id] + flags)
                #expect(result.exit == .status(1), "\(result)")
                let beginning = flags == ["--json"] ? #"{"error":{"code":"CONFLICT","message":""# : "personas: "
                let end = flags == ["--json"] ? "\"}}\n" : "\n"
                #expect(result.error.hasPrefix("\(beginning)the new secret could not be printed ("), "\(result)")
                #expect(result.error.hasSuffix("), so the key \(key.id) was not rotated, and its secret stays good\(end)"), "\(result)")
                #expect(!result.error.contains("pkz_"), "\(result)")
            }
            let created = try await run(["keys", "create", "--account", "acme"])
            #expect(created.exit == .status(1) && created.error.hasSuffix("so no key was issued\n"), "\(created)")
            #expect(try await stage.command("keys", "list", "--json").json.array?.count == 1)
            let service = try await stage.serve()
            try await expect(service, key.secret, 200)
        }
    }

    @Test("A key is there only after its secret was taken, and a kill before that changes nothing")
    func killedBeforehand() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve()
            for arguments in [["keys", "create", "--account", "acme"], ["keys", "rotate", key.id, "--overlap", "0"]] {
                for flags in [[], ["--json"]] {
                    let pipe = try NarrowPipe(in: stage.folder)
                    pipe.fill(leaving: 0)
                    let process = try stage.start(arguments + flags, data: stage.data, launcher: pipe.launcher)
                    try await pipe.isStuck(process)
                    #expect(process.exit == nil, "\(process.standardError)")
                    #expect(try await stage.command("keys", "list", "--json").json.array?.count == 1)
                    try await process.kill()
                    try await expect(service, key.secret, 200)
                }
            }
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("A key with an end is let in until then, without anybody doing anything; show and list tell it")
    func expiry() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            _ = try await stage.command("accounts", "create", "acme")
            let service = try await stage.serve()
            let end = Timestamp.now.adding(seconds: 8)
            let issued = try await stage.command("keys", "create", "--account", "acme", "--expires", end.text, "--json")
            #expect(issued.json.names == ["id", "key", "prefix", "account", "scopes", "expires_at"], "\(issued)")
            #expect(issued.json["expires_at"]?.string == end.text)
            let (id, secret) = (issued.json["id"]?.string ?? "", issued.json["key"]?.string ?? "")
            let client = Client(base: service.address, key: secret)
            try await eventually("the end of the key") {
                let (before, answer, after) = (Timestamp.now, try await client.get("/v2/personas"), Timestamp.now)
                if after < end { #expect(answer.status == 200) }
                guard before >= end else { return false }
                #expect(answer.status == 401 && answer.code == "API_KEY_INACTIVE", "\(answer.text)")
                return true
            }
            #expect(try await stage.command("keys", "list").output.contains("expired"))
            #expect(try await stage.command("keys", "show", id).output.contains(/state +expired\n/))
            let refused = try await stage.command("keys", "rotate", id)
            #expect(refused.exit == .status(1) && refused.error.contains("has expired"), "\(refused)")
            let dated = try await stage.command("keys", "create", "--account", "acme", "--expires", "2999-12-31", "--json")
            #expect(dated.json["expires_at"] == "2999-12-31T00:00:00.000Z", "\(dated)")
        }
    }

    @Test("The last use is told by show, to the minute, once it was saved; a server that is stopped saves it")
    func lastUse() async throws {
        try await Stage.run { stage in
            let (key, unused) = (try await stage.key(), try await stage.key())
            func show(_ id: String) async throws -> JSONValue { try await stage.command("keys", "show", id, "--json").json }
            let names: Set = [
                "id", "prefix", "account", "label", "scopes", "state", "account_state", "created_at", "expires_at", "last_used_at",
                "previous_secret_expires_at", "previous_secret_last_used_at",
            ]
            let service = try await stage.serve()
            #expect(try await show(key.id).names == names)
            #expect(try await show(key.id)["last_used_at"] == .null)
            let before = Timestamp.now.startOfMinute
            try await expect(service, key.secret, 200)
            let after = Timestamp.now.startOfMinute
            #expect(try await service.stop() == .status(0))
            let used = try #require(try await show(key.id)["last_used_at"]?.string)
            #expect([before.text, after.text].contains(used))
            #expect(try await show(unused.id)["last_used_at"] == .null)
            let listed = try await stage.command("keys", "list", "--json").json.array ?? []
            #expect(listed.compactMap { $0["last_used_at"]?.string } == [used])
            #expect(try await stage.command("keys", "show", key.id).output.contains(used))
        }
    }

    @Test("What is not to be rotated or issued is refused, in the same words beside a server and without one")
    func refused() async throws {
        try await Stage.run { stage in
            let (key, gone) = (try await stage.key(), try await stage.key())
            #expect(try await stage.command("keys", "disable", key.id).exit == .status(0))
            #expect(try await stage.command("keys", "delete", gone.id).exit == .status(0))
            let missing = UUID().uuidString
            let table: [(Int32, [String], String)] = [
                (1, ["keys", "rotate", key.id], "CONFLICT: the key \(key.id) is disabled; enable it first"),
                (1, ["keys", "rotate", gone.id], "CONFLICT: the key \(gone.id) was deleted, and stays so"),
                (1, ["keys", "rotate", missing], "there is no key \(missing)"), (64, ["keys", "rotate", "nothing"], "VALIDATION_ERROR"),
                (1, ["keys", "show", missing], "there is no key \(missing)"), (64, ["keys", "show", "nothing"], "VALIDATION_ERROR"),
                (64, ["keys", "rotate", key.id, "--overlap", "721"], "from 0 to 720"),
                (64, ["keys", "rotate", key.id, "--overlap", "-1"], "overlap"),
                (64, ["keys", "rotate", key.id, "--overlap", "soon"], "soon"), (64, ["keys", "rotate"], "id"),
                (64, ["keys", "create", "--account", "acme", "--expires", "2020-01-01"], "in the past: 2020-01-01T00:00:00.000Z"),
                (64, ["keys", "create", "--account", "acme", "--expires", "2027-02-30"], "2027-01-31"),
            ]
            var alone: [CommandResult] = []
            for (code, arguments, words) in table {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(code) && result.error.contains(words) && result.output.isEmpty, "\(result)")
                alone.append(result)
            }
            let service = try await stage.serve()
            for (row, expected) in zip(table, alone) {
                let result = try await stage.command(row.1)
                #expect(result.exit == expected.exit && result.error == expected.error, "\(result)")
            }
            #expect(try await service.stop() == .status(0))
        }
    }
}
