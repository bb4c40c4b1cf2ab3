import ArgumentParser
import Personas

extension CreditsCommand {
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
