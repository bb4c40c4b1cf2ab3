import ArgumentParser
import Personas

/// A command that has an operation carried out on the data.
///
/// Which one is part of its type, and a server takes what the commands below `PersonasCommand` declare: so no operation that a command can ask for
/// is unknown to a server of the same version.
protocol OperatorCommand: PersonasSubcommand {
    /// What it has carried out.
    associatedtype Operation: AdministrationOperation
    /// What else it asks for on its way, none by default.
    static var furtherOperations: [any AdministrationOperation.Type] { get }
    var data: DataOptions { get }
    var output: JSONOption { get }
}

extension OperatorCommand {
    static var furtherOperations: [any AdministrationOperation.Type] { [] }

    /// All that it may ask for.
    static var operations: [any AdministrationOperation.Type] { [Operation.self] + furtherOperations }
}

extension AdministrationRegistry {
    /// What the commands ask for.
    static let ofCommands = AdministrationRegistry(operations(of: PersonasCommand.self))

    private static func operations(of command: any ParsableCommand.Type) -> [any AdministrationOperation.Type] {
        ((command as? any OperatorCommand.Type)?.operations ?? [])
            + command.configuration.subcommands.flatMap(operations)
    }
}

/// A command that has one operation carried out and shows the reply.
protocol AdministrationCommand: OperatorCommand where Operation == Asked {
    /// The command's `Operation`, which the compiler takes from the type of `operation` only under a name of its own.
    associatedtype Asked: AdministrationOperation where Asked.Reply: Presentable
    /// What is asked for.
    var operation: Asked { get }
    /// What to say when what the command names does not exist.
    var notFoundMessage: String? { get }
    /// A failure in the words of the command, where it has better ones.
    func reworded(_ failure: CommandFailure) -> CommandFailure
}

extension AdministrationCommand {
    var notFoundMessage: String? { nil }

    func reworded(_ failure: CommandFailure) -> CommandFailure { failure }

    func perform() async throws(CommandFailure) {
        let reply: Operation.Reply
        do throws(CommandFailure) {
            reply = try await client().perform(operation)
        } catch {
            throw reworded(error.naming(notFoundMessage))
        }
        try reply.show(asJSON: output.isJSON)
    }
}

extension AdministrationCommand where Operation: PagedOperation, Operation.Row: TableRow {
    /// Shows all pages, each as it comes.
    func perform() async throws(CommandFailure) {
        var listing = Listing<Operation.Row>(isJSON: output.isJSON)
        let first = operation
        do throws(CommandFailure) {
            try await client().withSession { (perform) throws(CommandFailure) in
                var next: Operation? = first
                while let operation = next {
                    let page = try await perform(operation)
                    try listing.show(page)
                    next = operation.next(after: page)
                }
            }
        } catch {
            throw reworded(error.naming(notFoundMessage))
        }
        listing.end()
    }
}

/// Which part of a list is shown.
struct ListPart<Place: ExpressibleByArgument & Sendable>: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many, up to \(Limits.administrationRowsMax)", valueName: "COUNT")) var limit = 100
    @Option(help: ArgumentHelp("Go on where an earlier list ended, which said so", valueName: "PLACE")) var cursor: Place?

    func validate() throws {
        guard (1...Limits.administrationRowsMax).contains(limit) else {
            throw ValidationError("The limit is a number from 1 to \(Limits.administrationRowsMax).")
        }
    }
}

/// A command that shows some rows of a list, and says so where there are more.
protocol ContinuedCommand: OperatorCommand where Operation == Listed {
    /// The command's `Operation`, which the compiler takes from the type of `operation` only under a name of its own.
    associatedtype Listed: ContinuedOperation where Listed.Row: TableRow, Listed.Place: ExpressibleByArgument
    var part: ListPart<Listed.Place> { get }
    /// What is asked for first.
    func operation(after place: Listed.Place?, limit: Int) -> Listed
    /// What to say when what the command names does not exist.
    var notFoundMessage: String? { get }
}

extension ContinuedCommand {
    var notFoundMessage: String? { nil }

    func perform() async throws(CommandFailure) {
        var listing = Listing<Listed.Row>(isJSON: output.isJSON)
        let (first, limit) = (operation(after: part.cursor, limit: part.limit), part.limit)
        let rest: Listed.Place?
        do throws(CommandFailure) {
            rest = try await client().withSession { (perform) throws(CommandFailure) in
                var (page, shown) = (try await perform(first), 0)
                while true {
                    try listing.show(page.rows)
                    shown += page.rows.count
                    guard shown < limit, let place = page.next else { return page.next }
                    page = try await perform(first.continued(after: place, limit: limit - shown))
                }
            }
        } catch {
            throw error.naming(notFoundMessage)
        }
        listing.end()
        if let rest { Output.note("There is more: --cursor \(rest)") }
    }
}
