import Foundation
import TestImages
import TestObjectStore
import TestPostgres
import TestSupport
import Testing

/// A data folder that goes into a database and a bucket, as an operator has it done.
@Suite("Moving a data folder to a shared database", .timeLimit(.minutes(10)))
struct CopyEndToEndTests {
    /// A database and a bucket of a test's own, and a stage whose folder is to go there.
    private struct Place {
        let stage: Stage
        /// The settings of what works on the database.
        let flags: [String]

        /// Runs a command on the database.
        func command(_ arguments: String...) async throws -> CommandResult {
            try await stage.bareCommand(arguments + flags, environment: ObjectStoreServer.owner)
        }

        /// Moves the folder.
        func copy(_ arguments: String...) async throws -> CommandResult {
            try await stage.bareCommand(["copy", "--from", stage.data] + arguments + flags, environment: ObjectStoreServer.owner)
        }

        /// Starts a server of the database.
        func serve() async throws -> RunningService {
            try await RunningService(
                stage.start(["serve", "--port", "0"] + flags, data: nil, environment: ObjectStoreServer.owner))
        }

        static func run(_ body: (Place) async throws -> Void) async throws {
            let (server, store) = (try PostgresServer.shared.get(), try await ObjectStoreServer.running())
            try await server.withDatabase { name in
                try await Stage.run { stage in
                    let media =
                        "s3://\(ObjectStoreServer.bucket)/\(UUID().uuidString)?endpoint=http://127.0.0.1:\(store.port)"
                        + "&region=\(ObjectStoreServer.region)"
                    let key = stage.folder + "/shared.key"
                    try await body(
                        Place(
                            stage: stage,
                            flags: ["--database", server.address(of: name), "--media", media, "--secrets-key-file", key]))
                }
            }
        }
    }

    /// What a client sees of everything, by its addresses, with entity tags and the bytes of images.
    private static func view(_ client: Client) async throws -> [String: [String]] {
        var seen: [String: [String]] = [:]
        func look(_ path: String) async throws -> ClientAnswer {
            let answer = try await client.get(path)
            seen[path] = ["\(answer.status)", answer.header("ETag") ?? "", "\(answer.body.hashValue)"]
            #expect(answer.status == 200, "\(path): \(answer.text.prefix(300))")
            return answer
        }
        for mode in ["personas", "styles"] {
            let list = try await look("/v2/\(mode)?limit=50")
            for item in list.json["data"]?.array ?? [] {
                let id = item["id"]?.string ?? ""
                let found = try await look("/v2/\(mode)/\(id)").json
                _ = try await look("/v2/\(mode)/\(id)/revisions")
                for url in Ledger.urls(of: found) { _ = try await look(URLComponents(string: url)?.path ?? url) }
            }
        }
        for path in ["/v2/events?limit=100", "/v2/webhooks", "/v2/trash", "/v2/me"] { _ = try await look(path) }
        return seen
    }

