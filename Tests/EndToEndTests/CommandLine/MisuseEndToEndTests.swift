import Foundation
import TestImages
import TestSupport
import Testing

/// What a newcomer gets wrong, and what the command line says to it.
@Suite("Wrong use of the command line", .timeLimit(.minutes(10)))
struct MisuseEndToEndTests {
    /// Words of libraries that tell a person nothing.
    private static let foreignWords = [
        "The operation couldn", "The data couldn", "Error Domain", "NSCocoa", "NSPOSIX", "DecodingError", "dataCorrupted", "keyNotFound",
        "typeMismatch", "debugDescription", "Swift.", "NIO", "HTTPClientError", "SSLError", "IOError", "Optional(", "around character",
        "external_id", "special_instructions", "retry_after", "image_base64s",
    ]

    private static func expectPlain(_ result: CommandResult, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(result.output.isEmpty, "\(result)", sourceLocation: sourceLocation)
        for words in foreignWords { #expect(!result.error.contains(words), "\(result)", sourceLocation: sourceLocation) }
    }

    /// Arguments and what they have to be answered with, wherever they are found to be wrong.
    private static let misuses: [(arguments: [String], words: String)] = [
        (["acounts", "list"], "there is no command acounts; did you mean accounts?"),
        (["accounts", "lst"], "there is no command accounts lst; did you mean accounts list?"), (["keys"], "a command of keys is missing"),
        (["accounts", "list", "--jsno"], "Did you mean '--json'"),
        (["accounts", "create", String(repeating: "a", count: 101)], "NAME must be"),
        (["accounts", "show", ""], "NAME must be"),
        (["keys", "list", "--account", "\u{1B}"], "--account must not hold control characters"),
        (["keys", "create", "--account", "acme", "--label", ""], "--label must be"), (["keys", "show", "1"], "ID must be a UUID"),
        (["keys", "rotate", UUID().uuidString, "--overlap", "1000"], "from 0 to 720"),
        (["keys", "create", "--account", "acme", "--expires", "tomorrow"], "2027-01-31"),
        (["keys", "create", "--account", "acme", "--expires", "2020-01-01"], "--expires is in the past"),
        (["keys", "create", "--account", "acme", "--scopes", "fly"], "read, write, trainer, billing"),
        (["credits", "grant", "acme", "5", "--note", ""], "--note must have 1 to 200 characters"),
        (["credits", "balance", ""], "ACCOUNT must be"), (["credits", "entries", "acme", "--limit", "0"], "limit"),
        (["credits", "entries", "acme", "--cursor", "x"], "--cursor"),
        (["maintenance", "on", "--retry-after", "0"], "from 1 to 86400"),
        (["maintenance", "on", "--retry-after", "86401"], "from 1 to 86400"),
        (["names", "reserve", "n@me"], "\"n@me\": NAME may hold only"), (["show", "1"], "ID must be a UUID"),
        (create("--name", "n@me"), "--name may hold only"), (create("--name", "Ann", "--external-id", "a b"), "--external-id must be"),
        (create("--name", "Ann", "--metadata", "a b=c"), "--metadata must have keys"),
        (create("--name", "Ann", "--metadata", "a"), "KEY=VALUE"),
        (create("--name", "Ann", "--metadata", "a=1", "--metadata", "a=2"), "--metadata has a key twice: a"),
        (create("--name", "Ann", "--instructions", String(repeating: "a", count: 301)), "--instructions must be"),
        (["create", "--account", "acme", "--mode", "person", "--name", "Ann", "a.png"], "'persona' and 'style'"),
    ]

    private static func create(_ more: String...) -> [String] {
        ["create", "--account", "acme", "--mode", "persona", "a.png", "a.png", "a.png"] + more
    }

    @Test("A wrong argument is 64 wherever it is found, beside a server and without one, with words about the argument")
    func misuses() async throws {
        try await Stage.run { stage in
            try stage.write(Picture.png(), to: "a.png")
            try await stage.migrate()
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            var alone: [String] = []
            for (arguments, words) in Self.misuses {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(64) && result.error.hasPrefix("personas: ") && result.error.contains(words), "\(result)")
                Self.expectPlain(result)
                alone.append(result.error)
            }
            let service = try await stage.serve()
            for ((arguments, words), expected) in zip(Self.misuses, alone) {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(64) && result.error == expected, "\(result)")
                // For programs the same on one line, but for groups, which print nothing at all.
                guard arguments.count > 1 else { continue }
                let failure = try await stage.command(arguments + ["--json"])
                #expect(failure.exit == .status(64), "\(failure)")
                try Self.expectFailure(failure, "VALIDATION_ERROR", words)
            }
            #expect(try await service.stop() == .status(0))
        }
    }

    private static func expectFailure(_ result: CommandResult, _ code: String, _ words: String) throws {
        expectPlain(result)
        let lines = result.error.split(separator: "\n")
        let json = try JSONValue(parsing: (lines.last ?? "").utf8)
        #expect(json.names == ["error"] && json["error"]?.names == ["code", "message"], "\(result)")
        #expect(json["error"]?["code"]?.string == code && json["error"]?["message"]?.string?.contains(words) == true, "\(result)")
        #expect(lines.count == 1, "\(result)")
    }

    @Test("With --json every failure is one line of JSON on standard error, with the exit code that it has anyway")
    func failuresAsJSON() async throws {
        try await Stage.run { stage in
            try stage.write(Array("{\n\"port\":".utf8), to: "cut.json")
            try stage.write(Array("no image".utf8), to: "bad.png")
            try await stage.migrate()
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            let images = ["bad.png", "missing.png", "bad.png"]
            let table: [(Int32, [String], String, String)] = [
                (1, ["accounts", "create", "acme"], "CONFLICT", "an account named acme already exists"),
                (1, ["accounts", "show", "nobody"], "NOT_FOUND", "there is no account"),
                (1, ["show", UUID().uuidString], "NOT_FOUND", "there is no persona"),
                (
                    1, ["create", "--account", "acme", "--mode", "style", "--name", "Ink"] + images, "CONFLICT",
                    "missing.png cannot be read: No such"
                ),
                (
                    1, ["create", "--account", "acme", "--mode", "style", "--name", "Ink", "bad.png", "bad.png", "bad.png"],
                    "INVALID_IMAGE",
                    "bad.png is not"
                ),
                (1, ["restore", "missing"], "CONFLICT", "there is no folder"),
                (64, ["migrate", "stauts"], "VALIDATION_ERROR", "migrate status"),
                (78, ["accounts", "list", "--config", "cut.json"], "CONFIGURATION_ERROR", "cut.json is not a JSON object (line 2)"),
                (78, ["accounts", "list", "--config", "."], "CONFIGURATION_ERROR", "Is a directory"),
                (78, ["config", "--port", "70000"], "CONFIGURATION_ERROR", "port: must be a whole number from 0 to 65535 (from --port)"),
                (78, ["config", "--download-trust-roots", "bad.png"], "CONFIGURATION_ERROR", "which bad.png is not"),
            ]
            for (status, arguments, code, words) in table {
                let result = try await stage.command(arguments + ["--json"])
                #expect(result.exit == .status(status), "\(result)")
                try Self.expectFailure(result, code, words)
            }
            // What config takes, serve takes, and the other way round.
            for setting in [
                ["--download-trust-roots", "bad.png"], ["--port", "70000"], ["--lease-seconds", "0"], ["--public-url", "x"],
            ] {
                let (config, serve) = (try await stage.command(["config"] + setting), try await stage.command(["serve"] + setting))
                #expect(config.exit == .status(78) && serve.exit == .status(78) && config.error == serve.error, "\(config) \(serve)")
            }
        }
    }

    @Test("A group without its command is 64 with its help on standard error; asked for, help goes to standard output")
    func groups() async throws {
        try await Stage.run { stage in
            for group in [["accounts"], ["keys"], ["names"], ["maintenance"], []] {
                let result = try await stage.bareCommand(group)
                #expect(result.exit == .status(64) && result.output.isEmpty, "\(result)")
                #expect(result.error.hasPrefix("personas: a command") && result.error.contains("SUBCOMMANDS:"), "\(result)")
                let help = try await stage.bareCommand(group + ["--help"])
                #expect(help.exit == .status(0) && help.error.isEmpty && help.output.contains("SUBCOMMANDS:"), "\(help)")
            }
            let version = try await stage.bareCommand(["--version"])
            #expect(
                version.exit == .status(0) && version.output.wholeMatch(of: /personas [0-9]+\.[0-9]+\.[0-9]+( \([^)]+\))?\n/) != nil,
                "\(version)")
            #expect(!FileManager.default.fileExists(atPath: stage.data))
        }
    }

    @Test("A variable that is no setting is warned about once, by commands in a line and by a server in its log")
    func unknownVariables() async throws {
        try await Stage.run { stage in
            let environment = ["PERSONAS_PROT": "1", "PERSONAS_READERS": "2"]
            let warning = "PERSONAS_PROT is no setting, and changes nothing; did you mean PERSONAS_PORT?"
            for arguments in [["migrate"], ["accounts", "create", "acme"], ["config"]] {
                let result = try await stage.command(arguments, environment: environment)
                #expect(result.exit == .status(0) && result.error.components(separatedBy: warning).count == 2, "\(result)")
            }
            let service = try await stage.serve([], environment: environment)
            #expect(try await service.stop() == .status(0))
            let log = service.process.standardError
            #expect(log.components(separatedBy: warning).count == 2 && !log.contains("personas: PERSONAS_PROT"), "\(log)")
            // Where there is no log yet, because a setting is missing that may be the mistyped one.
            let worker = try await stage.bareCommand(["worker", "--key", "pkz_x"], environment: ["PERSONAS_SERVR": "http://127.0.0.1:1"])
            #expect(worker.exit == .status(78) && worker.error.contains("did you mean PERSONAS_SERVER?"), "\(worker)")
        }
    }

    @Test("Names are completed beside a server and without one; no folder is made, and no shell waits for a folder that nobody answers for")
    func completion() async throws {
        try await Stage.run { stage in
            func complete(_ data: String) async throws -> CommandResult {
                let line = [
                    "---completion", "keys", "create", "--", "--account", "5", "0", "personas", "keys", "create", "--data", data,
                    "--account", "",
                ]
                return try await stage.bareCommand(line)
            }
            let none = try await complete("data")
            #expect(none.exit == .status(0) && none.error.isEmpty && none.output.split(separator: "\n").isEmpty, "\(none)")
            #expect(!FileManager.default.fileExists(atPath: stage.data))
            try await stage.migrate()
            for name in ["acme", "globex"] { #expect(try await stage.command("accounts", "create", name).exit == .status(0)) }
            #expect(try await complete("data").output == "acme\nglobex\n")
            let service = try await stage.serve()
            #expect(try await complete("data").output == "acme\nglobex\n")
            #expect(try await service.stop() == .status(0))
            let descriptor = open(stage.data + "/personas.lock", O_RDWR | O_CLOEXEC)
            defer { close(descriptor) }
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            let held = try await complete("data")
            #expect(held.exit == .status(0) && held.error.isEmpty && held.output.split(separator: "\n").isEmpty, "\(held)")
        }
    }
}
