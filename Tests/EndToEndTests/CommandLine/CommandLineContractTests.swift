import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import TestImages
import Testing

/// What programs rely on: exit codes, the form of JSON, and where settings come from.
@Suite("The command line's contract", .timeLimit(.minutes(10)))
struct CommandLineContractTests {
    @Test("Exit codes: 0 done, 1 failed, 64 wrong usage, 69 unavailable, 78 configuration")
    func exitCodes() async throws {
        try await Stage.run { stage in
            try stage.write(Array("[1]".utf8), to: "list.json")
            try stage.write(Array(#"{"prot":1}"#.utf8), to: "unknown.json")
            try stage.write(
                Array(#"{"accounts":[{"name":"a"}],"personas":[{"account":"a","name":"admin","images":[]}]}"#.utf8), to: "bad.json")
            let table: [(Int32, [String], String)] = [
                (0, ["--help"], ""), (0, ["serve", "--help"], ""), (0, ["migrate", "up"], ""), (0, ["accounts", "create", "acme"], ""),
                (0, ["names", "release", "nobody"], ""),
                (1, ["accounts", "create", "acme"], "CONFLICT"), (64, ["accounts", "create", ""], "VALIDATION_ERROR"),
                (1, ["accounts", "show", "nobody"], "there is no account"),
                (1, ["keys", "create", "--account", "nobody"], "there is no account"),
                (64, ["keys", "delete", "nothing"], "VALIDATION_ERROR"),
                (1, ["show", UUID().uuidString], "there is no persona and no style"),
                (64, ["names", "reserve", "n@me"], "VALIDATION_ERROR"), (1, ["seed", "missing.json"], "missing.json"),
                (1, ["seed", "list.json"], "list.json"), (1, ["seed", "bad.json"], "admin"),
                (64, ["frobnicate"], "personas --help"), (64, ["accounts", "create"], "name"),
                (64, ["accounts", "list", "--nothing"], "--nothing"),
                (64, ["accounts", "delete", "acme"], "--yes"), (64, ["list", "--limit", "0"], "limit"),
                (64, ["keys", "create", "--account", "acme", "--scopes", "root"], "scope"),
                (64, ["maintenance", "on", "--retry-after", "soon"], "soon"),
                (69, ["worker", "--once", "--log-level", "error", "--server", "http://127.0.0.1:1", "--key", "pkz_x"], "127.0.0.1:1"),
                (78, ["serve", "--port", "many"], "port"), (78, ["serve", "--port", "65536"], "port"),
                (78, ["serve", "--trainer", "nobody"], "trainer"), (78, ["serve", "--trainer", "fal"], "fal-key"),
                (78, ["serve", "--public-url", "example.com"], "public-url"), (78, ["serve", "--lease-seconds", "0"], "lease-seconds"),
                (78, ["serve", "--download-trust-roots", "/nothing"], "download-trust-roots"),
                (78, ["serve", "--blocked-download-prefixes", "everything"], "blocked-download-prefixes"),
                (78, ["worker", "--key", "pkz_x"], "server"), (78, ["worker", "--server", "http://127.0.0.1:1"], "key"),
                (78, ["config", "--config", "unknown.json"], "prot"), (78, ["config", "--config", "list.json"], "config"),
                (78, ["accounts", "list", "--config", "missing.json"], "config"),
            ]
            for (code, arguments, words) in table {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(code), "\(result)")
                if code != 0 {
                    #expect(result.output.isEmpty, "\(result)")
                    #expect(result.error.hasPrefix("personas: ") && result.error.contains(words), "\(result)")
                }
                // A setting is named in one line; usage is explained in several.
                if code == 1 || code > 64 { #expect(result.error.split(separator: "\n").count == 1, "\(result)") }
            }
            let environment = try await stage.command("serve", environment: ["PERSONAS_PORT": "70000"])
            #expect(environment.exit == .status(78) && environment.error.contains("PERSONAS_PORT"), "\(environment)")
        }
    }

    @Test("A command fails in the same words and with the same code beside a server and without one")
    func failuresBesideAServer() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            let failures = [
                ["accounts", "create", "acme"], ["accounts", "show", "nobody"], ["keys", "enable", UUID().uuidString],
                ["show", UUID().uuidString], ["backup", "data/backup"], ["backup", "data/personas.sqlite/below"],
            ]
            let misuses = [
                ["accounts", "create", ""], ["keys", "delete", "nothing"], ["names", "reserve", "n@me"],
                ["maintenance", "on", "--retry-after", "0"],
            ]
            let commands = failures + misuses
            var alone: [CommandResult] = []
            for command in commands { alone.append(try await stage.command(command)) }
            let service = try await stage.serve()
            for (command, expected) in zip(commands, alone) {
                let result = try await stage.command(command)
                #expect(result.exit == expected.exit && expected.exit == .status(misuses.contains(command) ? 64 : 1), "\(result)")
                #expect(result.error == expected.error, "\(command)")
            }
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("A data folder that cannot be used is 69 or 78, whichever command asks", arguments: ["accounts list", "serve --port 0"])
    func unusableFolder(_ line: String) async throws {
        try await Stage.run { stage in
            let arguments = line.split(separator: " ").map(String.init)
            try FileManager.default.createDirectory(atPath: stage.data, withIntermediateDirectories: true)
            try stage.write(Array(repeating: 0x2A, count: 8_192), to: "data/personas.sqlite")
            #expect(try await stage.command(arguments).exit == .status(69))
            try stage.write([1], to: "file")
            let result = try await CommandResult(of: stage.start(arguments, data: "\(stage.folder)/file", environment: [:]), arguments)
            #expect(result.exit == .status(78), "\(result)")
        }
    }

    @Test("A folder whose holder does not answer is 69")
    func silentHolder() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate").exit == .status(0))
            let descriptor = open(stage.data + "/personas.lock", O_RDWR | O_CLOEXEC)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            let result = try await stage.command("accounts", "list")
            #expect(result.exit == .status(69))
            #expect(result.error.contains("admin.sock"))
        }
    }

    @Test(
        "A user who can only read the data folder and locks it keeps no command out, and the folder is closed to others with the next command"
    )
    func readersLock() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate").exit == .status(0))
            // As a version before this one left a folder that was there.
            try #require(chmod(stage.data, 0o755) == 0)
            try FileManager.default.removeItem(atPath: stage.data + "/personas.lock")
            let descriptor = open(stage.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            let mode = try FileManager.default.attributesOfItem(atPath: stage.data)[.posixPermissions] as? Int
            #expect(mode == 0o700)
            let service = try await stage.serve()
            #expect(try await stage.command("accounts", "list").output.contains("acme"))
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("Beside a server of a version that locked the folder itself no command writes to it")
    func olderServer() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate").exit == .status(0))
            let folder = open(stage.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(folder) }
            try #require(flock(folder, LOCK_EX | LOCK_NB) == 0)
            // It listens, and closes whatever comes.
            let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { $0.close() }.bind(unixDomainSocketPath: stage.data + "/admin.sock").get()
            let result = try await stage.command("serve", "--port", "0")
            #expect(result.exit == .status(69) && result.error.contains("in use by another process"), "\(result)")
            #expect(FileManager.default.fileExists(atPath: stage.data + "/admin.sock"))
            try await listener.close()
        }
    }

    @Test("With --json there is one JSON document on standard output, and nothing else")
    func shapes() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            let account: Set = ["id", "name", "suspended", "api_access", "items", "stored_bytes", "created_at"]
            let key: Set = [
                "id", "prefix", "account", "label", "scopes", "state", "account_state", "created_at", "expires_at", "last_used_at",
                "previous_secret_expires_at",
                "previous_secret_last_used_at",
            ]
            let item: Set = [
                "id", "account", "mode", "name", "status", "progress", "special_instructions", "external_id", "metadata", "error",
                "settles_to", "created_at", "updated_at",
            ]
            let lists: [([String], Set<String>)] = [
                (["accounts", "list"], account), (["keys", "list"], key), (["names", "list"], ["name"]),
                (["migrate", "status"], ["name", "state", "applied_at", "hash"]),
                (["config"], ["name", "value", "source", "variable", "help"]),
            ]
            for (arguments, names) in lists {
                let result = try await stage.command(arguments + ["--json"])
                let rows = try #require(result.json.array, "\(result)")
                #expect(!rows.isEmpty && rows.allSatisfy { $0.names == names }, "\(result)")
                #expect(result.output.filter { $0 == "\n" }.count == 1)
            }
            let items = try await stage.command("list", "--json").json.array ?? []
            #expect(items.count == 3)
            for row in items { #expect(row.names == item) }
            let objects: [([String], Set<String>)] = [
                (["accounts", "create", "acme"], account), (["accounts", "show", "acme"], account),
                (["accounts", "suspend", "acme"], account),
                (["accounts", "quota", "acme", "--bytes", "1K"], ["account", "items", "stored_bytes"]),
                (["maintenance", "status"], ["on", "retry_after"]),
                (["names", "release", "root"], ["message", "released", "not_reserved"]),
                (["names", "reserve", "root"], ["reserved", "already_reserved"]),
                (["seed"], ["accounts", "keys", "reserved_names", "blocked_terms", "personas", "styles"]),
                (["delete", items.first?["id"]?.string ?? ""], ["message"]), (["accounts", "delete", "acme", "--yes"], ["message"]),
            ]
            for (arguments, names) in objects {
                let result = try await stage.command(arguments + ["--json"])
                #expect(result.json.names == names, "\(result)")
                #expect(result.error.replacing(stage.noServerNote, with: "").isEmpty, "\(result)")
            }
        }
    }

