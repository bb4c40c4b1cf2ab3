import ArgumentParser
import Personas

/// `personas accounts`.
struct AccountsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts", abstract: "Accounts. A new one has API access.",
        subcommands: [Create.self, List.self, Show.self, Suspend.self, Resume.self, EnableAPI.self, DisableAPI.self, Delete.self])

    /// What to say of an account that does not exist, where a list is of it alone.
    static func missing(_ name: String) -> String { "there is no account named \(name)" }

    /// A command about one account.
    struct AccountName: ParsableArguments {
        @Argument(help: "Name of the account")
        var name: String

        var notFoundMessage: String { "there is no account \(name.debugDescription)" }
    }

    struct Create: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Create an account.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: CreateAccount { CreateAccount(name: account.name) }
    }

    struct List: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the accounts.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListAccounts { ListAccounts() }
    }

    struct Show: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show an account.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ShowAccount { ShowAccount(name: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Suspend: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "suspend", abstract: "Refuse every call of an account's keys.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetSuspended { SetSuspended(true, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Resume: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "resume", abstract: "End an account's suspension.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetSuspended { SetSuspended(false, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct EnableAPI: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "enable-api", abstract: "Give an account API access.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetAPIAccess { SetAPIAccess(true, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct DisableAPI: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "disable-api", abstract: "Take API access from an account.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetAPIAccess { SetAPIAccess(false, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Delete: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Delete an account and everything it owns. Its keys are remembered and answer API_USER_NOT_FOUND.")
        @OptionGroup var account: AccountName
        @Flag(name: .customLong("yes"), help: "Delete without asking; there is no way back") var isConfirmed = false
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: DeleteAccount { DeleteAccount(name: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }

        func validate() throws {
            guard isConfirmed else {
                throw ValidationError("This deletes account \(account.name.debugDescription) with all its personas and styles: add --yes.")
            }
        }
    }
}
