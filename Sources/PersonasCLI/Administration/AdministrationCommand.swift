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
}

extension AdministrationCommand {
    var notFoundMessage: String? { nil }

    func perform() async throws(CommandFailure) {
        let reply: Operation.Reply
        do throws(CommandFailure) {
            reply = try await client().perform(operation)
        } catch {
            throw error.isNotFound ? notFoundMessage.map(error.saying) ?? error : error
        }
        try reply.show(asJSON: output.isJSON)
    }
}

extension AdministrationCommand where Operation: PagedOperation, Operation.Row: TableRow {
    /// Shows all pages, each as it comes.
    func perform() async throws(CommandFailure) {
        var listing = Listing<Operation.Row>(isJSON: output.isJSON)
        let first = operation
        try await client().withSession { (perform) throws(CommandFailure) in
            var next: Operation? = first
            while let operation = next {
                let page = try await perform(operation)
                try listing.show(page)
                next = operation.next(after: page)
            }
        }
        listing.end()
    }
}
