import Foundation
import GRDB
import TestImages
import TestSupport
import Testing

/// What an operator sees at one look, and what monitoring is told of it.
@Suite("Status and alerts", .timeLimit(.minutes(5)))
struct StatusEndToEndTests {
    private static let members: Set = [
        "accounts", "data_folder", "database", "disk", "items", "last_backup", "maintenance", "migrations", "queue", "replicas", "server",
        "version",
    ]

    @Test("Beside a server and without one; before a backup and after it, and after a restore; 69 without a database, and nothing is made")
    func status() async throws {
        try await Stage.run { stage in
            for arguments in [["status"], ["status", "--json"]] {
                let missing = try await stage.command(arguments)
                #expect(missing.exit == .status(69) && missing.error.contains("there is no database") && missing.output.isEmpty)
            }
            #expect(!FileManager.default.fileExists(atPath: stage.data))
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            let alone = try await stage.command("status", "--json")
            #expect(alone.exit == .status(0) && alone.error.isEmpty, "\(alone)")
            #expect(alone.json.names == Self.members && alone.json["server"] == .null && alone.json["last_backup"] == .null)
            #expect(alone.json["items"]?["persona"]?["completed"] == 1 && alone.json["items"]?["style"]?["processing"] == 0)
            #expect(alone.json["database"] == .null && alone.json["replicas"] == .null, "a folder has neither")
            #expect(alone.json["data_folder"] == .string(stage.data) && alone.json["disk"]?["images"] == 9)

            let service = try await stage.serve("--trainer", "worker", "--public-url", "https://personas.example")
            let client = service.client(try await stage.key())
            _ = try await client.create(name: "Waiting", seed: 1)
            #expect(try await stage.command("backup", "backups", "--keep", "3").exit == .status(0))
            #expect(try await stage.command("maintenance", "on").exit == .status(0))
            let beside = try await stage.command("status", "--json").json
            #expect(beside.names == Self.members)
            #expect(beside["server"]?["address"] == .string(service.address))
            #expect(beside["server"]?["public_url"] == "https://personas.example")
            #expect(beside["server"]?["pid"] == .integer(Int(service.process.id)))
            #expect(beside["server"]?["version"] == beside["version"])
            #expect(beside["maintenance"]?["on"] == true && beside["queue"]?["jobs_queued"] == 1)
            #expect(beside["items"]?["persona"]?["processing"] == 1 && beside["accounts"] == 2)
            #expect(beside["last_backup"]?["present"] == true)
            let text = try await stage.command("status")
            #expect(text.output.hasPrefix("server       running for ") && text.output.contains("\nlast backup  20"), "\(text)")
            // The last may take two lines.
            #expect(text.output.split(separator: "\n").count >= 13)
            #expect(try await service.stop() == .status(0))
            // It survives the restart, and is none of what is restored.
            let again = try await stage.command("status", "--json").json
            #expect(again["last_backup"] == beside["last_backup"] && again["maintenance"]?["on"] == true)
            let backup = try #require(beside["last_backup"]?["directory"]?.string)
            #expect(try await stage.command("restore", backup, "--force").exit == .status(0))
            #expect(try await stage.command("status", "--json").json["last_backup"] == .null)
        }
    }

    @Test("Neither looked at nor changed is a database whose migrations are pending, or of a newer version")
    func otherVersions() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate").exit == .status(0))
            func change(_ sql: String) throws {
                let database = try DatabaseQueue(path: stage.data + "/personas.sqlite")
                try database.write { db in try db.execute(sql: sql) }
                try database.close()
            }
            try change("INSERT INTO migration (name, hash, applied_at) VALUES ('v9999_later', 'x', 0)")
            let newer = try await stage.command("status")
            #expect(newer.exit == .status(1) && newer.output.contains("of a newer version: v9999_later"), "\(newer)")
            #expect(newer.error.contains("belongs to a newer one"))
            try change("DELETE FROM migration WHERE name >= 'v0008'")
            let pending = try await stage.command("status", "--json")
            #expect(pending.exit == .status(0) && pending.json.names == Self.members, "\(pending)")
            #expect(pending.json["migrations"]?["pending"]?.array?.isEmpty == false && pending.json["items"] == .null)
            #expect(try await stage.command("migrate", "status").output.contains("pending"), "nothing was applied")
        }
    }

    @Test("promtool takes the sample alert rules, finds that they alert when they should, and every metric in them is told")
    func alerts() async throws {
        let samples = TestTools.tests + "/../http/samples"
        let promtool = try TestTools.path(of: "promtool")
        for arguments in [["check", "rules", samples + "/alerts.yaml"], ["test", "rules", samples + "/alerts.test.yaml"]] {
            let output = try Program.output(promtool, arguments)
            #expect(output.contains("SUCCESS") && !output.contains("FAILED"), "\(output)")
        }
        let rules = try String(contentsOfFile: samples + "/alerts.yaml", encoding: .utf8)
        let names = Set(rules.matches(of: /(?:personas|process)_[a-z_]+/).map { String($0.output) })
        let codes = rules.matches(of: /code=~?"([A-Z_|]+)"/).flatMap { $0.output.1.split(separator: "|") }.map(String.init)
        #expect(names.count > 10 && codes.count > 3, "they were found")
        try await Stage.run { stage in
            let service = try await stage.serve()
            _ = try await service.client().get("/v2/personas")
            let scrape = try Exposition(try await service.client().get("/metrics").text)
            for name in names { #expect(scrape.samples.contains { $0.name == name }, "\(name)") }
            for code in codes { #expect(scrape.value("personas_errors_total", ["code": code]) != nil, "\(code)") }
            #expect(scrape.sum("personas_build_info") == 1)
            #expect(scrape.value("personas_errors_total", ["code": "MISSING_API_KEY"]) == 1)
        }
    }
}
