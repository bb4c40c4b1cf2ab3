import Foundation
import TestImages
import Testing

/// Commands that are pointed at the wrong folder, or at one without a server.
@Suite("The data folder of commands", .timeLimit(.minutes(5)))
struct DataFolderEndToEndTests {
    private static let commands: [[String]] = [
        ["accounts", "create", "a"], ["accounts", "list"], ["accounts", "show", "a"], ["accounts", "suspend", "a"],
        ["accounts", "delete", "a", "--yes"], ["keys", "create", "--account", "a"], ["keys", "list"], ["keys", "disable", "a"],
        ["names", "reserve", "a"], ["names", "list"], ["maintenance", "on"], ["maintenance", "status"],
        ["create", "--account", "a", "--mode", "persona", "--name", "n", "0.png", "1.png", "2.png"], ["list"], ["show", "a"],
        ["delete", "a"],
        ["backup", "backup"], ["check"], ["check", "--repair"], ["migrate", "status"], ["migrate", "verify"],
    ]

    @Test("Without a database every command but those that make one ends with 69, and makes nothing")
    func missing() async throws {
        try await Stage.run { stage in
            for (index, picture) in Picture.three(seed: 1).enumerated() { try stage.write(picture, to: "\(index).png") }
            func names() throws -> Set<String> {
                Set(try FileManager.default.subpathsOfDirectory(atPath: stage.folder).filter { !$0.hasPrefix(".output") })
            }
            let before = try names()
            for command in Self.commands {
                let result = try await stage.bareCommand(command)
                #expect(result.exit == .status(69) && result.output.isEmpty, "\(result)")
                #expect(result.error == "personas: there is no database in ./data (give --data or PERSONAS_DATA)\n", "\(result)")
            }
            #expect(try names() == before)
            try FileManager.default.createDirectory(atPath: stage.data, withIntermediateDirectories: false)
            for command in [["maintenance", "on"], ["migrate", "status"]] {
                #expect(try await stage.command(command).error.contains("there is no database in \(stage.data) "))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: stage.data).isEmpty, "of a folder that is somebody else's")
            let backup = try await stage.bareCommand("seed", "demo", "--data", "other")
            #expect(backup.exit == .status(0))
            #expect(try await stage.bareCommand("backup", "backup", "--data", "other").exit == .status(0))
            for (folder, command) in [("up", ["migrate", "up"]), ("seeded", ["seed"]), ("restored", ["restore", "backup"])] {
                let result = try await stage.bareCommand(command + ["--data", folder])
                #expect(result.exit == .status(0), "\(result)")
                #expect(try await stage.bareCommand("migrate", "verify", "--data", folder).exit == .status(0))
            }
        }
    }

    @Test("Looking at migrations changes nothing, whatever a killed server has left")
    func untouched() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            _ = try await stage.key()
            try await service.process.kill()
            try FileManager.default.removeItem(atPath: stage.data + "/personas.lock")
            func state() throws -> [String] {
                try FileManager.default.subpathsOfDirectory(atPath: stage.data).sorted().map { name in
                    let attributes = try FileManager.default.attributesOfItem(atPath: "\(stage.data)/\(name)")
                    return
                        "\(name) \(attributes[.modificationDate] ?? "") \(attributes[.size] ?? "") \(attributes[.posixPermissions] ?? "")"
                }
            }
            let before = try state()
            try #require(before.contains { $0.hasPrefix("personas.sqlite-wal") })
            for command in ["status", "verify"] { #expect(try await stage.command("migrate", command).exit == .status(0)) }
            #expect(try state() == before)
            #expect(try await stage.command("accounts", "list").output.contains("acme"))
        }
    }

