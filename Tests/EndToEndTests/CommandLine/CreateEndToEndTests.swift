import Foundation
import TestImages
import TestSupport
import Testing

/// `personas create`, with the built program, beside a server and without one.
@Suite("Creating on the command line", .timeLimit(.minutes(10)))
struct CreateEndToEndTests {
    private static let files = ["a.jpg", "b.png", "c.webp"]

    private func writeFiles(_ stage: Stage) throws {
        for (name, bytes) in [("a.jpg", Picture.jpeg), ("b.png", Picture.png()), ("c.webp", Picture.webp)] {
            try stage.write(bytes, to: name)
        }
    }

    private func create(
        _ stage: Stage, _ name: String, mode: String = "persona", account: String = "acme", files: [String] = files, _ more: String...
    ) async throws -> CommandResult {
        try await stage.command(["create", "--account", account, "--mode", mode, "--name", name] + more + files)
    }

    @Test("Beside a server an item is created and trained from files that the server may not read; --json prints what show does")
    func besideServer() async throws {
        try await Stage.run { stage in
            try writeFiles(stage)
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            let created = try await create(stage, " Creator  Studio ", "--instructions", "Smile", "--json")
            #expect(created.exit == .status(0) && created.error.isEmpty, "\(created)")
            let id = try #require(created.json["id"]?.string)
            #expect(created.json["status"] == "processing" && created.json["special_instructions"] == "Smile", "\(created)")
            #expect(created.json["name"] == "Creator Studio" && created.json["mode"] == "persona" && created.json["account"] == "acme")
            let item = try await client.trained(id)
            #expect(item["status"] == "completed" && item["special_instructions"] == "Smile")
            let urls = Ledger.urls(of: item)
            #expect(urls.count == 4)
            for url in urls { #expect(try await client.get(url).status == 200) }
            let shown = try await stage.command("show", id, "--json").json
            #expect(shown.names == created.json.names?.union(["job", "images", "trash"]))
            let table = try await create(stage, "Paper", mode: "style")
            #expect(table.exit == .status(0) && table.output.contains(/mode +style\n/) && table.error.isEmpty, "\(table)")
        }
    }

    @Test("The owner's own id and labels are stored as the API would, beside a server and without one", arguments: [true, false])
    func details(isServed: Bool) async throws {
        try await Stage.run { stage in
            try writeFiles(stage)
            let key = try await stage.key()
            let service = isServed ? try await stage.serve() : nil
            let more = ["--external-id", "shop-42", "--metadata", "team=a=b", "--metadata", "empty="]
            let created = try await stage.command(
                ["create", "--account", "acme", "--mode", "persona", "--name", "Ann", "--json"] + more + Self.files)
            #expect(created.json["external_id"] == "shop-42" && created.json["metadata"] == ["team": "a=b", "empty": ""], "\(created)")
            let taken = try await create(stage, "Bob", "--external-id", "shop-42")
            #expect(taken.exit == .status(1) && taken.error.contains("with this --external-id already exists"), "\(taken)")
            let running = if let service { service } else { try await stage.serve() }
            let id = try #require(created.json["id"]?.string)
            _ = try await running.client(key).trained(id)
            let item = try await running.client(key).get("/v2/personas/\(id)").json
            #expect(item["external_id"] == "shop-42" && item["metadata"] == ["team": "a=b", "empty": ""], "\(item)")
        }
    }

    @Test("Without a server the item waits, which is said, and is trained by the next one")
    func withoutServer() async throws {
        try await Stage.run { stage in
            try writeFiles(stage)
            let key = try await stage.key()
            let created = try await create(stage, "Ann", "--json")
            #expect(created.exit == .status(0) && created.json["status"] == "processing", "\(created)")
            #expect(created.error.contains("no server runs"), "\(created)")
            let id = try #require(created.json["id"]?.string)
            let shown = try await stage.command("show", id, "--json").json
            for name in try #require(created.json.names) { #expect(shown[name] == created.json[name], "\(name)") }
            let service = try await stage.serve()
            #expect(try await service.client(key).trained(id)["status"] == "completed")
            #expect(try await stage.command("check").exit == .status(0))
        }
    }

    @Test("Three images of the largest size cross to the server, and several such commands at once take no more of its memory than one")
    func largest() async throws {
        try await Stage.run { stage in
            for (number, image) in Picture.largest.enumerated() { try stage.write(image, to: "\(number).png") }
            try stage.write(Picture.largest[0] + [0], to: "larger.png")
            let service = try await stage.serve("--trainer", "worker")
            _ = try await stage.command("accounts", "create", "acme")
            let files = ["0.png", "1.png", "2.png"]
            let first = try await create(stage, "Zero", files: files)
            #expect(first.exit == .status(0), "\(first)")
            let one = try service.peakMemoryBytes()
            let results = try await withThrowingTaskGroup(of: CommandResult.self) { group in
                for number in 1...5 { group.addTask { try await create(stage, "Number \(number)", files: files) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for result in results { #expect(result.exit == .status(0), "\(result)") }
            // Each holds more than 100 MB while it is decoded and stored.
            #expect(try service.peakMemoryBytes() - one < 150_000_000)
            let refused = try await create(stage, "Large", files: ["0.png", "larger.png", "2.png"])
            #expect(refused.exit == .status(1), "\(refused)")
            #expect(refused.error == "personas: IMAGE_TOO_LARGE: larger.png is larger than 10485760 bytes\n")
        }
    }

    @Test("What is refused names the file, in the same words beside a server and without one, and leaves nothing behind")
    func refused() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            try writeFiles(stage)
            try stage.write(Array(Picture.png().dropLast(9)), to: "cut.png")
            try stage.write(Array("no image".utf8), to: "text.jpg")
            _ = try await stage.command("accounts", "create", "acme")
            #expect(try await stage.command("names", "reserve", "Boss").exit == .status(0))
            #expect(try await create(stage, "Ann").exit == .status(0))
            func named(_ files: String...) -> [String] { ["create", "--account", "acme", "--mode", "persona", "--name", "Bob"] + files }
            func arguments(_ name: String, account: String = "acme") -> [String] {
                ["create", "--account", account, "--mode", "persona", "--name", name] + Self.files
            }
            let table: [(Int32, [String], String)] = [
                (1, named("a.jpg", "cut.png", "c.webp"), "INVALID_IMAGE: cut.png is truncated"),
                (1, named("a.jpg", "b.png", "text.jpg"), "INVALID_IMAGE: text.jpg is not a JPEG, PNG, WebP or GIF image"),
                (
                    1, named("none.jpg", "b.png", "."),
                    "none.jpg cannot be read: No such file or directory; . cannot be read: Is a directory"
                ),
                (64, arguments("n@me"), "VALIDATION_ERROR: --name "), (1, arguments("boss"), "NAME_RESERVED"),
                (1, arguments("ANN"), "NAME_ALREADY_EXISTS"),
                (1, arguments("Bob", account: "nobody"), #"there is no account "nobody""#),
                (64, named("a.jpg", "b.png"), "3 image files, not from 2"),
                (64, named("a.jpg", "b.png", "c.webp", "a.jpg"), "3 image files, not from 4"), (64, named(), "FILE"),
                (64, ["create", "--account", "acme", "--mode", "cat", "--name", "Bob"] + Self.files, "cat"),
                (64, ["create", "--account", "acme", "--mode", "persona"] + Self.files, "name"),
            ]
            func run() async throws -> [String] {
                var errors: [String] = []
                for (code, arguments, words) in table {
                    let result = try await stage.command(arguments)
                    #expect(result.exit == .status(code) && result.output.isEmpty && result.error.contains(words), "\(result)")
                    errors.append(result.error)
                }
                return errors
            }
            let alone = try await run()
            let service = try await stage.serve("--trainer", "worker")
            #expect(try await run() == alone)
            #expect(try await stage.command("list", "--json").json.array?.count == 1)
            #expect(try await service.stop() == .status(0))
            #expect(try await stage.command("check").exit == .status(0))
        }
    }
}
