import Foundation
import TestImages
import TestSupport
import Testing

/// What README.md has people type, typed: its lines are run by a shell against the service, and answered as it shows.
@Suite("The README's lines", .timeLimit(.minutes(10)))
struct ReadmeEndToEndTests {
    private let document: MarkdownDocument

    init() throws { document = try MarkdownDocument("README.md") }

    /// Runs lines in the folder of a stage, with the address of a service in the place of the README's, and returns what they print.
    private static func shell(_ lines: String, on stage: Stage, _ service: RunningService, key: String) async throws -> CommandResult {
        let script = lines.replacingOccurrences(of: "http://127.0.0.1:8080", with: service.address)
            .replacingOccurrences(of: "pkz_…", with: key)
        let process = try stage.start(program: "/bin/sh", ["-euc", script], environment: ["KEY": key])
        return try await CommandResult(of: process, ["sh", script])
    }

    /// Expects two documents to have the same members, and the same values but where the README cannot know them: ids, times, links.
    private static func expectSame(_ shown: JSONValue, _ answer: JSONValue, at place: String = "") {
        switch (shown, answer) {
        case (.object(let shownMembers), .object(let members)):
            #expect(shownMembers.keys.sorted() == members.keys.sorted(), "\(place)")
            for (name, value) in shownMembers { expectSame(value, members[name] ?? .null, at: "\(place).\(name)") }
        case (.array(let shownElements), .array(let elements)):
            #expect(shownElements.count == elements.count, "\(place)")
            for (index, (left, right)) in zip(shownElements, elements).enumerated() { expectSame(left, right, at: "\(place)[\(index)]") }
        case (.string(let shown), .string(let text)):
            let isKnown = !shown.contains("…") && !["id", "_at"].contains { place.hasSuffix($0) }
            #expect(isKnown ? shown == text : shown.isEmpty == text.isEmpty, "\(place): \(text)")
        default: #expect(shown == answer, "\(place)")
        }
    }

    @Test("The first screen: the demo prints a key, with which the next lines print what the README shows")
    func firstScreen() async throws {
        let (commands, shown) = (document.blocks("sh"), document.blocks("json"))
        #expect(commands[0].hasSuffix("personas serve --demo"))
        try await Stage.run { stage in
            let service = try await stage.serve("--demo")
            let key = try await eventually("the key of the demo") {
                service.process.standardOutput.firstMatch(of: /pkz_\w+/).map { String($0.output) }
            }
            let result = try await Self.shell(commands[1], on: stage, service, key: key)
            try #require(result.exit == .status(0), "\(result)")
            #expect(result.output.hasSuffix("}\n"), "and a prompt would begin a line")
            let example = shown[0].replacingOccurrences(of: "http://127.0.0.1:8080", with: service.address)
            Self.expectSame(try JSONValue(parsing: example.utf8), result.json)
        }
    }

    @Test("The create from three files makes an item")
    func create() async throws {
        let line = try #require(try document.section("Calls").blocks("sh").first)
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            for (name, image) in [("one.jpg", Picture.jpeg), ("two.png", Picture.png()), ("three.webp", Picture.webp)] {
                try stage.write(image, to: name)
            }
            let result = try await Self.shell(line, on: stage, service, key: key.secret)
            #expect(result.json["name"] == "Creator Studio" && result.output.hasSuffix("}\n"), "\(result)")
            #expect(try await service.client(key).trained(try #require(result.json["id"]?.string))["status"] == "completed")
        }
    }

    @Test("A worker that sends the bodies of the table is understood, and gets the job that is shown")
    func worker() async throws {
        let section = try document.section("Training")
        let calls = section.rows.map { (target: $0[0].replacingOccurrences(of: "`", with: ""), body: $0[1].dropFirst().dropLast()) }
        try #require(calls.map { String($0.target.split(separator: "/").last ?? "") } == ["lease", "heartbeat", "complete", "fail"])
        let shown = try JSONValue(parsing: try #require(section.blocks("json").first).utf8)
        try await Stage.run { stage in
            let service = try await stage.serve("--trainer", "worker")
            let client = service.client(try await stage.key())
            let trainer = service.client(try await stage.key(account: "trainers", scopes: "trainer"))
            var job = JSONValue.null
            func send(_ call: Int) async throws -> ClientAnswer {
                let target = calls[call].target.replacingOccurrences(of: "POST ", with: "")
                    .replacingOccurrences(of: "{job_id}", with: job["job_id"]?.string ?? "")
                guard case .object(var members) = try JSONValue(parsing: calls[call].body.utf8) else {
                    return try await trainer.get("/none")
                }
                if members["lease_token"] == "…" { members["lease_token"] = job["lease_token"] }
                if members["portrait_base64"] == "…" { members["portrait_base64"] = .string(Picture.base64(Picture.png(seed: 9))) }
                return try await trainer.post(target, .object(members))
            }
            for (name, end) in [("Creator Studio", 2), ("Weekend Duo", 3)] {
                let id = try await client.create(name: name).id
                let leased = try await send(0)
                try #require(leased.status == 200, "\(leased.text)")
                job = leased.json
                if end == 2 { Self.expectNames(shown, job) }
                let heard = try await send(1)
                #expect(heard.status == 200 && heard.json["cancelled"] == false, "\(heard.text)")
                #expect(try await client.get("/v2/personas/\(id)").json["progress"] == 40)
                let ended = try await send(end)
                #expect(ended.status == 200, "\(ended.text)")
                let late = try await send(end)
                #expect(late.status == 409 && late.code == "CONFLICT", "\(late.text)")
                let item = try await client.get("/v2/personas/\(id)").json
                #expect(item["status"] == (end == 2 ? "completed" : "processing"), "another worker gets the job")
            }
        }
    }

    @Test("Every metric is in the list of .github/OPERATING.md, and no other")
    func metrics() async throws {
        let rows = try MarkdownDocument(".github/OPERATING.md").section("Metrics").rows.filter {
            !$0[1].hasPrefix("with `--database` alone")
        }
        let listed = rows.flatMap { row in row[0].matches(of: /`(\w+)`/).map { String($0.output.1) } }
        // Every part of a service counts wherever it runs, but for the trainer at fal, and what servers of one database tell each other.
        try await FalStage.run { test in
            let client = test.client(try await test.serve())
            // Requests are counted from the first one on.
            #expect(try await client.get("/healthz").status == 200)
            let metrics = try Exposition(try await client.get("/metrics").text).types.keys
            #expect(listed.sorted() == metrics.sorted())
        }
    }

    /// Expects the members of objects, within one another, to have the same names.
    private static func expectNames(_ shown: JSONValue, _ answer: JSONValue) {
        #expect(shown.names == answer.names)
        guard case .object(let members) = shown else { return }
        for (name, value) in members where value.names != nil { expectNames(value, answer[name] ?? .null) }
    }
}