    @Test("Whoever forbids migrations forbids them to every command, but for the one that is asked to apply them")
    func forbidden() async throws {
        try await Stage.run { stage in
            let forbids = ["PERSONAS_MIGRATE": "false"]
            try stage.write(Array(#"{"migrate": false}"#.utf8), to: "forbids.json")
            for command in [["serve", "--port", "0"], ["seed"]] {
                let result = try await stage.command(command, environment: forbids)
                #expect(result.exit == .status(69) && result.error.contains("v0001_initial"), "\(result)")
            }
            #expect(!FileManager.default.fileExists(atPath: stage.data))
            // An empty file is a database to which all migrations are still to come.
            try FileManager.default.createDirectory(
                atPath: stage.data, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            try stage.write([], to: "data/personas.sqlite")
            let refused = try await stage.command("serve", "--port", "0", environment: forbids)
            #expect(refused.exit == .status(69) && refused.error.contains("personas migrate up"))
            for command in [["accounts", "list"], ["maintenance", "on"], ["check"], ["seed"]] {
                for result in [
                    try await stage.command(command, environment: forbids),
                    try await stage.command(command + ["--config", "forbids.json"]),
                ] {
                    #expect(result.exit == .status(69) && result.output.isEmpty, "\(result)")
                    #expect(result.error == refused.error.split(separator: "\n").last.map { "\($0)\n" }, "\(result)")
                }
            }
            #expect(try await stage.command("migrate", "status").output.contains("pending"))
            let up = try await stage.command("migrate", "up", environment: forbids)
            #expect(up.exit == .status(0) && up.error.hasSuffix("migrations applied.\n"), "\(up)")
            #expect(try await stage.command("accounts", "list", environment: forbids).exit == .status(0))
            #expect(try await stage.command("migrate", "up", environment: forbids).error == "Nothing was pending.\n")
        }
    }

    @Test(
        "Images whose database is gone, or is empty, are not begun anew beside, where a check would offer to remove them",
        arguments: [true, false])
    func databaseGone(isEmpty: Bool) async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            for name in ["personas.sqlite", "personas.sqlite-wal", "personas.sqlite-shm"] { unlink("\(stage.data)/\(name)") }
            if isEmpty { try Data().write(to: URL(fileURLWithPath: stage.data + "/personas.sqlite")) }
            for arguments in [["check", "--repair"], ["list"], ["seed", "demo"], ["serve", "--port", "0"], ["migrate", "up"]] {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(69) && result.error.contains("their database is gone; restore a backup"), "\(result)")
            }
        }
    }

    @Test("A pipe in the place of a file is refused, and waited for by nobody")
    func pipes() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            #expect(try await stage.command("backup", "backup").exit == .status(0))
            #expect(mkfifo(stage.folder + "/pipe", 0o600) == 0)
            let create = ["create", "--account", "demo", "--mode", "style", "--name", "Pipe", "pipe", "pipe", "pipe"]
            for arguments in [create, ["seed", "pipe"]] {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(1) && result.error.contains("not a regular file"), "\(result)")
            }
            let media = stage.folder + "/backup/media"
            let names = try FileManager.default.subpathsOfDirectory(atPath: media)
            let image = try #require(names.first { $0.contains("/") })
            #expect(unlink("\(media)/\(image)") == 0 && mkfifo("\(media)/\(image)", 0o600) == 0)
            let verified = try await stage.command("restore", "backup", "--verify-only")
            #expect(verified.exit == .status(1) && verified.error.contains("not sound"), "\(verified)")
        }
    }

    @Test("Commands that aim at a running server say so where there is none, do it, and say nothing beside one")
    func noServer() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("migrate", "up").exit == .status(0))
            let key = try await stage.key()
            let aiming = [
                ["maintenance", "on", "--json"], ["maintenance", "off"], ["accounts", "suspend", "acme"], ["accounts", "resume", "acme"],
                ["accounts", "disable-api", "acme"], ["accounts", "enable-api", "acme"], ["keys", "disable", key.id],
                ["keys", "enable", key.id],
                ["names", "reserve", "taken"], ["names", "release", "taken"],
            ]
            for command in aiming {
                let result = try await stage.command(command)
                #expect(result.exit == .status(0) && result.error == stage.noServerNote && !result.output.isEmpty, "\(result)")
            }
            for command in [["accounts", "create", "other"], ["accounts", "list"], ["maintenance", "status"], ["names", "list"]] {
                #expect(try await stage.command(command).error.isEmpty, "\(command)")
            }
            _ = try await stage.serve()
            for command in aiming { #expect(try await !stage.command(command).error.contains("no server"), "\(command)") }
        }
    }
}
