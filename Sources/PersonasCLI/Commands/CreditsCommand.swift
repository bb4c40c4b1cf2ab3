import ArgumentParser
import Personas

/// `personas credits`.
struct CreditsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credits", abstract: "Give accounts credits, take some away, and see what became of them.",
        discussion: """
            Credits pay for trainings where the server runs with --credits on; --persona-price and --style-price say what one costs. Ledgers are \
            kept, and can be changed with these commands, wherever credits are off as well.
            """,
        subcommands: [Grant.self, Revoke.self, Balance.self, Entries.self, Resume.self])

    /// A command about the credits of an account.
    struct AccountName: ParsableArguments {
        @Argument(help: ArgumentHelp("The account's name", valueName: "ACCOUNT"), completion: Completions.accounts)
        var name: String

        var notFoundMessage: String { AccountsCommand.missing(name) }
    }

    /// How much, and why.
    struct Adjustment: ParsableArguments {
        @Argument(help: ArgumentHelp("How many credits, a whole number from 1 to \(CreditAmount.max)", valueName: "AMOUNT"))
        var amount: String
        @Option(
            help: ArgumentHelp(
                "What the account is to read beside the entry, at most \(CreditNote.charactersMax) characters", valueName: "TEXT"))
        var note: String?
    }

    struct Grant: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "grant", abstract: "Give an account credits.",
            usage: "personas credits grant ACCOUNT AMOUNT [--note TEXT] [<options>]",
            discussion: """
                It is told by an event, credits.granted. What is printed is the entry of its ledger. Every grant counts: where one ended without an answer, look \
                at `personas credits entries` before you repeat it.
                """)
        @OptionGroup var account: AccountName
        @OptionGroup var adjustment: Adjustment
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: AdjustCredits {
            AdjustCredits(.grant, accountName: account.name, amount: adjustment.amount, note: adjustment.note)
        }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Revoke: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Take credits away from an account, at most what it has.",
            usage: "personas credits revoke ACCOUNT AMOUNT [--note TEXT] [<options>]",
            discussion: "It is told by an event, credits.revoked. What is printed is the entry of its ledger.")
        @OptionGroup var account: AccountName
        @OptionGroup var adjustment: Adjustment
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: AdjustCredits {
            AdjustCredits(.revoke, accountName: account.name, amount: adjustment.amount, note: adjustment.note)
        }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Balance: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "balance", abstract: "Show how many credits an account has.")
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ShowCredits { ShowCredits(accountName: account.name) }
        var notFoundMessage: String? { account.notFoundMessage }
    }

    struct Entries: ContinuedCommand {
        static let configuration = CommandConfiguration(
            commandName: "entries", abstract: "List an account's ledger, the newest entries first.",
            usage: "personas credits entries ACCOUNT [--limit COUNT] [--cursor PLACE] [<options>]",
            discussion:
                "Entries are kept as long as their account. When there is more than the limit, a note on standard error says how to go on.")
        @OptionGroup var account: AccountName
        @OptionGroup var part: ListPart<CreditPlace>
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var notFoundMessage: String? { account.notFoundMessage }

        func operation(after place: CreditPlace?, limit: Int) -> ListCredits {
            ListCredits(accountName: account.name, after: place, limit: limit)
        }
    }

    struct Resume: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Have credits bought for an account again.",
            discussion: """
                Smart Balance pauses when the payment service says that nobody has paid; the event is smart_balance.paused. The next charge that \
                leaves fewer credits than its threshold then asks for a top-up again.
                """)
        @OptionGroup var account: AccountName
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ResumeSmartBalance { ResumeSmartBalance(accountName: account.name) }
        var notFoundMessage: String? { "there is no account \(account.name) with Smart Balance" }
    }
}

extension CreditPlace: ExpressibleByArgument {}
