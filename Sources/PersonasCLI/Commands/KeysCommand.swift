import ArgumentParser
import Personas

/// `personas keys`.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Issue, list, rotate and disable the API keys of accounts.",
        subcommands: [Create.self, List.self, Show.self, Rotate.self, Disable.self, Enable.self, Delete.self])

    /// A command about one key.
    struct KeyID: ParsableArguments {
        @Argument(help: ArgumentHelp("The key's id, as `personas keys list` shows it", valueName: "ID"))
        var id: String

        var notFoundMessage: String { "there is no key \(id)" }
    }

    struct Create: OperatorCommand {
        typealias Operation = PrepareKey

        static let furtherOperations: [any AdministrationOperation.Type] = [CreateKey.self]
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Issue a key and print it, this once.",
            usage: "personas keys create --account NAME [--label TEXT] [--scopes LIST] [<options>]",
            discussion: """
                The key alone goes to standard output, so that a script can keep it; one that cannot be printed is not issued:

                  KEY=$(personas keys create --account acme --label "web shop")
                  personas keys create --account acme --label "render farm" --scopes trainer
                  personas keys create --account acme --expires 2027-01-31
                """)
        @Option(
            help: ArgumentHelp("Name of the account that the key acts for", valueName: "NAME"), completion: Completions.accounts)
        var account: String
        @Option(help: ArgumentHelp("A note to tell the key apart", valueName: "TEXT")) var label: String?
        @Option(
            help: ArgumentHelp(
                "What the key may do: read, write, trainer, billing, separated by commas (default: read,write)", valueName: "LIST"),
            completion: Completions.scopes, transform: Self.scopes)
        var scopes: Set<Scope> = APIKey.defaultScopes
        @Option(
            help: ArgumentHelp(
                "From when on the key is refused: RFC 3339, such as 2027-01-31T18:00:00+01:00, or a date, which stands for 00:00 UTC",
                valueName: "DATE"),
            transform: Timestamp.argument)
        var expires: Timestamp?
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func validate() throws {
            if let expires, expires <= .now { throw ValidationError("--expires is in the past: \(expires.text).") }
        }

        func perform() async throws(CommandFailure) {
            try await client().withConnection { (connection) throws(CommandFailure) in
                let issued: IssuedKey
                do throws(CommandFailure) {
                    issued = try await connection.perform(
                        PrepareKey(accountName: account, label: label, scopes: scopes, expiresAt: expires))
                } catch {
                    throw error.isNotFound ? error.saying(AccountsCommand.missing(account)) : error
                }
                try await KeyDelivery(issued: issued, purpose: .issue).perform(asJSON: output.isJSON) { () throws(CommandFailure) in
                    _ = try await connection.perform(CreateKey(issued))
                }
            }
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
        @Option(help: ArgumentHelp("Only those of an account", valueName: "NAME"), completion: Completions.accounts) var account: String?
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

    struct Rotate: OperatorCommand {
        typealias Operation = PrepareRotation

        static let furtherOperations: [any AdministrationOperation.Type] = [RotateKey.self]
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Give a key a new secret and print it, this once.",
            discussion: """
                The id stays. The secret that the key had is good for the overlap; rotated again meanwhile, the key keeps the last two. A key that \
                is disabled or deleted, or has expired, is not rotated, nor is one whose new secret cannot be printed.
                """)
        @OptionGroup var key: KeyID
        @Option(
            help: ArgumentHelp(
                "Hours for which the previous secret stays good, up to \(KeyOverlap.hoursMax) (default: \(KeyOverlap.default.hours)); 0 ends it at once",
                valueName: "HOURS"),
            transform: NumberArgument.within(0...KeyOverlap.hoursMax))
        var overlap = KeyOverlap.default.hours
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            try await client().withConnection { (connection) throws(CommandFailure) in
                let rotation: PreparedRotation
                do throws(CommandFailure) {
                    rotation = try await connection.perform(PrepareRotation(id: key.id, overlapHours: overlap))
                } catch {
                    throw error.isNotFound ? error.saying(key.notFoundMessage) : error
                }
                let delivery = KeyDelivery(issued: rotation.issued, purpose: .rotation)
                try await delivery.perform(asJSON: output.isJSON) { () throws(CommandFailure) in
                    _ = try await connection.perform(RotateKey(rotation))
                }
            }
        }
    }

    struct Disable: AdministrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Refuse a key (API_KEY_INACTIVE) until it is enabled again.")
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
        static let configuration = CommandConfiguration(commandName: "delete", abstract: "Refuse a key (API_KEY_DELETED) for good.")
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