    @Test("keys create prints the key alone, or exactly id, key, prefix, account and scopes; and never again")
    func keysCreate() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            _ = try await stage.command("accounts", "create", "acme")
            let issued = try await stage.command(
                "keys", "create", "--account", "acme", "--label", "web", "--scopes", "trainer,read", "--json"
            ).json
            #expect(issued.names == ["id", "key", "prefix", "account", "scopes"])
            #expect(issued["account"] == "acme")
            #expect(issued["scopes"] == ["read", "trainer"])
            let secret = try #require(issued["key"]?.string)
            #expect(secret.wholeMatch(of: /pkz_[0-9A-Za-z]{38}/) != nil)
            #expect(issued["prefix"]?.string.map(secret.hasPrefix) == true)
            let plain = try await stage.command("keys", "create", "--account", "acme")
            #expect(plain.output.wholeMatch(of: /pkz_[0-9A-Za-z]{38}\n/) != nil)
            #expect(plain.error.contains("read, write"))
            for arguments in [["keys", "list"], ["keys", "list", "--json"]] {
                let list = try await stage.command(arguments)
                for text in [secret, plain.output.trimmingCharacters(in: .newlines)] { #expect(!list.output.contains(text)) }
            }
            // Nor is it in any file: what is stored does not give it away.
            let files = try FileManager.default.subpathsOfDirectory(atPath: stage.data)
            for file in files {
                guard let content = FileManager.default.contents(atPath: "\(stage.data)/\(file)") else { continue }
                #expect(content.range(of: Data(secret.utf8)) == nil, "\(file)")
            }
        }
    }

    @Test("Settings come from the flag, then the environment, then the file, then the default; config shows which")
    func settingSources() async throws {
        try await Stage.run { stage in
            try stage.write(
                Array(#"{"port":1001,"host":"127.0.0.3","readers":7,"trainer":"worker","log-level":"warning"}"#.utf8), to: "settings.json")
            let environment = [
                "PERSONAS_PORT": "1002", "PERSONAS_HOST": "127.0.0.2", "PERSONAS_READERS": "", "PERSONAS_KEY": "pkz_secret",
                "PERSONAS_DEVELOPMENT_DOWNLOADS": "true",
            ]
            let arguments = ["config", "--config", "settings.json", "--port", "1003"]
            let result = try await stage.command(arguments + ["--json"], environment: environment)
            let rows = try #require(result.json.array)
            func setting(_ name: String) -> JSONValue {
                let row = rows.first { $0["name"]?.string == name }
                return [row?["value"] ?? .null, row?["source"] ?? .null]
            }
            #expect(setting("data") == [.string(stage.data), "flag"])
            #expect(setting("port") == [1003, "flag"])
            #expect(setting("host") == ["127.0.0.2", "environment"])
            #expect(setting("development-downloads") == [true, "environment"])
            // An empty variable is none.
            #expect(setting("readers") == [7, "file"])
            #expect(setting("trainer") == ["worker", "file"])
            #expect(setting("grace-seconds") == [10, "default"])
            #expect(rows.allSatisfy { $0["help"]?.string?.isEmpty == false })
            let table = try await stage.command(arguments, environment: environment)
            #expect(table.output.split(separator: "\n").count == rows.count + 1)
            for text in [result.output, table.output] { #expect(!text.contains("pkz_secret")) }

            // The server goes by the same settings as config shows.
            let start = [
                "PERSONAS_TRAINER": "worker", "PERSONAS_DATA": stage.data, "PERSONAS_PORT": "0", "PERSONAS_CONFIG": "settings.json",
            ]
            let process = try stage.start(["serve", "--host", "127.0.0.1", "--log-level", "info"], data: nil, environment: start)
            let service = try await RunningService(process)
            #expect(service.address.hasPrefix("http://127.0.0.1:"))
            #expect(service.port != 1001 && service.port > 0)
        }
    }

    @Test("Every code that an operator's command can bring about is answered as the catalogue says")
    func codes() async throws {
        try await Stage.run { stage in
            let seed: JSONValue = ["accounts": [["name": "acme"]], "blocked_terms": ["Forbidden"]]
            #expect(try await stage.seed(seed).exit == .status(0))
            let service = try await stage.serve("--trainer", "worker", "--lease-seconds", "5", "--training-attempts-max", "1")
            let key = try await stage.key()
            let (client, reader) = (service.client(key), service.client(try await stage.key(scopes: "read")))
            let trainer = service.client(try await stage.key(scopes: "trainer"))
            let three = Picture.threeBase64()
            func create(_ name: String, by caller: Client? = nil) async throws -> ClientAnswer {
                try await (caller ?? client).post("/v2/personas", ["name": .string(name), "image_base64s": three])
            }
            let id = try await create("Ann").id
            let lease = try await trainer.post("/v2/training/lease", [:])
            let job = try #require(lease.json["job_id"]?.string)
            let stale: JSONValue = ["lease_token": "AAAAAAAAAAAAAAAAAAAAAA"]
            let table: [(Int, String, ClientAnswer)] = [
                (401, "MISSING_API_KEY", try await service.client().get("/v2/personas")),
                (401, "INVALID_API_KEY_FORMAT", try await Client(base: service.address, key: "key").get("/v2/personas")),
                (401, "INVALID_API_KEY", try await Client(base: service.address, key: key.secret + "x").get("/v2/personas")),
                (403, "API_ACCESS_NOT_ENABLED", try await create("Bob", by: reader)),
                (403, "API_ACCESS_NOT_ENABLED", try await trainer.get("/v2/personas")),
                (403, "API_ACCESS_NOT_ENABLED", try await client.post("/v2/training/lease", [:])),
                (400, "CONTENT_POLICY", try await create("A forbidden name")),
                (400, "CONTENT_POLICY", try await client.patch("/v2/personas/\(id)", ["special_instructions": "FORBIDDEN"])),
                (409, "NAME_RESERVED", try await create("Admin")), (409, "NAME_ALREADY_EXISTS", try await create("ANN")),
                (400, "CANNOT_DELETE_PROCESSING", try await client.delete("/v2/personas/\(id)")),
                (400, "INVALID_PERSONA", try await client.get("/v2/personas/1")),
                (400, "INVALID_STYLE", try await client.get("/v2/styles/1")),
                (404, "NOT_FOUND", try await client.get("/v2/styles/\(id)")),
                (409, "CONFLICT", try await trainer.post("/v2/training/\(job)/complete", stale)),
                (405, "METHOD_NOT_ALLOWED", try await client.send(.PUT, "/v2/personas/\(id)")),
                (
                    415, "UNSUPPORTED_MEDIA_TYPE",
                    try await client.send(.POST, "/v2/personas", headers: [("Content-Type", "text/plain")], body: [0x7B])
                ),
            ]
            for (status, code, answer) in table { #expect((answer.status, answer.code) == (status, code), "\(answer.text)") }
            let failed = try await client.trained(id)
            #expect(failed["error"]?["code"] == "GENERATION_TIMEOUT")
        }
    }
}
