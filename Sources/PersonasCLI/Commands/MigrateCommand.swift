import ArgumentParser
import Personas

/// `personas migrate`.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "The schema of the database.", subcommands: [Up.self, Status.self, Verify.self],
        defaultSubcommand: Up.self)

    struct Up: MigrationCommand {
        static let configuration = CommandConfiguration(commandName: "up", abstract: "Apply pending migrations; prints all of them.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let before = try await migrations()
            // Opening applies what is pending. A server that runs has done so already, or it would not run.
            let after = try await client().withSession(isAskedToMigrate: true) { (perform) throws(CommandFailure) in
                try await perform(ListMigrations())
            }
            try after.show(asJSON: output.isJSON)
            let count = before.count { $0.state == .pending }
            Output.note(count == 0 ? "Nothing was pending." : count == 1 ? "1 migration applied." : "\(count) migrations applied.")
        }
    }

    struct Status: MigrationCommand {
        static let configuration = CommandConfiguration(commandName: "status", abstract: "List the migrations; changes nothing.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            try await migrations().show(asJSON: output.isJSON)
        }
    }

    struct Verify: MigrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check that applied migrations are those that this binary knows, unchanged.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let migrations = try await migrations()
            try migrations.show(asJSON: output.isJSON)
            for migration in migrations where migration.state == .changed || migration.state == .unknown {
                let reason = migration.state == .changed ? "was changed after it was applied" : "is unknown to this version"
                throw CommandFailure(.failed, "migration \(migration.name) \(reason)")
            }
        }
    }
}

/// A command about the migrations.
private protocol MigrationCommand: OperatorCommand where Operation == ListMigrations {}

extension MigrationCommand {
    /// The migrations as they stand; none is applied.
    fileprivate func migrations() async throws(CommandFailure) -> [MigrationReport] {
        try await client().withSession(migrating: false) { (perform) throws(CommandFailure) in try await perform(ListMigrations()) }
    }
}
