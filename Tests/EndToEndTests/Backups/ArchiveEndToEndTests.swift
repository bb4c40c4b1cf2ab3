import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// Archives by the commands and by HTTP, against the executable.
@Suite("Archives end to end", .timeLimit(.minutes(10)))
struct ArchiveEndToEndTests {
    private static let tarType = [(name: "Content-Type", value: "application/x-tar")]

    private static func lines(_ answer: ClientAnswer) -> [JSONValue] {
        answer.text.split(separator: "\n").compactMap { try? JSONValue(parsing: $0.utf8) }
    }

    private static func names(_ client: Client) async throws -> [String] {
        var names: [String] = []
        var target: String? = "/v2/pikzonality?limit=100&sort=created_at"
        while let page = target {
            let answer = try await client.send(.GET, page)
            names += answer.json["data"]?.array?.compactMap { $0["name"]?.string } ?? []
            target = answer.json["next_cursor"]?.string.map { "/v2/pikzonality?limit=100&sort=created_at&cursor=\($0)" }
        }
        return names
    }

    @Test("The commands carry an account over, beside a server and without one, and say what did not come along")
    func commands() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            for account in ["two", "three"] { #expect(try await stage.command("accounts", "create", account).exit == .status(0)) }
            let alone = try await stage.command("export", "--account", "demo", "alone.tar", "--json")
            #expect(alone.exit == .status(0) && alone.error.isEmpty, "\(alone)")
            let bytes = try Data(contentsOf: URL(fileURLWithPath: stage.folder + "/alone.tar"))
            #expect(alone.json["bytes"]?.integer == bytes.count)
            let mode = try FileManager.default.attributesOfItem(atPath: stage.folder + "/alone.tar")[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let taken = try await stage.command("import", "--account", "two", "alone.tar")
            #expect(taken.exit == .status(0) && taken.output.contains("two      3      3        0        0"), "\(taken)")

            let service = try await stage.serve()
            let beside = try await stage.command("export", "--account", "two", "beside.tar")
            #expect(beside.exit == .status(0), "\(beside)")
            let other = try Data(contentsOf: URL(fileURLWithPath: stage.folder + "/beside.tar"))
            #expect(TarFile(parsing: Array(other)).shape == TarFile(parsing: Array(bytes)).shape)
            #expect(try await stage.command("import", "--account", "three", "--key", "k", "beside.tar").exit == .status(0))
            let again = try await stage.command("import", "--account", "three", "--key", "k", "beside.tar", "--json")
            #expect(again.exit == .status(0) && again.json["skipped"] == 3 && again.json["created"] == 0, "\(again)")
            let failed = try await stage.command("import", "--account", "three", "beside.tar")
            #expect(failed.exit == .status(1) && failed.output.contains("already exists"), "\(failed)")
            #expect(failed.error == "personas: 3 items of 3 could not be created\n")

            try stage.write(Array(bytes.dropLast(2_000)), to: "half.tar")
            try FileManager.default.createDirectory(atPath: stage.folder + "/folder", withIntermediateDirectories: false)
            let table: [([String], Int32, String)] = [
                (["import", "--account", "three", "half.tar"], 1, "the archive "),
                (["import", "--account", "three", "missing.tar"], 1, "missing.tar cannot be read"),
                (["import", "--account", "nobody", "beside.tar"], 1, "there is no account"),
                (["export", "--account", "nobody", "x.tar"], 1, "there is no account"),
                (["export", "--account", "two", "no/such/x.tar"], 1, "write no/such/x.tar: No such file"),
                (["export", "--account", "two", "folder"], 1, "write folder: Is a directory"),
                (["export", "--account", "two", "-", "--json"], 64, "--json"), (["export", "two.tar"], 64, "--account"),
            ]
            for (arguments, status, words) in table {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(status) && result.error.contains(words), "\(result)")
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: stage.folder).filter { $0.contains(".part") || $0 == "x.tar" } == [])
            let audit = try await stage.command("audit", "--json").json.array?.compactMap { $0["action"]?.string } ?? []
            #expect(audit.filter { $0 == "export" }.count == 2 && audit.filter { $0 == "import" }.count == 4)
            #expect(try await service.stop() == .status(0))
            #expect(try await stage.command("check").exit == .status(0))
        }
    }

    @Test("An export that meets damage says so beside a server as it does without one")
    func damaged() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            let media = stage.data + "/media"
            let image = try #require(
                try FileManager.default.subpathsOfDirectory(atPath: media).sorted().first { name in
                    (try? FileManager.default.attributesOfItem(atPath: "\(media)/\(name)")[.type] as? FileAttributeType) == .typeRegular
                })
            try FileManager.default.removeItem(atPath: "\(media)/\(image)")
            let alone = try await stage.command("export", "--account", "demo", "x.tar")
            #expect(alone.exit == .status(1) && alone.error.contains("the data folder is damaged"), "\(alone)")
            let service = try await stage.serve()
            let beside = try await stage.command("export", "--account", "demo", "x.tar")
            #expect(beside.exit == alone.exit && beside.error == alone.error, "\(beside)")
            #expect(!FileManager.default.fileExists(atPath: stage.folder + "/x.tar"))
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("An import whose server is killed in the middle goes on under its key, and nothing is there twice")
    func killed() async throws {
        let count = 1_000
        let archive = try TarFile.made(items: count) { number, item in
            (item["name"], item["status"]) = ("Item \(number)", number % 2 == 0 ? "completed" : "processing")
        }.bytes
        try await Stage.run { stage in
            let headers = Self.tarType + [(name: "Idempotency-Key", value: "move")]
            let key = try await stage.key()
            var done = 0
            for round in 1...3 {
                let service = try await stage.serve("--trainer", "worker")
                let client = service.client(key)
                let call = Task { try await client.send(.POST, "/v2/account/import", headers: headers, body: archive) }
                done = try await eventually("some items of round \(round)") {
                    let there = try await client.send(.GET, "/v2/me").json["counts"]?["items"]?.integer
                    return there.flatMap { $0 > done ? $0 : nil }
                }
                service.process.signal(SIGKILL)
                _ = try await service.process.exit(within: timeout)
                _ = try? await call.value
            }
            let service = try await stage.serve("--trainer", "worker")
            let client = service.client(key)
            let before = try await Self.names(client).count
            let answer = try await client.send(.POST, "/v2/account/import", headers: headers, body: archive, within: .seconds(120))
            let totals = try #require(Self.lines(answer).last?["totals"])
            #expect(totals["items"]?.integer == count)
            #expect(totals["failed"] == 0 && totals["skipped"]?.integer == before, "\(totals)")
            #expect(try await Self.names(client) == (0..<count).map { "Item \($0)" })
            #expect(Self.lines(answer).dropLast().compactMap { $0["id"]?.string }.count == count)
            #expect(try FileManager.default.contentsOfDirectory(atPath: stage.data + "/media/incoming").isEmpty)
            #expect(try await service.stop() == .status(0))
            let check = try await stage.command("check")
            #expect(check.exit == .status(0), "\(check)")
        }
    }

    @Test("An export beside deletions is an archive that imports as it is")
    func deletions() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve()
            let client = service.client(key)
            // Each item has images of its own.
            var ids: [String] = []
            for number in 0..<40 {
                let archive = try TarFile.made(images: (1...3).map { Picture.png(byteCount: 60_000, seed: 10 * number + $0) }) { _, item in
                    item["name"] = "Item \(number)"
                }
                let answer = try await client.send(.POST, "/v2/account/import", headers: Self.tarType, body: archive.bytes)
                ids += Self.lines(answer).compactMap { $0["id"]?.string }
            }
            #expect(ids.count == 40)
            let deletions = Task {
                for id in ids.reversed().enumerated().filter({ $0.offset % 2 == 0 }).map(\.element) {
                    _ = try await client.send(.DELETE, "/v2/personas/\(id)")
                }
            }
            var archives: [ClientAnswer] = []
            for _ in 0..<5 { archives.append(try await client.send(.GET, "/v2/account/export")) }
            try await deletions.value
            archives.append(try await client.send(.GET, "/v2/account/export"))
            // Whoever has one whole may ask for the next at once.
            #expect(archives.map(\.status) == Array(repeating: 200, count: archives.count))
            for (number, archive) in archives.enumerated() {
                let other = service.client(try await stage.key(account: "copy \(number)"))
                let answer = try await other.send(.POST, "/v2/account/import", headers: Self.tarType, body: archive.body)
                #expect(answer.status == 200 && Self.lines(answer).last?["totals"]?["failed"] == 0, "\(answer.text.suffix(300))")
            }
            #expect(TarFile(parsing: archives[5].body).content("items/000001.jsonl").count { $0 == 0x0A } == 20)
        }
    }
}
