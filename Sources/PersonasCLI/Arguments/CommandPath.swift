import ArgumentParser

/// The commands that arguments begin with, checked before the library parses the rest: it has no words of its own for a command that there is not,
/// and takes a group without its command for a question.
enum CommandPath {
    /// Why arguments lead to no command.
    struct Fault: Error, Equatable {
        /// The reason in words.
        let message: String
        /// What to show below it.
        let help: String
    }

    /// Options of the library's own, which any group answers.
    private static let ownOptions = ["-h", "--help", "--help-hidden", "--version", "--experimental-dump-help"]

    /// Checks the arguments of the program.
    /// - Throws: a `Fault` where they name no command.
    static func check(_ arguments: [String]) throws(Fault) {
        let isHelp = arguments.first == "help"
        var path: [any ParsableCommand.Type] = [PersonasCommand.self]
        for argument in isHelp ? arguments.dropFirst() : arguments[...] {
            guard let group = path.last, !group.configuration.subcommands.isEmpty else { return }
            guard !argument.hasPrefix("-") else { return try check(option: argument, of: path) }
            guard let command = group.configuration.subcommands.first(where: { $0._commandName == argument }) else {
                throw unknown(argument, in: path)
            }
            path.append(command)
        }
        guard let last = path.last, !isHelp, !last.configuration.subcommands.isEmpty, last.configuration.defaultSubcommand == nil else {
            return
        }
        let message = path.count == 1 ? "a command is missing" : "a command of \(names(path)) is missing"
        throw Fault(message: message, help: HelpText.of(last))
    }

    /// What stands where a command should, and begins as options do, belongs behind the command unless the library answers it here.
    private static func check(option: String, of path: [any ParsableCommand.Type]) throws(Fault) {
        guard let last = path.last, last.configuration.defaultSubcommand == nil, !ownOptions.contains(option),
            !["--generate-completion-script", "---completion"].contains(where: option.hasPrefix)
        else { return }
        guard path.count == 1 else {
            throw Fault(
                message: "a command of \(names(path)) is missing before \(option)", help: HelpText.of(last))
        }
        throw Fault(
            message: "a command is missing before \(option): options follow the whole command, as in personas accounts list --data DIR",
            help: reference(path))
    }

    private static func unknown(_ word: String, in path: [any ParsableCommand.Type]) -> Fault {
        let group = path.last ?? PersonasCommand.self
        let prefix = path.count > 1 ? names(path) + " " : ""
        let meant = Suggestion.nearest(to: word, among: group.configuration.subcommands.map { $0._commandName })
        let question = elsewhere(word) ?? meant.map { prefix + $0 }
        return Fault(
            message: "there is no command \(prefix)\(word)" + (question.map { "; did you mean \($0)?" } ?? ""), help: reference(path))
    }

    /// The one command of that name in a group of the program, written out, if there is but one: "names reserve".
    private static func elsewhere(_ word: String) -> String? {
        let found = PersonasCommand.configuration.subcommands.flatMap { group in
            group.configuration.subcommands.filter { $0._commandName == word }.map { "\(group._commandName) \($0._commandName)" }
        }
        return found.count == 1 ? found[0] : nil
    }

    private static func names(_ path: [any ParsableCommand.Type]) -> String {
        path.dropFirst().map { $0._commandName }.joined(separator: " ")
    }

    private static func reference(_ path: [any ParsableCommand.Type]) -> String {
        "  See '\(path.map { $0._commandName }.joined(separator: " ")) --help' for more information."
    }
}
