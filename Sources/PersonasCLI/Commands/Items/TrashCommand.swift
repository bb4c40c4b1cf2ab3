import ArgumentParser
import Personas

/// `personas trash`.
struct TrashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trash", abstract: "What clients have put into the trash, of all accounts.",
        discussion: """
            What is in the trash can be restored until its time is over, which is told with it; then it goes for good by itself. Its names are free \
            and its links are dead meanwhile, and its images stay on the disk.
            """,
        subcommands: [List.self, Restore.self, Purge.self])

    struct List: ContinuedCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List what is in the trash, the newest first, of all accounts or of one.",
            usage: "personas trash list [--account NAME] [--mode MODE] [<options>]",
            discussion: "When there is more than the limit, a note on standard error says how to go on.")
        @Option(help: ArgumentHelp("Only what is an account's", valueName: "NAME"), completion: Completions.accounts) var account: String?
        @Option(help: ArgumentHelp("Only personas, or only styles", valueName: "MODE")) var mode: Mode?
        @OptionGroup var part: ListPart<TrashPlace>
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var notFoundMessage: String? { account.map(AccountsCommand.missing) }

        func operation(after place: TrashPlace?, limit: Int) -> ListTrash {
            ListTrash(accountName: account, mode: mode, after: place, limit: limit)
        }
    }

    /// An item in the trash.
    struct TrashedID: ParsableArguments {
        @Argument(help: ArgumentHelp("The persona's or style's id, as `personas trash list` shows it", valueName: "ID"))
        var id: String

        var notFoundMessage: String { "there is no persona and no style \(id) in the trash" }
    }

    struct Restore: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "restore", abstract: "Take a persona or style out of the trash, as it was, under the links that it had.",
            usage: "personas trash restore ID [--name NAME] [--external-id ID] [<options>]")
        @OptionGroup var item: TrashedID
        @Option(help: ArgumentHelp("Another name, if its own is taken meanwhile", valueName: "NAME")) var name: String?
        @Option(
            name: .customLong("external-id"),
            help: ArgumentHelp("Another id of its owner's own, if that is taken meanwhile", valueName: "ID"))
        var externalID: String?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: RestoreTrashedItem { RestoreTrashedItem(id: item.id, name: name, externalID: externalID) }
        var notFoundMessage: String? { item.notFoundMessage }
    }

    struct Purge: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "purge", abstract: "Remove a persona or style from the trash for good. Its images go soon after.")
        @OptionGroup var item: TrashedID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: PurgeTrashedItem { PurgeTrashedItem(id: item.id) }
        var notFoundMessage: String? { item.notFoundMessage }
    }
}

extension TrashPlace: ExpressibleByArgument {}
