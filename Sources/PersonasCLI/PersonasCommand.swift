import ArgumentParser
import BuildVersion
import Foundation
import Personas

/// The command line of the service.
@main
struct PersonasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "personas",
        abstract: "Stores personas and styles: server, training worker and administration in one.",
        discussion: """
            To have a look:   personas serve --demo
            To begin:         personas migrate up
                              personas accounts create acme
                              personas keys create --account acme
                              personas serve

            Every command works on the data folder (--data, ./data by default), beside a running server or without one. Settings come from \
            flags, then from PERSONAS_… environment variables, then from a JSON file (--config), then from defaults; `personas config` shows \
            them all. With --json a result is one JSON document on standard output, and a failure is {"error":{"code","message"}} on one line \
            of standard error; other lines there are for people.

            Exit codes: 0 done, 1 failed, 64 wrong usage, 69 database or server unavailable, 78 configuration.
            """,
        version: "personas \(BuildVersion.text)",
        subcommands: [
            ServeCommand.self, WorkerCommand.self, MigrateCommand.self, SeedCommand.self, AccountsCommand.self, CreditsCommand.self,
            KeysCommand.self, NamesCommand.self, TermsCommand.self, MaintenanceCommand.self, StatusCommand.self, AuditCommand.self,
            CreateCommand.self,
            ListCommand.self, ShowCommand.self, CancelCommand.self, RetryCommand.self, DeleteCommand.self, TrashCommand.self,
            EventsCommand.self, WebhooksCommand.self, ExportCommand.self, ImportCommand.self,
            ConfigCommand.self, BackupCommand.self, RestoreCommand.self, CheckCommand.self, CopyCommand.self,
        ])

    static var _errorPrefix: String { "personas: " }

    /// The program.
    static func main() async {
        // Before anything is waited for, because whoever does opens files for it.
        Output.prepare()
        await Invocation(arguments: Array(CommandLine.arguments.dropFirst())).run()
    }
}

/// A command that does something itself: failures end it with one line and its number.
protocol PersonasSubcommand: AsyncParsableCommand {
    /// Whether it logs, and warns there rather than in plain lines.
    static var hasLog: Bool { get }

    /// Does what the command is for.
    func perform() async throws(CommandFailure)
}

extension PersonasSubcommand {
    static var _errorPrefix: String { "personas: " }

    static var hasLog: Bool { false }

    /// Performs the command; its failure is reported by `Invocation`.
    mutating func run() async throws {
        if !Self.hasLog { warn() }
        do throws(CommandFailure) {
            try await perform()
        } catch {
            // A setting that is missing may well be one whose variable is mistyped, and there is no log yet.
            if Self.hasLog, error.status == .configuration { warn() }
            throw error
        }
    }

    private func warn() {
        for variable in UnknownVariables.found(in: ProcessInfo.processInfo.environment) { Output.note("personas: " + variable.line) }
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
