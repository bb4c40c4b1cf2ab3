import ArgumentParser
import Personas

/// `personas migrate`.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "The schema of the database.", subcommands: [Up.self, Status.self, Verify.self],
        defaultSubcommand: Up.self)

    struct Up: PersonasSubcommand {
        static let configuration = CommandConfiguration(commandName: "up", abstract: "Apply pending migrations; prints all of them.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let settings = try reporting(data.settings)
            let before = try await MigrateCommand.migrations(settings)
            // Opening applies what is pending. A server that runs has done so already, or it would not run.
            let reply = try await AdministrationClient.perform(.listMigrations, settings)
            try Answer.show(reply, asJSON: output.isJSON)
            let count = before.count { $0.state == .pending }
            Output.note(count == 0 ? "Nothing was pending." : count == 1 ? "1 migration applied." : "\(count) migrations applied.")
        }
    }

    struct Status: PersonasSubcommand {
        static let configuration = CommandConfiguration(commandName: "status", abstract: "List the migrations; changes nothing.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let migrations = try await MigrateCommand.migrations(try reporting(data.settings))
            try Answer.show(.migrations(migrations), asJSON: output.isJSON)
        }
    }

    struct Verify: PersonasSubcommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check that applied migrations are those that this binary knows, unchanged.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let migrations = try await MigrateCommand.migrations(try reporting(data.settings))
            try Answer.show(.migrations(migrations), asJSON: output.isJSON)
            for migration in migrations where migration.state == .changed || migration.state == .unknown {
                let reason = migration.state == .changed ? "was changed after it was applied" : "is unknown to this version"
                throw CommandFailure(.failed, "migration \(migration.name) \(reason)")
            }
        }
    }

    /// The migrations as they stand.
    private static func migrations(_ settings: Settings) async throws(CommandFailure) -> [MigrationReport] {
        try await AdministrationClient.withSession(settings, migrating: false) { (session) throws(CommandFailure) in
            guard case .migrations(let migrations) = try await session.perform(.listMigrations) else { return [] }
            return migrations
        }
    }
}
