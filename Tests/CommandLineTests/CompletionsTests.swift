import ArgumentParser
import Foundation
import Personas
import Testing

@testable import PersonasCLI

@Suite("Completion")
struct CompletionsTests {
    @Test("The folder is read from a line that is not written to its end, in each of its forms")
    func dataOptions() {
        for (line, options) in [
            (["personas", "keys", "create", "--account", ""], []), (["personas", "keys", "create", "--data", "d"], ["--data", "d"]),
            (["personas", "--data=d e", "--account"], ["--data", "d e"]), (["personas", "--data"], []), (["personas", "--data", ""], []),
            (["personas", "--config", "'a b'", "--data", #"a\ b"#], ["--data", "a b", "--config", "a b"]),
            (["personas", "--data", "~/d"], ["--data", NSHomeDirectory() + "/d"]),
        ] as [([String], [String])] {
            #expect(Completions.dataOptions(in: line) == options, "\(line)")
        }
    }

    @Test(
        "A shell is offered folders, files, the words of a choice, and the names among the data",
        arguments: [CompletionShell.bash, .zsh, .fish])
    func script(shell: CompletionShell) {
        let script = PersonasCommand.completionScript(for: shell)
        for word in TrainerChoice.allCases.map(\.rawValue) + LogFormat.allCases.map(\.rawValue) + ["notice", "persona", "style", "trainer"]
        {
            #expect(script.contains(word), "\(word)")
        }
        #expect(script.contains("---completion"))
    }

    @Test("Every option that takes a path completes one, and every choice its words")
    func settings() {
        for setting in SettingsList.all {
            let kind = "\(setting.completion)"
            switch setting.valueName {
            case "DIR": #expect(kind.contains("directory"), "\(setting.name)")
            case "FILE": #expect(kind.contains("file"), "\(setting.name)")
            case "WHO", "LEVEL", "FORM", "on|off": #expect(kind.contains("list"), "\(setting.name)")
            default: #expect(kind.contains("default"), "\(setting.name)")
            }
        }
    }
}