    @Test(
        "Clients see on the database what they saw on the folder: answers, ids, entity tags, images, and their keys work; the folder is done with"
    )
    func wholeTrip() async throws {
        try await Place.run { place in
            let stage = place.stage
            let service = try await stage.serve("--public-url", "https://personas.example", "--development-downloads")
            let key = try await stage.key()
            let client = service.client(key)
            let hook = try await client.post("/v2/webhooks", ["url": "http://127.0.0.1:9/hook", "events": ["*"]])
            #expect(hook.status == 201, "\(hook.text)")
            for seed in 0..<4 {
                let item = try await client.trained(
                    client.create(
                        seed % 2 == 0 ? "persona" : "style", name: "Item \(seed)", seed: seed, members: ["metadata": ["n": "\(seed)"]]
                    ).id)
                let id = item["id"]?.string ?? ""
                guard seed < 2 else { continue }
                #expect(
                    try await client.patch("/v2/\(seed == 0 ? "personas" : "styles")/\(id)", ["special_instructions": "Warm"]).status == 200
                )
            }
            let away = try await client.trained(client.create(name: "Away", seed: 9).id)
            #expect(try await client.delete("/v2/personas/\(away["id"]?.string ?? "")?to=trash").status < 300)

            // A server that runs keeps the folder.
            let early = try await place.copy()
            #expect(early.exit == .status(69) && early.error.contains("in use"), "\(early)")
            let before = try await Self.view(client)
            #expect(try await service.stop() == .status(0))

            let sealed = try await place.copy()
            #expect(sealed.exit == .status(78) && sealed.error.contains("secrets.key"), "\(sealed)")
            try FileManager.default.copyItem(atPath: stage.data + "/secrets.key", toPath: stage.folder + "/shared.key")
            let copied = try await place.copy("--json")
            #expect(copied.exit == .status(0), "\(copied)")
            #expect(copied.json["accounts"] == 1 && copied.json["items"] == 5 && copied.json["was_moved_before"] == false, "\(copied)")

            let other = try await RunningService(
                stage.start(
                    ["serve", "--port", "0", "--public-url", "https://personas.example", "--development-downloads"] + place.flags,
                    data: nil,
                    environment: ObjectStoreServer.owner))
            let after = try await Self.view(other.client(key))
            // What waits to be delivered goes on being tried.
            let moving = Set(["/v2/webhooks", "/v2/events?limit=100"])
            for (path, seen) in before where !moving.contains(path) { #expect(after[path] == seen, "\(path)") }
            #expect(Set(after.keys) == Set(before.keys))
            let new = try await other.client(key).create(name: "New", seed: 20)
            #expect(try await other.client(key).trained(new.id)["status"] == "completed")
            #expect(try await other.stop() == .status(0))

            let check = try await place.command("check", "--json")
            #expect(check.exit == .status(0) && check.json["sound"] == true, "\(check)")
            let audit = try await place.command("audit", "--json")
            #expect(audit.output.contains("\"copy\"") && audit.output.contains(stage.data), "\(audit)")
            for arguments in [["serve", "--port", "0"], ["status"], ["accounts", "list"], ["backup", "b"]] {
                let refused = try await stage.command(arguments)
                #expect(refused.exit == .status(78) && refused.error.contains("was moved to"), "\(refused)")
                #expect(refused.error.split(separator: "\n").count == 1, "\(refused)")
            }
            let again = try await place.copy()
            #expect(again.exit == .status(78) && again.error.contains("was moved to"), "\(again)")
        }
    }

    @Test("Killed again and again, the command goes on each time, and what comes of it is whole")
    func killed() async throws {
        try await Place.run { place in
            let stage = place.stage
            let key = try await stage.key()
            let service = try await stage.serve()
            for seed in 0..<12 {
                _ = try await service.client(key).trained(service.client(key).create(name: "Item \(seed)", seed: seed).id)
            }
            #expect(try await service.stop() == .status(0))
            var random = SplitMix64(seed: 20_261_123)
            var kills = 0
            while kills < 12 {
                let process = try stage.start(
                    ["copy", "--from", stage.data] + place.flags, data: nil, environment: ObjectStoreServer.owner)
                try await Task.sleep(for: .milliseconds(Int.random(in: 50..<700, using: &random)))
                process.signal(SIGKILL)
                let exit = try await process.exit()
                guard exit != .status(0) else { break }
                kills += 1
                let mark = (try? JSONValue(parsing: Data(contentsOf: URL(fileURLWithPath: stage.data + "/move.json"))))?["stage"]?.string
                let used = try await stage.command("accounts", "list")
                #expect((used.exit == .status(0)) == (mark == nil || mark == "copying"), "\(mark ?? "no mark") \(used)")
            }
            #expect(kills > 0)
            let last = try await place.copy()
            #expect(last.exit == .status(0) || last.error.contains("was moved to"), "\(last)")
            let check = try await place.command("check", "--json")
            #expect(check.exit == .status(0) && check.json["sound"] == true, "\(check)")
            let other = try await place.serve()
            let items = try await other.client(key).all("/v2/personas")
            #expect(items.count == 12)
            for item in items {
                for url in Ledger.urls(of: item) {
                    #expect(try await other.client().get(URLComponents(string: url)?.path ?? url).status == 200)
                }
            }
            #expect(try await other.stop() == .status(0))
        }
    }

    @Test("Without a place to go to, or a folder to come from, the command says what is missing")
    func misuse() async throws {
        try await Stage.run { stage in
            let nowhere = try await stage.bareCommand("copy", "--from", stage.data)
            #expect(nowhere.exit == .status(64) && nowhere.error.contains("--database and --media"), "\(nowhere)")
            #expect(!FileManager.default.fileExists(atPath: stage.data))
        }
        try await Place.run { place in
            let none = try await place.copy()
            #expect(none.exit == .status(69) && none.error.contains("there is no database in"), "\(none)")
            #expect(!FileManager.default.fileExists(atPath: place.stage.data))
        }
    }
}
