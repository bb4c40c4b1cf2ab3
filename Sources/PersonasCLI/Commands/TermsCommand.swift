import ArgumentParser
import Personas

/// `personas terms`.
struct TermsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terms", abstract: "Words that no name and no special instructions may hold.",
        discussion: """
            A term is found as whole words, ignoring case and how much white space parts them: neither a letter nor a digit stands beside it. \
            Changes count at once; personas and styles that hold a term already stay as they are.
            """,
        subcommands: [List.self, Block.self, Release.self])

    struct List: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the blocked terms.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListTerms { ListTerms() }
    }

    /// The terms of a command.
    struct Terms: ParsableArguments {
        @Argument(help: ArgumentHelp("A word, or several in quotes, of \(Limits.termCharactersMax) characters at most", valueName: "TERM"))
        var terms: [String]

        func validate() throws {
            for term in terms {
                do throws(Violation) {
                    _ = try BlockedTerm(term)
                } catch {
                    throw ValidationError(error.quoting(term).message(naming: \.commandName))
                }
            }
        }
    }

    struct Block: OperatorCommand {
        typealias Operation = BlockTerms

        static let configuration = CommandConfiguration(commandName: "block", abstract: "Block terms; prints those that were not blocked.")
        @OptionGroup var terms: Terms
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            try await client().perform(BlockTerms(terms.terms)).show(asJSON: output.isJSON, rest: "was blocked already")
        }
    }

    struct Release: OperatorCommand {
        typealias Operation = ReleaseTerms

        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Release blocked terms; prints those that were blocked.")
        @OptionGroup var terms: Terms
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            try await client().perform(ReleaseTerms(terms.terms)).show(asJSON: output.isJSON, rest: "is not blocked")
        }
    }
}

extension TermChange {
    /// Writes what changed to standard output, and what was so already to standard error.
    /// - Parameter words: what is said of the latter.
    fileprivate func show(asJSON isJSON: Bool, rest words: String) throws(CommandFailure) {
        try changed.show(asJSON: isJSON)
        for term in unchanged { Output.note("\(term.term.debugDescription) \(words)") }
    }
}
