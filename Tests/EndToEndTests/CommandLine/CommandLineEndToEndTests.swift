import Foundation
import TestImages
import TestSupport
import Testing

/// The commands of an operator, beside a running server and without one.
@Suite("The command line", .timeLimit(.minutes(10)))
struct CommandLineEndToEndTests {
    @Test("Every command says and does the same beside a running server and without one, but that there is none")
    func sameWithAndWithoutServer() async throws {
        async let alone = Stage.run { try await Self.transcript(on: $0) }
        async let beside = Stage.run { stage in
            let service = try await stage.serve()
            defer { withExtendedLifetime(service) {} }
            return try await Self.transcript(on: stage)
        }
        let (first, second) = (try await alone, try await beside)
        #expect(first.count > 50)
        for (one, other) in zip(first, second) { #expect(one == other) }
        #expect(first.count == second.count)
    }

    /// Runs every command of administration and writes down what came of it, with names in the place of what differs from run to run.
    private static func transcript(on stage: Stage) async throws -> [String] {
        var lines: [String] = []
        var names: [String: String] = [:]
        func run(_ arguments: String...) async throws -> CommandResult {
            let result = try await stage.command(arguments)
            lines.append(plain("\(result)".replacing(stage.noServerNote, with: ""), stage, &names))
            return result
        }
        func both(_ arguments: String...) async throws -> JSONValue { try await both(arguments) }
        @discardableResult
        func both(_ arguments: [String]) async throws -> JSONValue {
            lines.append(plain("\(try await stage.command(arguments))".replacing(stage.noServerNote, with: ""), stage, &names))
            let result = try await stage.command(arguments + ["--json"])
            lines.append(plain("\(result)".replacing(stage.noServerNote, with: ""), stage, &names))
            return result.json
        }
        try stage.write(Picture.png(), to: "a.png")
        let images: JSONValue = ["a.png", "a.png", "a.png"]
        let seed: JSONValue = [
            "accounts": [["name": "acme"], ["name": "globex"]], "keys": [["account": "acme", "label": "web"]],
            "blocked_terms": ["forbidden"],
            "reserved_names": ["Boss"],
            "personas": [["account": "acme", "name": "Ann", "images": images, "outcome": "completed", "special_instructions": "Smile."]],
            "styles": [
                [
                    "account": "globex", "name": "Ink", "images": images,
                    "outcome": ["failed": ["code": "GENERATION_REJECTED", "message": "No style"]],
                ]
            ],
        ]
        try stage.write(seed.bytes, to: "seed.json")
        _ = try await run("seed", "seed.json")
        _ = try await both("seed", "seed.json", "reserved-names")
        _ = try await both("seed", "missing.json")
        _ = try await both("accounts", "create", "initech")
        for command in ["show", "suspend", "resume", "disable-api", "enable-api"] {
            _ = try await both("accounts", command, "acme")
            _ = try await run("accounts", command, "nobody")
        }
        _ = try await both("accounts", "list")
        _ = try await both("accounts", "quota", "acme", "--items", "2", "--bytes", "1G")
        for items in ["0", "-1", "many"] { _ = try await run("accounts", "quota", "acme", "--items", items) }
        _ = try await run("accounts", "quota", "nobody")
        _ = try await both("accounts", "quota", "acme", "--items", "none")
        _ = try await run("keys", "create", "--account", "acme", "--label", "ci", "--scopes", "trainer")
        _ = try await run("keys", "create", "--account", "nobody")
        _ = try await run("keys", "create", "--account", "acme", "--expires", "2999-12-31", "--json")
        let key = try await both("keys", "list", "--account", "acme")[0]?["id"]?.string ?? ""
        for command in ["rotate", "show", "disable", "enable", "delete", "enable"] { _ = try await both("keys", command, key) }
        _ = try await run("keys", "disable", "nothing")
        _ = try await run("keys", "disable", "00000000-0000-4000-8000-000000000000")
        _ = try await both("keys", "list")
        _ = try await both("names", "reserve", "Root cause", "boss")
        _ = try await run("names", "reserve", "n@me")
        _ = try await both("names", "release", "BOSS", "unknown")
        _ = try await both("names", "list")
        _ = try await both("terms", "block", "Bad  Word", "worse")
        _ = try await both("terms", "release", "BAD word", "unknown")
        _ = try await both("terms", "list")
        _ = try await run("terms", "block", "")
        for state in ["on", "status", "off", "status"] { _ = try await both("maintenance", state) }
        _ = try await both("maintenance", "on", "--retry-after", "5")
        _ = try await run("maintenance", "on", "--retry-after", "0")
        let item = try await both("list")[0]?["id"]?.string ?? ""
        _ = try await both("list", "--limit", "1")
        _ = try await both("list", "--account", "globex", "--mode", "style", "--status", "failed", "--q", "IN")
        for wrong in [["--account", "nobody"], ["--status", "done"], ["--cursor", "x"], ["--limit", "0"]] {
            _ = try await both(["list"] + wrong)
        }
        _ = try await both("show", item)
        for command in ["show", "delete", "delete"] { _ = try await run(command, item) }
        _ = try await run("show", "nothing")
        _ = try await both("migrate")
        _ = try await both("migrate", "status")
        _ = try await both("migrate", "verify")
        _ = try await run("accounts", "delete", "acme", "--yes")
        _ = try await both("accounts", "delete", "acme", "--yes")
        _ = try await both("list")
        _ = try await both("keys", "list", "--all")
        _ = try await both("audit")
        _ = try await both("audit", "--limit", "2")
        return lines
    }

    /// A text with numbers in the place of ids, keys, times and folders.
    private static func plain(_ text: String, _ stage: Stage, _ names: inout [String: String]) -> String {
        var text = text.replacing(stage.folder, with: "<folder>")
        text = text.replacing(/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/, with: "<time>").replacing(/[0-9]{13}\./, with: "<place>.").replacing(
            /pkz_[0-9A-Za-z]+/, with: "<key>")
        for match in text.matches(of: /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) {
            let id = String(match.output.0)
            if names[id] == nil { names[id] = "<id \(names.count + 1)>" }
        }
        for (id, name) in names { text = text.replacing(id, with: name) }
        return text
    }

    @Test("A running server feels every change within one second")
    func changesTakeEffect() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            let client = service.client(key)
            func expect(_ status: Int, _ code: String?, after arguments: String..., from call: () async throws -> ClientAnswer) async throws
            {
                let result = try await stage.command(arguments)
                let end = ContinuousClock.now
                #expect(result.exit == .status(0), "\(result)")
                try await eventually("\(status) \(code ?? "") after \(arguments)", within: .seconds(1)) {
                    let answer = try await call()
                    return answer.status == status && answer.code == code
                }
                #expect(ContinuousClock.now - end < .seconds(1))
            }
            func list() async throws -> ClientAnswer { try await client.get("/v2/personas") }
            func create() async throws -> ClientAnswer {
                try await client.post("/v2/personas", ["name": "Chief", "image_base64s": ["!", "!", "!"]])
            }
            #expect(try await list().status == 200)
            try await expect(403, "ACCOUNT_SUSPENDED", after: "accounts", "suspend", "acme", from: list)
            try await expect(200, nil, after: "accounts", "resume", "acme", from: list)
            try await expect(403, "API_ACCESS_NOT_ENABLED", after: "accounts", "disable-api", "acme", from: list)
            try await expect(200, nil, after: "accounts", "enable-api", "acme", from: list)
            try await expect(409, "NAME_RESERVED", after: "names", "reserve", "chief", from: create)
            try await expect(400, "INVALID_IMAGE", after: "names", "release", "CHIEF", from: create)
            try await expect(403, "QUOTA_EXCEEDED", after: "accounts", "quota", "acme", "--items", "0", from: create)
            try await expect(400, "INVALID_IMAGE", after: "accounts", "quota", "acme", "--items", "none", from: create)
            try await expect(503, "SERVICE_UNDER_MAINTENANCE", after: "maintenance", "on", "--retry-after", "30", from: list)
            #expect(try await list().header("Retry-After") == "30")
            for path in ["/healthz", "/readyz"] { #expect(try await service.client().get(path).json == ["status": "ok"]) }
            try await expect(200, nil, after: "maintenance", "off", from: list)
            try await expect(401, "API_KEY_INACTIVE", after: "keys", "disable", key.id, from: list)
            try await expect(200, nil, after: "keys", "enable", key.id, from: list)
            try await expect(401, "API_KEY_DELETED", after: "keys", "delete", key.id, from: list)
        }
    }

