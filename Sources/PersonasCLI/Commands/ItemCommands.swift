import ArgumentParser
import Personas

/// A command about one stored item.
struct ItemID: ParsableArguments {
    @Argument(help: ArgumentHelp("The persona's or style's id, as `personas list` shows it", valueName: "ID"))
    var id: String

    var notFoundMessage: String { "there is no persona and no style \(id)" }
}

/// `personas list`.
struct ListCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the newest personas and styles of all accounts.")
    @Option(help: "At most so many, up to \(Limits.administrationRowsMax)") var limit = 100
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: ListItems { ListItems(limit: limit) }

    func validate() throws {
        guard (1...Limits.administrationRowsMax).contains(limit) else {
            throw ValidationError("The limit is a number from 1 to \(Limits.administrationRowsMax).")
        }
    }
}

/// `personas show`.
struct ShowCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a persona or style of any account.")
    @OptionGroup var item: ItemID
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: ShowItem { ShowItem(id: item.id) }
    var notFoundMessage: String? { item.notFoundMessage }
}

/// `personas delete`.
struct DeleteCommand: AdministrationCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Delete a persona or style of any account.")
    @OptionGroup var item: ItemID
    @OptionGroup var data: DataOptions
    @OptionGroup var output: JSONOption
    var operation: DeleteItem { DeleteItem(id: item.id) }
    var notFoundMessage: String? { item.notFoundMessage }
}
