import ArgumentParser
import Personas

/// `personas webhooks`.
struct WebhooksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhooks", abstract: "See which addresses are told of events, and disable one.",
        subcommands: [List.self, Show.self, Disable.self, RotateSecretsKeyCommand.self])

    /// A command about one endpoint.
    struct WebhookID: ParsableArguments {
        @Argument(help: ArgumentHelp("The webhook's id, as `personas webhooks list` shows it", valueName: "ID"))
        var id: String

        var notFoundMessage: String { "there is no webhook \(id)" }
    }

    struct List: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the webhooks of all accounts, without their secrets.")
        @Option(help: ArgumentHelp("Only those of an account", valueName: "NAME"), completion: Completions.accounts) var account: String?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListWebhooks { ListWebhooks(accountName: account) }
        var notFoundMessage: String? { account.map(AccountsCommand.missing) }
    }

    struct Show: OperatorCommand {
        typealias Operation = ShowWebhook

        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a webhook, without its secret.")
        @OptionGroup var webhook: WebhookID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let report: WebhookReport
            do throws(CommandFailure) {
                report = try await client().perform(ShowWebhook(id: webhook.id))
            } catch {
                throw error.naming(webhook.notFoundMessage)
            }
            try WebhookDetailsTable(report: report).show(asJSON: output.isJSON)
        }
    }

    struct Disable: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Tell a webhook nothing any more until its owner enables it again.",
            discussion: "What waits for it is cancelled. Its account is told by an event, webhook.disabled, and sees the reason manual.")
        @OptionGroup var webhook: WebhookID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: DisableWebhook { DisableWebhook(id: webhook.id) }
        var notFoundMessage: String? { webhook.notFoundMessage }
    }

    struct RotateSecretsKeyCommand: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate-secrets-key", abstract: "Seal the secrets of all webhooks with a new key.",
            discussion: """
                Signatures stay what they are: what changes is the key with which the secrets are stored (--secrets-key-file). The file holds the old \
                key and the new one until all is sealed anew. What was cut short, the same command brings to its end. Backups from before keep their \
                own key.
                """)
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: RotateSecretsKey { RotateSecretsKey() }
    }
}
