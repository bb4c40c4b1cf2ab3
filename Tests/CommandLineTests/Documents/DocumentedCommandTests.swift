import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import PersonasCLI

/// Every command that README.md and its kin name is one that the command line takes, flags and all.
@Suite("Commands in documents")
struct DocumentedCommandTests {
    static let documents = ["README.md", ".github/OPERATING.md", "db/README.md", "http/README.md"]

    /// The words of a command line, quotes taken away.
    private static func words(_ line: Substring) -> [String] {
        line.matches(of: /'([^']*)'|(\S+)/).map { String($0.output.1 ?? $0.output.2 ?? "") }
    }

    /// The commands of a document: in lines to type, and in code within sentences.
    private static func commands(in document: MarkdownDocument) -> [[String]] {
        let typed = document.blocks("sh").flatMap { $0.split(separator: "\n") }.compactMap { line in
            line.firstMatch(of: /(?:^|\s)personas ([a-z][^#&]*)/).map { $0.output.1 }
        }
        let named = document.lines.flatMap { line in
            line.matches(of: /`(?:PERSONAS_KEY=\S+ )?personas ([a-z][^`]*)`/).map { $0.output.1 }
        }
        return (typed + named).map { words($0).filter { $0 != "…" } }
    }

    @Test("Every one is taken", arguments: documents)
    func parsed(_ document: String) throws {
        let commands = Self.commands(in: try MarkdownDocument(document))
        #expect(!commands.isEmpty || document != "README.md")
        for words in commands {
            // What has subcommands or needs arguments may be named alone.
            if words.count == 1 || (words.count == 2 && !words[1].hasPrefix("-")) {
                let known = Self.known(words, in: PersonasCommand.self)
                #expect(known, "\(document): there is no personas \(words.joined(separator: " "))")
                continue
            }
            do {
                _ = try PersonasCommand.parseAsRoot(words)
            } catch {
                Issue.record("\(document): personas \(words.joined(separator: " ")): \(PersonasCommand.message(for: error))")
            }
        }
    }

    private static func known(_ words: [String], in command: any ParsableCommand.Type) -> Bool {
        guard let first = words.first else { return true }
        let subcommands = command.configuration.subcommands
        if subcommands.isEmpty { return true }
        guard let next = subcommands.first(where: { $0._commandName == first }) else { return false }
        return known(Array(words.dropFirst()), in: next)
    }

    @Test("Every flag that is a setting's is one", arguments: documents)
    func settings(_ document: String) throws {
        let names = Set(SettingsList.all.map(\.name))
        let text = try MarkdownDocument(document).lines.joined(separator: "\n")
        for match in text.matches(of: /`--(no-)?([a-z][a-z-]+)(?: [^`]*)?`/) {
            let name = String(match.output.2)
            // Flags of commands that a sentence is about are not the server's.
            let isOfCommand = ["demo", "json", "data", "config", "once", "force", "repair", "keep", "verify-only", "expires", "overlap"]
                .contains(name)
            #expect(isOfCommand || names.contains(name), "\(document): there is no setting --\(name)")
        }
    }
}
