import ArgumentParser
import Personas

/// `personas keys`.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "API keys.",
        subcommands: [Create.self, List.self, Show.self, Rotate.self, Disable.self, Enable.self, Delete.self])

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
        @Option(
            help: ArgumentHelp(
                "From when on the key is refused: RFC 3339, such as 2027-01-31T18:00:00+01:00, or a date, which stands for 00:00 UTC",
                valueName: "DATE"),
            transform: Timestamp.argument)
        var expires: Timestamp?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: CreateKey { CreateKey(accountName: account, label: label, scopes: scopes, expiresAt: expires) }
        var notFoundMessage: String? { "there is no account \(account.debugDescription)" }

        func validate() throws {
            if let expires, expires <= .now { throw ValidationError("A key cannot expire in the past: \(expires.text).") }
        }

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
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the keys, without their secrets.",
            discussion: "The state tells whether a key works: that of its account counts, too.")
        @Option(help: "Only those of an account") var account: String?
        @Flag(help: "Also those that are deleted, or whose account is") var all = false
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: ListKeys { ListKeys(accountName: account, includesDeleted: all) }
        var notFoundMessage: String? { account.map(AccountsCommand.missing) }
    }

    struct Show: OperatorCommand {
        typealias Operation = ShowKey

        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a key, without its secret.",
            discussion: """
                When it was used last is known to the minute, and up to a minute late beside a running server. The same of the previous secret, \
                since the last rotation, tells whether it is still in use somewhere.
                """)
        @OptionGroup var key: KeyID
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let report: KeyReport
            do throws(CommandFailure) {
                report = try await client().perform(ShowKey(id: key.id))
            } catch {
                throw error.isNotFound ? error.saying(key.notFoundMessage) : error
            }
            try KeyDetails(report: report).show(asJSON: output.isJSON)
        }
    }

    struct Rotate: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Give a key a new secret and print it, this once.",
            discussion: """
                The id stays. The secret that the key had is good for the overlap; rotated again meanwhile, the key keeps the last two. A key that \
                is disabled or deleted, or has expired, is not rotated.
                """)
        @OptionGroup var key: KeyID
        @Option(
            help: ArgumentHelp(
                "Hours for which the previous secret stays good, up to \(KeyOverlap.hoursMax); 0 ends it at once", valueName: "HOURS"))
        var overlap = KeyOverlap.default.hours
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption
        var operation: RotateKey { RotateKey(id: key.id, overlapHours: overlap) }
        var notFoundMessage: String? { key.notFoundMessage }

        func validate() throws {
            guard (0...KeyOverlap.hoursMax).contains(overlap) else {
                throw ValidationError("The overlap is a number of hours from 0 to \(KeyOverlap.hoursMax).")
            }
        }
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

extension Timestamp {
    /// A moment as operators write it.
    @Sendable static func argument(_ text: String) throws -> Timestamp {
        guard let moment = Timestamp(text: text) else {
            throw ValidationError("A date is written as 2027-01-31 or, by RFC 3339, as 2027-01-31T18:00:00Z.")
        }
        return moment
    }
}
