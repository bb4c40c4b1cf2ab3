import ArgumentParser
import Personas
import TestSupport
import Testing

@testable import PersonasCLI

@Suite("Commands that there are not")
struct CommandPathTests {
    @Test(
        "are told with what was meant, and a group does not pass for a command",
        arguments: [
            ("acounts", "there is no command acounts; did you mean accounts?"), ("accounts lst", "did you mean accounts list?"),
            ("accounts crate x", "did you mean accounts create?"), ("key list", "did you mean keys?"), ("acc", "did you mean accounts?"),
            ("migrate stauts", "did you mean migrate status?"), ("reserve x", "did you mean names reserve?"),
            ("lsit", "did you mean list?"),
            ("frobnicate", "there is no command frobnicate"), ("help acounts", "did you mean accounts?"), ("", "a command is missing"),
            ("keys", "a command of keys is missing"), ("--data x accounts list", "before --data"),
            ("accounts --json", "a command of accounts is missing before --json"),
        ])
    func faults(line: String, message: String) throws {
        let fault = try #require(throws: CommandPath.Fault.self) { try CommandPath.check(line.split(separator: " ").map(String.init)) }
        #expect(fault.message.contains(message), "\(fault)")
        #expect(fault.help.contains("--help"), "\(fault)")
        if message.hasPrefix("there is") { #expect(fault.message.hasPrefix(message)) }
        if line == "frobnicate" { #expect(!fault.message.contains("did you mean")) }
    }

    @Test(
        "are none of those that there are",
        arguments: [
            "--help", "-h", "--version", "--generate-completion-script bash", "---completion keys list", "help", "help keys create",
            "keys --help",
            "keys create --account x", "migrate", "migrate --json", "migrate status", "serve --port 0", "accounts create", "seed keys",
            "help serve",
        ])
    func commands(line: String) {
        #expect(throws: Never.self) { try CommandPath.check(line.split(separator: " ").map(String.init)) }
    }

    @Test("are suggested for by nearness, which counts neighbours that changed places once")
    func nearness() {
        for (first, second, distance) in [
            ("", "", 0), ("a", "", 1), ("prot", "port", 1), ("list", "lits", 1), ("acounts", "accounts", 1), ("kitten", "sitting", 3),
        ] {
            #expect(Suggestion.distance(Array(first.utf8), Array(second.utf8)) == distance)
        }
        #expect(Suggestion.nearest(to: "x", among: ["list", "show"]) == nil)
        #expect(Suggestion.nearest(to: "", among: ["list"]) == nil)
        #expect(Suggestion.nearest(to: String(repeating: "a", count: 100_000), among: ["list"]) == nil)
    }

    /// Every command and group, with the words that lead to it.
    private static func commands(
        below type: any ParsableCommand.Type = PersonasCommand.self
    ) -> [(name: String, type: any ParsableCommand.Type)] {
        [(type._commandName, type)]
            + type.configuration.subcommands.flatMap { commands(below: $0) }.map { ("\(type._commandName) \($0.name)", $0.type) }
    }

    @Test("What --help says of each of those that there are fits 100 columns, and says something")
    func help() {
        #expect(Self.commands().count > 30)
        for (name, type) in Self.commands() {
            #expect(type.configuration.abstract.hasSuffix("."), "\(name)")
            for line in HelpText.of(type, columns: 100).split(separator: "\n") {
                #expect(TextWidth.columns(of: String(line)) <= 100, "\(name): \(line)")
            }
        }
    }
}
