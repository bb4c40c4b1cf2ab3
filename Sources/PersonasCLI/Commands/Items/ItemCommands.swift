import ArgumentParser
import Personas

/// A command about one stored item.
struct ItemID: ParsableArguments {
    @Argument(help: ArgumentHelp("The persona's or style's id, as `personas list` shows it", valueName: "ID"))
    var id: String

    var notFoundMessage: String { "there is no persona and no style \(id)" }
}

/// `personas list`.
struct ListCommand: ContinuedCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List personas and styles, the newest first, of all accounts or of one.",
        usage: "personas list [--account NAME] [--mode MODE] [--status STATUS] [--q TEXT] [<options>]",
        discussion: "When there is more than the limit, a note on standard error says how to go on.")
    @Option(help: ArgumentHelp("Only those of an account", valueName: "NAME"), completion: Completions.accounts) var account: String?
    @Option(help: ArgumentHelp("Only personas, or only styles", valueName: "MODE")) var mode: Mode?
    @Option(help: ArgumentHelp("Only those that stand so", valueName: "STATUS")) var status: Status?
    @Option(help: ArgumentHelp("Only those whose name holds a text, ignoring case", valueName: "TEXT")) var q: String?
    @OptionGroup var part: ListPart<ItemPlace>
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var notFoundMessage: String? { account.map(AccountsCommand.missing) }

    func operation(after place: ItemPlace?, limit: Int) -> ListItems {
        ListItems(accountName: account, mode: mode, status: status, search: q, after: place, limit: limit)
    }
}

extension Status: ExpressibleByArgument {}

extension ItemPlace: ExpressibleByArgument {}

/// `personas show`.
struct ShowCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a persona or style of any account, with its training job and its images.")
    @OptionGroup var item: ItemID
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: ShowItem { ShowItem(id: item.id) }
    var notFoundMessage: String? { item.notFoundMessage }
}

/// `personas cancel`.
struct CancelCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel the training of a persona or style of any account, which fails with CANCELLED.")
    @OptionGroup var item: ItemID
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: CancelItem { CancelItem(id: item.id) }
    var notFoundMessage: String? { item.notFoundMessage }
}

/// `personas retry`.
struct RetryCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Train a persona or style of any account anew that has failed, on the same images.")
    @OptionGroup var item: ItemID
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: RetryItem { RetryItem(id: item.id) }
    var notFoundMessage: String? { item.notFoundMessage }
}

/// `personas delete`.
struct DeleteCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a persona or style of any account. Its links are dead at once, its images go soon after.")
    @OptionGroup var item: ItemID
    @Flag(help: "Delete it while its training runs, too; the training ends with it") var force = false
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: DeleteItem { DeleteItem(id: item.id, isForced: force) }
    var notFoundMessage: String? { item.notFoundMessage }

    func reworded(_ failure: CommandFailure) -> CommandFailure {
        guard case .stillProcessing = failure.failure else { return failure }
        return failure.saying(failure.message + "; --force deletes it all the same and ends its training")
    }
}
