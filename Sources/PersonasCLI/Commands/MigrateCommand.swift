import ArgumentParser
import Personas
import PersonasDB

/// `personas migrate`.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Bring the database to the schema of this version, or look how it stands.",
        subcommands: [Up.self, Status.self, Verify.self],
        defaultSubcommand: Up.self)

    struct Up: MigrationCommand {
        static let configuration = CommandConfiguration(commandName: "up", abstract: "Apply pending migrations; prints all of them.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let client = try client()
            let before = try await isNew() ? [] : client.migrations()
            // Opening applies what is pending. A server that runs has done so already, or it would not run.
            let after = try await client.withSession(.migrating) { (perform) throws(CommandFailure) in try await perform(ListMigrations()) }
            try after.show(asJSON: output.isJSON)
            let count = after.count { $0.state == .applied } - before.count { $0.state == .applied }
            Output.note(count == 0 ? "Nothing was pending." : count == 1 ? "1 migration applied." : "\(count) migrations applied.")
        }

        /// Whether there is no database yet that could be asked.
        private func isNew() throws(CommandFailure) -> Bool {
            guard case .folder(let directory) = try StorePlace.of(try reporting(data.settings)) else { return false }
            return !DataFolder(directory).hasDatabase
        }
    }

    struct Status: MigrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "List the migrations; changes nothing, whatever the data folder is.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            try await client().migrations().show(asJSON: output.isJSON)
        }
    }

    struct Verify: MigrationCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Check that applied migrations are those that this binary knows, unchanged.")
        @OptionGroup var data: DataOptions
        @OptionGroup var output: JSONOption

        func perform() async throws(CommandFailure) {
            let migrations = try await client().migrations()
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
