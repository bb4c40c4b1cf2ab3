import ArgumentParser

/// What `--help` says of a command. The library names all options in the line of its use, unless there are many: those that every command has are not
/// worth more than a word there, since each has a line of its own below.
enum HelpText {
    /// The options of all commands, as the library writes them one behind the other.
    private static let shared =
        " "
        + (SettingsList.all.filter { $0.group == .everyCommand }.compactMap { setting in
            setting.valueName.map { "[--\(setting.name) <\($0)>]" }
        } + ["[--config <FILE>]"]).joined(separator: " ")

    /// The whole text for a command.
    /// - Parameter columns: how long its lines may be; nil for as long as the terminal has them.
    static func of(_ command: any ParsableCommand.Type, columns: Int? = nil) -> String {
        shortened(PersonasCommand.helpMessage(for: command, columns: columns))
    }

    /// A text of the library's with short lines of use.
    static func shortened(_ text: String) -> String {
        text.replacing(shared + " [--json]", with: " [<options>]").replacing(shared, with: " [<options>]")
    }
}
