import ArgumentParser
import Personas

/// `personas accounts`.
struct AccountsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts", abstract: "Create, list, suspend, bound and delete accounts, which own personas, styles and keys.",
        subcommands: [
            Create.self, List.self, Show.self, Suspend.self, Resume.self, EnableAPI.self, DisableAPI.self, Quota.self, Delete.self,
        ])

    /// What to say of an account that does not exist, where a list is of it alone.
    static func missing(_ name: String) -> String { "there is no account \(name.debugDescription)" }

    /// A command about one account.
    struct AccountName: ParsableArguments {
        @Argument(help: ArgumentHelp("The account's name", valueName: "NAME"), completion: Completions.accounts)
        var name: String

        var notFoundMessage: String { AccountsCommand.missing(name) }
    }

    struct Create: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create an account. It has API access, and needs a key: `personas keys create`.")
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
        static let configuration = CommandConfiguration(
            commandName: "suspend", abstract: "Refuse every call of an account's keys (ACCOUNT_SUSPENDED), until `resume`.")
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
        static let configuration = CommandConfiguration(commandName: "enable-api", abstract: "Give API access back to an account.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetAPIAccess { SetAPIAccess(true, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct DisableAPI: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable-api", abstract: "Take API access from an account (API_ACCESS_NOT_ENABLED).")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetAPIAccess { SetAPIAccess(false, accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Quota: OperatorCommand {
        typealias Operation = ChangeQuota
        static let configuration = CommandConfiguration(
            commandName: "quota", abstract: "Bound what an account may have, or show it.",
            usage: "personas accounts quota NAME [--items N|none] [--bytes N|none] [<options>]",
            discussion: """
                Without options it shows what the account has and may have. What is beyond a quota is refused with QUOTA_EXCEEDED; everything else \
                goes on, and what is deleted gives room at once. A quota may be less than what is there, which takes nothing away.
                """)
        @OptionGroup var account: AccountName
        @Option(
            help: ArgumentHelp("Personas and styles together that the account may have; none for any number", valueName: "N|none"),
            transform: { try QuotaChange.Bound(items: $0) })
        var items: QuotaChange.Bound?
        @Option(
            help: ArgumentHelp(
                "Bytes of the images that all of them were created with, as in 500000, 500K (of 1,024), 20M or 2G; none for any number",
                valueName: "N|none"),
            transform: { try QuotaChange.Bound(bytes: $0) })
        var bytes: QuotaChange.Bound?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let change = QuotaChange(items: items, storedBytes: bytes)
            let report: QuotaReport
            do throws(CommandFailure) {
                report = try await client().perform(ChangeQuota(change, accountName: account.name))
            } catch {
                throw error.isNotFound ? error.saying(account.notFoundMessage) : error
            }
            try report.show(asJSON: output.isJSON)
            if !change.isEmpty { report.warnings.forEach(Output.note) }
        }
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
                throw ValidationError(
                    "This deletes the account \(account.name.debugDescription) with all its personas and styles for good; to do so, add --yes."
                )
            }
        }
    }
}
