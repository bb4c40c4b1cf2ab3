import ArgumentParser
import Personas

/// `personas keys`.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "API keys.", subcommands: [Create.self, List.self, Disable.self, Enable.self, Delete.self])

    /// A command about one key.
    struct KeyID: ParsableArguments {
        @Argument(help: "Id of the key, as `personas keys list` shows it")
        var id: String

        var notFoundMessage: String { "there is no key \(id)" }
    }

    struct Create: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Issue a key and print it, this once.")
        @Option(help: "Name of the account that the key acts for") var account: String
        @Option(help: "A note to tell the key apart") var label: String?
        @Option(help: ArgumentHelp("What the key may do: read, write, trainer", valueName: "LIST"), transform: Self.scopes)
        var scopes: Set<Scope> = APIKey.defaultScopes
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: CreateKey { CreateKey(accountName: account, label: label, scopes: scopes) }
        var notFoundMessage: String? { "there is no account \(account.debugDescription)" }

        @Sendable private static func scopes(_ text: String) throws -> Set<Scope> {
            Set(
                try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
                    guard let scope = Scope(rawValue: word.trimmingPrefix(while: \.isWhitespace).lowercased()) else {
                        throw ValidationError("A scope is one of \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")
                    }
                    return scope
                })
        }
    }

    struct List: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the keys, without their secrets.")
        @Option(help: "Only those of an account") var account: String?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListKeys { ListKeys(accountName: account) }
    }

    struct Disable: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "disable", abstract: "Refuse a key until it is enabled again.")
        @OptionGroup var key: KeyID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetKeyState { SetKeyState(.disabled, id: key.id) }
        var notFoundMessage: String? { key.notFoundMessage }
    }

    struct Enable: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "enable", abstract: "Accept a disabled key again.")
        @OptionGroup var key: KeyID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetKeyState { SetKeyState(.active, id: key.id) }
        var notFoundMessage: String? { key.notFoundMessage }
    }

    struct Delete: AdministrationCommand {
        static let configuration = CommandConfiguration(commandName: "delete", abstract: "Refuse a key for good.")
        @OptionGroup var key: KeyID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: SetKeyState { SetKeyState(.deleted, id: key.id) }
        var notFoundMessage: String? { key.notFoundMessage }
    }
}
