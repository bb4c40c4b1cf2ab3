import Foundation
import TestSupport
import Testing

/// `personas events`, with the built program.
@Suite("Events on the command line", .timeLimit(.minutes(5)))
struct EventsEndToEndTests {
    @Test("The same is listed beside a server and without one, in parts, and of some alone")
    func list() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve("--trainer", "worker")
            let id = try await service.client(key).create(name: "Nova").id
            _ = try await service.client(key).create("style", name: "Nova")
            _ = try await service.client(key).patch("/v2/personas/\(id)", ["name": "Vega"])
            let beside = try await stage.command("events", "--account", "acme", "--json")
            #expect(beside.exit == .status(0) && beside.error == "", "\(beside)")
            let events = beside.json.array ?? []
            #expect(events.map { $0["type"]?.string } == ["persona.created", "style.created", "persona.updated"])
            #expect(events[2]["changed"] == ["name"] && events[2]["name"]?.string == "Vega" && events[2]["item_id"]?.string == id)
            #expect(
                events[2].names == [
                    "cursor", "id", "sequence", "type", "timestamp", "item_id", "name", "status", "changed", "request_id",
                ])
            let part = try await stage.command("events", "--account", "acme", "--limit", "1")
            let more = try #require(part.error.firstMatch(of: /There is more: (--after) (\S+)\n/), "\(part)")
            #expect(part.output.contains("persona.created") && !part.output.contains("style"))
            let rest = try await stage.command("events", "--account", "acme", String(more.output.1), String(more.output.2), "--json")
            #expect(rest.json.array?.count == 2)
            for (flags, count) in [(["--type", "style.*"], 1), (["--item", id], 2), (["--type", "persona.completed"], 0)] {
                #expect(try await stage.command(["events", "--account", "acme", "--json"] + flags).json.array?.count == count, "\(flags)")
            }
            _ = try await service.stop()
            let alone = try await stage.command("events", "--account", "acme", "--json")
            #expect(alone.output == beside.output && alone.error == "")
            let following = try await stage.command(
                "events", "--account", "acme", "--follow", "--after", "0.\(cursorEnd(events))", "--json")
            #expect(following.output.split(separator: "\n").count == 3 && following.error.contains("no server runs"), "\(following)")
            for (arguments, status) in [
                (["--account", "nobody"], 1), (["--account", "acme", "--after", "x"], 64), (["--account", "acme", "--type", "x"], 64),
                (["--account", "acme", "--item", "x"], 64), (["--account", "acme", "--item", UUID().uuidString], 1),
                (["--account", "acme", "--limit", "0"], 64), ([], 64),
            ] as [([String], Int32)] {
                let result = try await stage.command(["events"] + arguments)
                #expect(result.exit == .status(status) && result.output == "", "\(result)")
            }
        }
    }

    private func cursorEnd(_ events: [JSONValue]) -> String {
        String(events.first?["cursor"]?.string?.split(separator: ".").last ?? "")
    }

    @Test("Followed, each comes on a line of its own, as it happens")
    func follow() async throws {
        try await Stage.run { stage in
            let key = try await stage.key()
            let service = try await stage.serve("--trainer", "worker")
            _ = try await service.client(key).create(name: "Before")
            let (lines, table) = (
                try stage.start(["events", "--account", "acme", "--follow", "--limit", "2", "--json"], data: stage.data),
                try stage.start(["events", "--account", "acme", "--follow"], data: stage.data)
            )
            // Whoever follows from now on has to be there before anything happens.
            var created = 0
            try await eventually("both follow", detail: { "\(lines.standardError) \(table.standardError)" }) {
                created += 1
                _ = try await service.client(key).create(name: "After \(created)")
                return lines.exit != nil && table.standardOutput.contains("After")
            }
            let events = try lines.standardOutput.split(separator: "\n").map { try JSONValue(parsing: $0.utf8) }
            #expect(lines.exit == .status(0) && events.count == 2 && events.allSatisfy { $0["type"]?.string == "persona.created" })
            #expect(!lines.standardOutput.contains("Before") && !table.standardOutput.contains("Before"))
            #expect(table.standardOutput.hasPrefix("CURSOR"))
            _ = try await service.stop()
            #expect(try await table.exit() == .status(69))
        }
    }
}
