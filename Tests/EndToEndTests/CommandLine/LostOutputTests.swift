import Foundation
import Testing

/// What cannot be written to standard output is no success.
@Suite("Output that is lost", .timeLimit(.minutes(10)))
struct LostOutputTests {
    private func run(_ stage: Stage, _ arguments: [String], shell: String) async throws -> CommandResult {
        let process = try stage.start(arguments, data: stage.data, launcher: ["/bin/bash", "-c", shell])
        return try await CommandResult(of: process, arguments)
    }

    @Test(
        "Every command whose output is lost ends with 1 and one line that says why",
        arguments: [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"), ("<&- >&-", "Bad file descriptor")])
    func full(_ redirection: String, _ reason: String) async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            let commands = [
                "accounts list", "accounts list --json", "names list", "maintenance status --json", "names release nobody",
                "migrate status",
                "accounts create globex", "check", "check --json", "config", "--help", "accounts --help", "--version", "seed",
            ]
            for command in commands {
                let arguments = command.split(separator: " ").map(String.init)
                let result: CommandResult
                let shell = #"exec "$0" "$@" \#(redirection)"#
                if command.contains("help") || command.contains("version") {
                    let process = try stage.start(arguments, data: nil, launcher: ["/bin/bash", "-c", shell])
                    result = try await CommandResult(of: process, arguments)
                } else {
                    result = try await run(stage, arguments, shell: shell)
                }
                #expect(result.exit == .status(1), "\(result)")
                let (beginning, end) = command.hasSuffix("--json") ? (#"{"error":{"code":""#, "\"}}\n") : ("personas: ", "\n")
                let error = result.error.replacing(stage.noServerNote, with: "")
                #expect(error.split(separator: "\n").count == 1 && error.hasPrefix(beginning), "\(result)")
                #expect(error.hasSuffix("the output could not be written: \(reason)\(end)"), "\(result)")
            }
            // The work is done all the same, and says so.
            #expect(try await stage.command("accounts", "show", "globex").exit == .status(0))
            let again = try await run(stage, ["accounts", "suspend", "globex"], shell: #"exec "$0" "$@" >/dev/full"#)
            #expect(
                again.error.replacing(stage.noServerNote, with: "")
                    == "personas: done, but the output could not be written: No space left on device\n")
            // What failed for another reason says that.
            let failed = try await run(stage, ["accounts", "create", "acme"], shell: #"exec "$0" "$@" >/dev/full"#)
            #expect(failed.error.contains("CONFLICT"), "\(failed)")
        }
    }

    @Test("No key is issued whose secret cannot be printed, and its maker is told")
    func secrets() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            #expect(try await stage.command("accounts", "create", "acme").exit == .status(0))
            for flags in [[], ["--json"]] {
                for redirection in [">/dev/full", ">&-"] {
                    let result = try await run(
                        stage, ["keys", "create", "--account", "acme"] + flags, shell: #"exec "$0" "$@" \#(redirection)"#)
                    #expect(result.exit == .status(1), "\(result)")
                    let beginning = flags.isEmpty ? "personas: " : #"{"error":{"code":"CONFLICT","message":""#
                    let end = flags.isEmpty ? "\n" : "\"}}\n"
                    #expect(result.error.hasPrefix(beginning) && result.error.hasSuffix(", so no key was issued\(end)"), "\(result)")
                    #expect(result.error.contains(/the secret could not be printed \([A-Z][a-z ]+\)/), "\(result)")
                }
            }
            #expect(try await stage.command("keys", "list", "--json").json == [])
        }
    }

    @Test("A reader that has seen enough ends a command without a word, as it does any other program")
    func goneReader() async throws {
        try await Stage.run { stage in
            let names = (0..<4_000).map { "Name \($0)" }
            let seed: JSONValue = ["reserved_names": .array(names.map { .string($0) })]
            #expect(try await stage.seed(seed).exit == .status(0))
            // More than a pipe holds, so that it is written to after its reader is gone.
            let first = try await run(stage, ["names", "list"], shell: #""$0" "$@" | head -n 1; echo "${PIPESTATUS[0]}""#)
            #expect(first.output == "NAME\n141\n" && first.error.isEmpty, "\(first)")
            let whole = try await run(stage, ["names", "list"], shell: #"set -o pipefail; "$0" "$@" | tail -n 1; echo "$?""#)
            #expect(whole.output.hasSuffix("\n0\n"), "\(whole)")
        }
    }

    @Test("What is meant for a closed standard error goes nowhere, least of all into the database")
    func closedError() async throws {
        try await Stage.run { stage in
            try await stage.migrate()
            for arguments in [["accounts", "create", "acme"], ["accounts", "create", "acme"], ["keys", "create", "--account", "acme"]] {
                _ = try await run(stage, arguments, shell: #"exec "$0" "$@" <&- >&- 2>&-"#)
            }
            let check = try await stage.command("check")
            #expect(check.exit == .status(0), "\(check)")
            #expect(try await stage.command("accounts", "list", "--json").json.array?.count == 1)
        }
    }
}
