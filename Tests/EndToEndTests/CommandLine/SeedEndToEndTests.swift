import Foundation
import TestImages
import TestSupport
import Testing

/// `personas seed`, with the built program: all or nothing where the seed is wrong, and no secret lost however it ends.
@Suite("Seeds on the command line", .timeLimit(.minutes(10)))
struct SeedEndToEndTests {
    private static let keyMembers: Set = [
        "account", "expires_at", "id", "key", "label", "prefix", "previous_secret_expires_at", "scopes",
    ]

    private static func item(_ name: String, account: String = "acme", more: [String: JSONValue] = [:]) -> JSONValue {
        let members: [String: JSONValue] = [
            "account": .string(account), "name": .string(name), "images": ["a.png", "a.png", "a.png"], "outcome": "completed",
        ]
        return .object(members.merging(more) { $1 })
    }

    /// What commands show of the data, ids and times included.
    private static func state(_ stage: Stage) async throws -> [JSONValue] {
        var state: [JSONValue] = []
        for command in [["list"], ["accounts", "list"], ["keys", "list"], ["names", "list"]] {
            state.append(try await stage.command(command + ["--json"]).json)
        }
        return state
    }

    @Test("A seed with faults makes no data folder, and tells all of them with their lines")
    func newFolder() async throws {
        try await Stage.run { stage in
            let seed = """
                {"accounts": [{"name": "acme"}], "keys": [{"account": "acme", "label": "web"}],
                "personas": [
                {"account": "acme", "name": "Ann", "images": ["a.png", "a.png", "a.png"]},
                {"account": "acme", "name": "Admin", "images": ["a.png", "a.png", "a.png"]},
                {"account": "acme", "name": "Eve", "images": ["a.png", "a.png",
                "last.png"]}]}
                """
            try stage.write(Array(seed.utf8), to: "seed.json")
            try stage.write(Picture.png(), to: "a.png")
            let lines = [
                "personas: seed.json:4: persona \"Admin\": the name \"Admin\" is reserved",
                "personas: seed.json:6: persona \"Eve\": the image ./last.png cannot be read: No such file or directory",
            ]
            for arguments in [["seed", "seed.json"], ["seed", "reserved-names", "seed.json", "missing.json"]] {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(1) && result.output.isEmpty, "\(result)")
                let missing =
                    "personas: missing.json: there is no seed of this name, and no file that can be read (No such file or directory)"
                #expect(result.error == (arguments.count == 2 ? lines : lines + [missing]).map { $0 + "\n" }.joined(), "\(result)")
                #expect(!FileManager.default.fileExists(atPath: stage.data))
            }
            let empty = try await stage.command("seed", "")
            #expect(empty.exit == .status(64), "\(empty)")
        }
    }

    @Test("A seed is looked at amid what is stored, beside a server and without one, and changes nothing where it is wrong")
    func amidTheStored() async throws {
        try await Stage.run { stage in
            let first: JSONValue = [
                "accounts": [["name": "acme"]], "blocked_terms": ["forbidden"],
                "personas": [Self.item("Ann", more: ["external_id": "1"]), Self.item("Boss")],
            ]
            try #require(try await stage.seed(first, images: ["a.png": Picture.png()]).exit == .status(0))
            _ = try await stage.command("names", "reserve", "boss", "Chief")
            let before = try await Self.state(stage)
            let wrong: [(JSONValue, String)] = [
                (["personas": [Self.item("Chief")]], "persona \"Chief\": the name \"Chief\" is reserved"),
                (
                    ["styles": [Self.item("A", more: ["special_instructions": "a forbidden one"])]],
                    "style \"A\": special_instructions holds a blocked term"
                ),
                (["personas": [Self.item("A", more: ["external_id": "1"])]], "a persona with this external_id already exists: "),
                (["keys": [["account": "nobody", "label": "x"]]], "key \"x\": there is no account \"nobody\", and the seed has none"),
            ]
            // What comes first in each of them would be made.
            func refuse() async throws -> [String] {
                var errors: [String] = []
                for (part, words) in wrong {
                    guard case .object(let members) = part else { continue }
                    let good: [String: JSONValue] = ["accounts": [["name": "new"]], "reserved_names": ["New"]]
                    let result = try await stage.seed(.object(members.merging(good) { $1 }))
                    let said = try JSONValue(parsing: result.error.utf8)["error"]?["message"]?.string ?? ""
                    #expect(result.exit == .status(1) && result.output.isEmpty && said.contains(words), "\(result)")
                    #expect(said.hasPrefix("seed.json:1: "), "\(result)")
                    errors.append(result.error)
                }
                return errors
            }
            let alone = try await refuse()
            #expect(try await Self.state(stage) == before)
            // What is there already is passed over, whatever its name and its words would be told today.
            let again = try await stage.seed(first)
            #expect(again.exit == .status(0) && again.json["personas"] == 0, "\(again)")
            let service = try await stage.serve()
            #expect(try await refuse() == alone)
            #expect(try await Self.state(stage) == before)
            #expect(try await stage.seed(first).exit == .status(0))
            #expect(try await service.stop() == .status(0))
        }
    }

    private static let keyCount = 120

    /// A seed whose keys a narrow pipe has no room for.
    private static func write(to stage: Stage) throws {
        let labels = (0..<keyCount).map { "key \($0) " + String(repeating: "x", count: 60) }
        let keys = labels.map { JSONValue.object(["account": "acme", "label": .string($0), "scopes": ["read"]]) }
        let seed: JSONValue = ["accounts": [["name": "acme"]], "keys": .array(keys), "personas": [item("Ann")]]
        try stage.write(seed.bytes, to: "seed.json")
        try stage.write(Picture.png(), to: "a.png")
    }

    private static func secrets(in text: String) -> [String] { text.matches(of: /pkz_[0-9A-Za-z]{38}/).map { String($0.output) } }

    @Test(
        "However a seed ends in the midst of its keys, each key has been printed, and the next run issues those that are missing",
        arguments: [["seed", "seed.json"], ["seed", "seed.json", "--json"]], [true, false])
    func cutShort(_ arguments: [String], isServed: Bool) async throws {
        try await Stage.run { stage in
            try Self.write(to: stage)
            let service = isServed ? try await stage.serve() : nil
            var printed: [String] = []
            for end in [SIGKILL, SIGINT] {
                let pipe = try NarrowPipe(in: stage.folder)
                let process = try stage.start(arguments, data: stage.data, launcher: pipe.launcher)
                try await pipe.isStuck(process)
                process.signal(end)
                #expect(try await process.exit() == .signal(end))
                let secrets = Self.secrets(in: pipe.take())
                #expect((1..<Self.keyCount).contains(secrets.count))
                printed += secrets
                let stored = try await stage.command("keys", "list", "--json").json.array ?? []
                let prefixes = stored.compactMap { $0["prefix"]?.string }
                #expect(!prefixes.isEmpty && prefixes.allSatisfy { prefix in printed.contains { $0.hasPrefix(prefix) } }, "none is lost")
            }
            let rest = try await stage.command(arguments)
            #expect(rest.exit == .status(0), "\(rest)")
            printed += Self.secrets(in: rest.output)
            let stored = try await stage.command("keys", "list", "--json").json.array ?? []
            #expect(Set(stored.compactMap { $0["label"]?.string }).count == Self.keyCount && stored.count == Self.keyCount)
            #expect(stored.allSatisfy { key in printed.contains { $0.hasPrefix(key["prefix"]?.string ?? "-") } })
            #expect(Set(printed).count - stored.count <= 2, "at most the one that was on its way each time was printed in vain")
            if let service { #expect(try await service.stop() == .status(0)) }
        }
    }

    @Test("Where the keys cannot be printed none is issued, the command fails, and what was loaded stays", arguments: [[], ["--json"]])
    func fullDisk(_ flags: [String]) async throws {
        try await Stage.run { stage in
            let seed: JSONValue = [
                "accounts": [["name": "acme"]],
                "keys": [["account": "acme", "label": "web"], ["account": "acme", "label": "ci", "scopes": ["trainer"]]],
                "personas": [Self.item("Ann")],
            ]
            try stage.write(seed.bytes, to: "seed.json")
            try stage.write(Picture.png(), to: "a.png")
            for redirection in [">/dev/full", ">&-"] {
                let launcher = ["/bin/sh", "-c", "exec \"$0\" \"$@\" \(redirection)"]
                let arguments = ["seed", "seed.json"] + flags
                let result = try await CommandResult(of: try stage.start(arguments, data: stage.data, launcher: launcher), arguments)
                #expect(result.exit == .status(1), "\(result)")
                let words = "key \"web\" of account \"acme\": the secret could not be printed "
                let said = flags.isEmpty ? result.error : try JSONValue(parsing: result.error.utf8)["error"]?["message"]?.string ?? ""
                #expect(said.hasPrefix(flags.isEmpty ? "personas: " + words : words), "\(result)")
                #expect(result.error.split(separator: "\n").count == 1, "\(result)")
                #expect(try await stage.command("keys", "list", "--json").json == [])
            }
            #expect(try await stage.command("list", "--json").json.array?.count == 1)
            let mended = try await stage.command(["seed", "seed.json"] + flags)
            #expect(mended.exit == .status(0) && Self.secrets(in: mended.output).count == 2, "\(mended)")
            if flags.isEmpty {
                #expect(
                    mended.output.contains(/\nACCOUNT +LABEL +SCOPES +KEY\nacme +web +read,write +pkz_\w+\nacme +ci +trainer +pkz_\w+\n$/),
                    "\(mended)")
                #expect(mended.error == "Each key is shown this once.\n")
            } else {
                #expect(mended.output.hasPrefix(#"{"accounts":0,"blocked_terms":0,"keys":[{"account":"acme","expires_at":null,"id":""#))
                #expect(mended.output.hasSuffix("}],\"personas\":0,\"reserved_names\":0,\"styles\":0}\n"))
                #expect(mended.json["keys"]?[1]?.names == Self.keyMembers)
                #expect(mended.json["keys"]?[1]?["scopes"] == ["trainer"] && mended.error.isEmpty)
            }
            let service = try await stage.serve()
            let web = Self.secrets(in: mended.output)[0]
            #expect(try await Client(base: service.address, key: web).get("/v2/personas").status == 200)
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("A key that could not be stored after its secret was printed is told, in a document that is whole all the same")
    func printedInVain() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            for arguments in [["keys", "create", "--account", "acme", "--json"], ["seed", "seed.json", "--json"]] {
                try #require(try await stage.command("accounts", "create", "acme").exit == .status(0))
                try stage.write(Array(#"{"keys":[{"account":"acme","label":"web"}]}"#.utf8), to: "seed.json")
                let pipe = try NarrowPipe(in: stage.folder)
                // The seed says first what it has loaded.
                pipe.fill(leaving: arguments[0] == "seed" ? 100 : 0)
                let process = try stage.start(arguments, data: stage.data, launcher: pipe.launcher)
                try await pipe.isStuck(process)
                #expect(process.exit == nil, "\(process.standardError)")
                try #require(try await stage.command("accounts", "delete", "acme", "--yes").exit == .status(0))
                var output = pipe.take()
                #expect(try await process.exit() == .status(1))
                output += pipe.take()
                #expect(
                    process.standardError.contains("was not issued, and the printed secret is good for nothing"), "\(process.standardError)"
                )
                let json = try JSONValue(parsing: output.utf8)
                let key = try #require(arguments[0] == "seed" ? json["keys"]?[0] : json)
                #expect(key["issued"] == .boolean(false) && key["key"]?.string?.hasPrefix("pkz_") == true, "\(output)")
                #expect(try await stage.command("keys", "list", "--json").json == [])
            }
            #expect(try await service.stop() == .status(0))
        }
    }
}
