import ArgumentParser
import BuildVersion
import Personas

/// The command line of the service.
@main
struct PersonasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "personas",
        abstract: "Stores personas and styles: server, training worker and administration in one.",
        discussion: """
            Settings come from flags, then from PERSONAS_… environment variables, then from a JSON file (--config), then from defaults; \
            `personas config` shows them all. Administration works beside a running server. Exit codes: 0 done, 1 failed, 64 wrong usage, \
            69 database or server unavailable, 78 configuration.
            """,
        version: "personas \(BuildVersion.text)",
        subcommands: [
            ServeCommand.self, WorkerCommand.self, MigrateCommand.self, SeedCommand.self, AccountsCommand.self, KeysCommand.self,
            NamesCommand.self, MaintenanceCommand.self, StatusCommand.self, CreateCommand.self, ListCommand.self, ShowCommand.self,
            DeleteCommand.self,
            ConfigCommand.self, BackupCommand.self, RestoreCommand.self, CheckCommand.self,
        ])

    static var _errorPrefix: String { "personas: " }
}

/// A command that does something itself: failures end it with one line and its number.
protocol PersonasSubcommand: AsyncParsableCommand {
    /// Does what the command is for.
    func perform() async throws(CommandFailure)
}

extension PersonasSubcommand {
    static var _errorPrefix: String { "personas: " }

    /// Performs the command and reports its failure, if any.
    mutating func run() async throws {
        do throws(CommandFailure) {
            try await perform()
        } catch {
            Output.note(error.line)
            throw ExitCode(error.status.rawValue)
        }
    }

    /// Runs what throws a use case's failure.
    func reporting<Result>(_ body: () throws(Failure) -> Result) throws(CommandFailure) -> Result {
        do throws(Failure) {
            return try body()
        } catch {
            throw CommandFailure(error)
        }
    }
}
