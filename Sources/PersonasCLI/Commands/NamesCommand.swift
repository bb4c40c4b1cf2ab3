import ArgumentParser
import Personas

/// `personas names`.
struct NamesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "names", abstract: "Names that no persona and no style may have.",
        subcommands: [Reserve.self, Release.self, List.self])

    struct Reserve: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "reserve", abstract: "Reserve names; prints all reserved ones.")
        @Argument(help: "Names, ignoring case") var names: [String]
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ReserveNames { ReserveNames(names) }
    }

    struct Release: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "release", abstract: "Release reserved names.")
        @Argument(help: "Names, ignoring case") var names: [String]
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ReleaseNames { ReleaseNames(names) }
    }

    struct List: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the reserved names.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListNames { ListNames() }
    }
}
