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
            NamesCommand.self, MaintenanceCommand.self, CreateCommand.self, ListCommand.self, ShowCommand.self, DeleteCommand.self,
            ConfigCommand.self, BackupCommand.self, RestoreCommand.self, CheckCommand.self,
        ])

    static var _errorPrefix: String { "personas: " }

    /// Parses and runs a command. What asks for help or the version is written as every result is, so that it is no success where it was lost.
    static func main() async {
        Output.prepare()
        do {
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand { return try await command.run() }
            try command.run()
        } catch {
            guard exitCode(for: error) == .success else { exit(withError: error) }
            Output.text(fullMessage(for: error) + "\n")
            do throws(CommandFailure) {
                try Output.finish()
            } catch {
                exit(withError: report(error))
            }
        }
    }

    /// Tells a failure, in one line or more.
    /// - Returns: the number that the process is to end with.
    static func report(_ failure: CommandFailure) -> ExitCode {
        if failure == Output.readerGone { Output.endWithoutReader() }
        for line in failure.lines { Output.note(line) }
        return ExitCode(failure.status.rawValue)
    }
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
            throw PersonasCommand.report(error)
        }
        do throws(CommandFailure) {
            try Output.finish()
        } catch {
            throw PersonasCommand.report(error == Output.readerGone ? error : error.saying("done, but \(error.message)"))
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