    @Test("An account's deletion takes its items and images along, and its keys answer API_USER_NOT_FOUND")
    func accountDeletion() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let (client, other) = (service.client(try await stage.key()), service.client(try await stage.key(account: "globex")))
            let item = try await client.trained(try await client.create(name: "Gone", seed: 1).id)
            let kept = try await other.trained(try await other.create(name: "Gone", seed: 1).id)
            #expect(try await stage.command("accounts", "delete", "acme").exit == .status(64))
            #expect(try await stage.command("accounts", "delete", "acme", "--yes").exit == .status(0))
            let answer = try await client.get("/v2/personas")
            #expect((answer.status, answer.code) == (404, "API_USER_NOT_FOUND"))
            for url in Ledger.urls(of: item) { #expect(try await other.get(url).status == 404) }
            // The same pictures of another account stay.
            for url in Ledger.urls(of: kept) { #expect(try await other.get(url).status == 200) }
        }
    }

    @Test("Without a server, too, the bytes are gone when the deletion of an account or an item is reported, and those of others stay")
    func deletionWithoutServer() async throws {
        try await Stage.run { stage in
            func files() throws -> Int {
                try FileManager.default.subpathsOfDirectory(atPath: stage.data + "/media").count { $0.utf8.count == 65 }
            }
            func item(_ account: String, _ name: String, _ images: JSONValue) -> JSONValue {
                ["account": .string(account), "name": .string(name), "images": images, "outcome": "completed"]
            }
            let items = [
                item("acme", "Gone", ["0.png", "1.png", "2.png"]), item("globex", "Kept", ["2.png", "3.png", "4.png"]),
                item("globex", "Gone", ["4.png", "5.png", "6.png"]),
            ]
            let document: JSONValue = ["accounts": [["name": "acme"], ["name": "globex"]], "personas": .array(items)]
            let images = Dictionary(uniqueKeysWithValues: (0..<7).map { ("\($0).png", Picture.png(seed: $0)) })
            try #require(try await stage.seed(document, images: images).exit == .status(0))
            try #require(try files() == 7)
            #expect(try await stage.command("accounts", "delete", "acme", "--yes").exit == .status(0))
            #expect(try files() == 5)
            let listed = try await stage.command("list", "--json").json.array ?? []
            let gone = try #require(listed.first { $0["name"] == "Gone" }?["id"]?.string)
            #expect(try await stage.command("delete", gone).exit == .status(0))
            #expect(try files() == 3)
            #expect(try await stage.command("check").exit == .status(0))
        }
    }

