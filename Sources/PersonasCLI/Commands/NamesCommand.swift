import ArgumentParser
import Personas

/// `personas names`.
struct NamesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "names", abstract: "Reserve names, which no new persona and no new style may then have.",
        subcommands: [Reserve.self, Release.self, List.self])

    struct Reserve: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "reserve", abstract: "Reserve names; prints which are new and which were reserved before.")
        @Argument(help: ArgumentHelp("The names, whatever the case of their letters", valueName: "NAME")) var names: [String]
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ReserveNames { ReserveNames(names) }
    }

    struct Release: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "release", abstract: "Release reserved names; prints which were released and which were not reserved.")
        @Argument(
            help: ArgumentHelp("The names, whatever the case of their letters", valueName: "NAME"), completion: Completions.reservedNames)
        var names: [String]
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
