import ArgumentParser
import Foundation

/// One call of the program: from its arguments to the number that it ends with.
struct Invocation {
    /// Without the name of the program.
    let arguments: [String]

    /// Whether the caller is a program, which is to read failures as well. Asked of the arguments themselves, because it holds for those, too, that
    /// cannot be parsed.
    private var isJSON: Bool { arguments.prefix { $0 != "--" }.contains("--json") }

    /// Does what the arguments ask for, and ends the process.
    func run() async -> Never {
        do {
            try CommandPath.check(arguments)
            var command = try PersonasCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            finish { $0.saying("done, but \($0.message)") }
        } catch let fault as CommandPath.Fault {
            end(CommandFailure(.usage, fault.message), help: fault.help)
        } catch let failure as CommandFailure {
            end(failure)
        } catch {
            // What parses arguments answers --help and --version in this way as well, which are results as any other.
            let status = PersonasCommand.exitCode(for: error)
            if status == .success {
                Output.text(HelpText.shortened(PersonasCommand.fullMessage(for: error)) + "\n")
                finish { $0 }
            }
            if isJSON, status == .validationFailure { end(CommandFailure(.usage, PersonasCommand.message(for: error))) }
            if status != .success {
                for line in HelpText.shortened(PersonasCommand.fullMessage(for: error)).split(separator: "\n") { Output.note(String(line)) }
                exit(status.rawValue)
            }
        }
        exit(EXIT_SUCCESS)
    }

    /// Makes sure that the result was taken; where it was lost, the call has failed.
    private func finish(_ words: (CommandFailure) -> CommandFailure) {
        do throws(CommandFailure) {
            try Output.finish()
        } catch {
            end(error == Output.readerGone ? error : words(error))
        }
    }

    private func end(_ failure: CommandFailure, help: String? = nil) -> Never {
        if failure == Output.readerGone { Output.endWithoutReader() }
        if isJSON {
            Output.log(failure.json + [UInt8(ascii: "\n")])
        } else {
            for line in failure.lines { Output.note(line) }
            for line in (help ?? "").split(separator: "\n", omittingEmptySubsequences: false) where help != nil {
                Output.note(String(line))
            }
        }
        exit(failure.status.rawValue)
    }
}