    @Test("Without a server, what was done is a success, whatever becomes of the image files that are to go after it")
    func stuckRemovals() async throws {
        try await Stage.run { stage in
            let images: JSONValue = ["0.png", "1.png", "2.png"]
            let item: JSONValue = ["account": "acme", "name": "Ann", "images": images, "outcome": "completed"]
            let document: JSONValue = ["accounts": [["name": "acme"], ["name": "globex"]], "personas": [item]]
            let pictures = Dictionary(uniqueKeysWithValues: (0..<3).map { ("\($0).png", Picture.png(seed: $0)) })
            try #require(try await stage.seed(document, images: pictures).exit == .status(0))
            let media = stage.data + "/media"
            let name = try #require(FileManager.default.subpathsOfDirectory(atPath: media).first { $0.utf8.count == 65 })
            // A folder cannot be unlinked, not even by a superuser.
            try FileManager.default.removeItem(atPath: "\(media)/\(name)")
            try FileManager.default.createDirectory(atPath: "\(media)/\(name)", withIntermediateDirectories: false)
            let id = try #require(try await stage.command("list", "--json").json[0]?["id"]?.string)
            let deleted = try await stage.command("delete", id)
            #expect(deleted.exit == .status(0))
            #expect(deleted.output == "Persona deleted\n")
            #expect(deleted.error.hasPrefix("personas: done, but not all image files are removed yet"), "\(deleted.error)")
            for arguments in [["backup", "backup"], ["accounts", "suspend", "acme"]] {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(0) && !result.error.contains("image files"), "\(arguments): \(result.error)")
            }
        }
    }

    @Test("Seeding twice changes nothing, however names and labels are spaced")
    func seedingSpacedTwice() async throws {
        try await Stage.run { stage in
            let document: JSONValue = [
                "accounts": [["name": " Two  spaces "], ["name": "Two spaces"]],
                "keys": [["account": "Two   spaces", "label": " The\tfirst  key "], ["account": "Two spaces", "label": "The first key"]],
                "reserved_names": ["Big  Boss", "big boss"], "blocked_terms": ["Foo", "foo", " FOO "],
                "personas": [
                    ["account": "  Two spaces", "name": "A  name", "images": ["a.png", "a.png", "a.png"], "outcome": "completed"]
                ],
            ]
            let first = try await stage.seed(document, images: ["a.png": Picture.png()])
            #expect(first.exit == .status(0), "\(first)")
            #expect(first.json["accounts"] == 1 && first.json["keys"]?.array?.count == 1, "\(first)")
            #expect(first.json["reserved_names"] == 1 && first.json["blocked_terms"] == 1 && first.json["personas"] == 1, "\(first)")
            let second = try await stage.seed(document)
            #expect(second.exit == .status(0), "\(second)")
            for member in ["accounts", "reserved_names", "blocked_terms", "personas", "styles"] { #expect(second.json[member] == 0) }
            #expect(second.json["keys"] == [])
            #expect(try await stage.command("keys", "list", "--account", " Two  spaces", "--json").json.array?.count == 1)
            #expect(try await stage.command("accounts", "suspend", "Two  spaces").exit == .status(0))
        }
    }

    @Test("An operator lists, shows and deletes items of every account, but none in training")
    func items() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve("--trainer", "worker")
            let client = service.client(try await stage.key())
            let id = try await client.create("style", name: "Busy").id
            let list = try await stage.command("list", "--json").json
            let item = try await stage.command("show", id, "--json").json
            let listed = try #require(list.array?.first)
            let names = try #require(listed.names)
            #expect(list.array?.count == 1 && item.names == names.union(["job", "images", "trash"]))
            for name in names { #expect(item[name] == listed[name], "\(name)") }
            #expect(item["job"]?["state"] == "queued" && item["images"]?.array?.count == 3)
            #expect(item["id"] == .string(id))
            #expect(item["account"] == "acme" && item["mode"] == "style" && item["name"] == "Busy" && item["status"] == "processing")
            let refused = try await stage.command("delete", id)
            #expect(refused.exit == .status(1))
            #expect(
                refused.error
                    == "personas: CANNOT_DELETE_PROCESSING: This style is still processing; --force deletes it all the same and ends its training\n"
            )
            #expect(try await service.stop() == .status(0))
            let trained = try await stage.serve()
            _ = try await trained.client(client.key.map { Key(id: "", secret: $0) }).trained(id)
            #expect(try await stage.command("delete", id).output == "Style deleted\n")
            #expect(try await stage.command("list", "--json").json == [])
        }
    }

    @Test("A data folder and a seed may have a name of one character")
    func shortNames() async throws {
        try await Stage.run { stage in
            try stage.write(Array(#"{"reserved_names":["Short"]}"#.utf8), to: "s")
            let seeded = try await CommandResult(of: try stage.start(["seed", "s"], data: "d"), ["seed", "s"])
            #expect(seeded.exit == .status(0), "\(seeded)")
            let names = try await CommandResult(of: try stage.start(["names", "list"], data: "./d/"), ["names", "list"])
            #expect(names.output.contains("Short"), "\(names)")
        }
    }

    @Test("Seeding twice changes nothing", arguments: ["demo", "reserved-names"])
    func seedingTwice(_ name: String) async throws {
        try await Stage.run { stage in
            func state() async throws -> [JSONValue] {
                var state: [JSONValue] = []
                for command in [["list"], ["accounts", "list"], ["keys", "list"], ["names", "list"]] {
                    state.append(try await stage.command(command + ["--json"]).json)
                }
                return state
            }
            #expect(try await stage.command("seed", name).exit == .status(0))
            let before = try await state()
            let report = try await stage.command("seed", name, "--json")
            #expect(report.json == ["accounts": 0, "keys": [], "reserved_names": 0, "blocked_terms": 0, "personas": 0, "styles": 0])
            #expect(try await state() == before)
        }
    }

    @Test("A second server on the same folder is refused with 69, and the first does not notice")
    func secondServer() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let second = try await stage.command("serve", "--port", "0")
            #expect(second.exit == .status(69))
            #expect(second.error.contains("in use by another process"))
            #expect(try await service.client().get("/readyz").status == 200)
            #expect(try await stage.command("accounts", "list").exit == .status(0))
        }
    }

    @Test("Migrations: status changes nothing, --no-migrate refuses to start, up applies, verify approves")
    func migrations() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate", "status", "--json").exit == .status(69))
            // An empty file is a database to which all migrations are still to come.
            try FileManager.default.createDirectory(atPath: stage.data, withIntermediateDirectories: false)
            try stage.write([], to: "data/personas.sqlite")
            let pending = try await stage.command("migrate", "status", "--json")
            let names = try #require(pending.json.array).compactMap { $0["name"]?.string }
            #expect(names.first == "v0001_initial")
            #expect(pending.json.array?.allSatisfy { $0["state"] == "pending" && $0["hash"]?.string?.utf8.count == 64 } == true)
            #expect(try await stage.command("migrate", "status", "--json").json == pending.json)
            let refused = try await stage.command("serve", "--port", "0", "--no-migrate")
            #expect(refused.exit == .status(69))
            #expect(refused.error.contains("v0001_initial") && refused.error.contains("personas migrate up"))
            let applied = try await stage.command("migrate", "up", "--json")
            #expect(applied.exit == .status(0))
            #expect(applied.json.array?.allSatisfy { $0["state"] == "applied" && $0["applied_at"]?.string != nil } == true)
            #expect(try await stage.command("migrate", "verify").exit == .status(0))
            let service = try await stage.serve("--no-migrate")
            #expect(try await service.client().get("/readyz").status == 200)
            #expect(try await stage.command("migrate", "verify", "--json").json == applied.json)
        }
    }
}
