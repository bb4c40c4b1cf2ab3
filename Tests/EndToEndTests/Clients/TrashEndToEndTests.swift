import Foundation
import Personas
import TestImages
import TestSupport
import Testing

/// Putting away and taking back with the built program, which is killed in the middle.
@Suite("The trash, end to end", .timeLimit(.minutes(10)))
struct TrashEndToEndTests {
    private static func media(_ item: JSONValue) throws -> [String] {
        try ([item["portrait_url"]] + (item["reference"]?.array ?? [])).map { try #require($0?.string) }
    }

    private static func bytes(_ links: [String], _ client: Client) async throws -> [[UInt8]] {
        var bytes: [[UInt8]] = []
        for link in links {
            let answer = try await client.get(link)
            try #require(answer.status == 200, "\(link): \(answer.status)")
            bytes.append(answer.body)
        }
        return bytes
    }

    /// The path of a link, because another process listens on another port.
    private static func paths(_ links: [String]) -> [String] { links.compactMap { URLComponents(string: $0)?.path } }

    @Test("What was put away, taken back or purged before a kill is so after it, with the same images under the same links")
    func kill() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            var service = try await stage.serve("--trash-days", "2")
            var client = service.client(key)
            var known: [(id: String, paths: [String], images: [[UInt8]])] = []
            for number in 0..<4 {
                let id = try await client.create(name: "Item \(number)", seed: number * 10).id
                let links = Self.paths(try Self.media(try await client.trained(id)))
                known.append((id, links, try await Self.bytes(links, client)))
            }
            func expect(_ number: Int, isThere: Bool, isInTrash: Bool) async throws {
                let (id, links, images) = known[number]
                #expect(try await client.get("/v2/personas/\(id)").status == (isThere ? 200 : 404), "\(number)")
                let trash = try await client.all("/v2/trash").compactMap { $0["id"]?.string }
                #expect(trash.contains(id) == isInTrash, "\(number)")
                if isThere {
                    #expect(try await Self.bytes(links, client) == images)
                } else {
                    for link in links { #expect(try await client.get(link).status == 404) }
                }
            }
            for round in 0..<3 {
                for number in 0..<3 { #expect(try await client.delete("/v2/personas/\(known[number].id)?to=trash").status == 200) }
                #expect(try await client.post("/v2/trash/\(known[1].id)/restore", [:]).status == 200)
                try await service.process.kill()
                service = try await stage.serve("--trash-days", "2")
                client = service.client(key)
                try await expect(0, isThere: false, isInTrash: true)
                try await expect(1, isThere: true, isInTrash: false)
                try await expect(3, isThere: true, isInTrash: false)
                // In the middle of all that comes at once.
                let (caller, paths) = (client, [0, 2].map { "/v2/trash/\(known[$0].id)/restore" })
                async let calls: Void = withTaskGroup { group in
                    for path in paths {
                        group.addTask { _ = try? await caller.post(path, [:]) }
                        group.addTask { _ = try? await caller.get("/v2/trash") }
                    }
                }
                if round == 1 { try await service.process.kill() }
                await calls
                if round == 1 {
                    service = try await stage.serve("--trash-days", "2")
                    client = service.client(key)
                }
                for number in [0, 2] {
                    let answer = try await client.post("/v2/trash/\(known[number].id)/restore", [:])
                    #expect([200, 404].contains(answer.status), "\(answer.text)")
                    try await expect(number, isThere: true, isInTrash: false)
                }
                let check = try await stage.command("check", "--json")
                #expect(check.exit == .status(0) && check.json["sound"] == true, "\(check)")
            }
            #expect(try await client.delete("/v2/personas/\(known[0].id)?to=trash").status == 200)
            #expect(try await client.delete("/v2/trash/\(known[0].id)").status == 200)
            try await service.process.kill()
            service = try await stage.serve()
            client = service.client(key)
            try await expect(0, isThere: false, isInTrash: false)
            let check = try await stage.command("check", "--json")
            #expect(check.json["sound"] == true, "\(check)")
        }
    }

    @Test(
        "A backup holds the trash, and operators list it, restore from it and purge it; the audit tells",
        .enabled(if: !SharedDatabase.isWanted, "A database is backed up by other programs"))
    func operators() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve()
            let client = service.client(key)
            let id = try await client.create(name: "Nova").id
            let links = Self.paths(try Self.media(try await client.trained(id)))
            let images = try await Self.bytes(links, client)
            #expect(try await client.delete("/v2/personas/\(id)?to=trash").status == 200)
            let backup = stage.folder + "/backup"
            #expect(try await stage.command("backup", backup).exit == .status(0))
            for arguments in [[], ["--account", "acme"], ["--mode", "persona", "--account", "acme"]] {
                let list = try await stage.command(["trash", "list", "--json"] + arguments)
                #expect(list.json.array?.map { $0["id"]?.string } == [id] && list.json.array?[0]["account"] == "acme", "\(list)")
            }
            #expect(try await stage.command("trash", "list", "--mode", "style", "--json").json == [])
            let unknown = try await stage.command("trash", "list", "--account", "nobody")
            #expect(unknown.exit == .status(1), "\(unknown)")
            let shown = try await stage.command("show", id, "--json")
            #expect(shown.json["trash"]?["purge_at"]?.string != nil && shown.json["job"]?["state"] == "completed", "\(shown)")
            #expect(try await stage.command("show", id).output.contains("IN THE TRASH SINCE"))
            let status = try await stage.command("status", "--json")
            #expect(status.json["items"]?["persona"]?["trash"] == 1, "\(status)")

            let taker = try await client.create(name: "Nova").id
            let taken = try await stage.command("trash", "restore", id)
            #expect(taken.exit == .status(1) && taken.error.contains("NAME_ALREADY_EXISTS"), "\(taken)")
            let restored = try await stage.command("trash", "restore", id, "--name", "Nova 2", "--external-id", "n-2")
            #expect(restored.exit == .status(0) && restored.output == "Persona restored\n", "\(restored)")
            #expect(try await Self.bytes(links, client) == images)
            #expect(try await client.get("/v2/personas/\(id)").json["external_id"] == "n-2")
            #expect(try await stage.command("show", id, "--json").json["trash"] == .null)
            _ = try await client.trained(taker)
            #expect(try await client.delete("/v2/personas/\(taker)?to=trash").status == 200)
            let purged = try await stage.command("trash", "purge", taker)
            #expect(purged.exit == .status(0) && purged.output == "Persona deleted\n", "\(purged)")
            let again = try await stage.command("trash", "purge", taker)
            #expect(again.exit == .status(1) && again.error.contains("in the trash"), "\(again)")
            let audit = try await stage.command("audit", "--json")
            #expect(
                audit.json.array?.compactMap { $0["action"]?.string }.prefix(2) == ["trash.purge", "trash.restore"], "\(audit)")
            _ = try await service.stop()

            #expect(try await stage.command("restore", backup, "--force").exit == .status(0))
            let second = try await stage.serve()
            let other = second.client(key)
            for link in links { #expect(try await other.get(link).status == 404) }
            #expect(try await other.post("/v2/trash/\(id)/restore", [:]).json["name"] == "Nova")
            #expect(try await Self.bytes(links, other) == images)
        }
    }
}
