import Personas
import PersonasDB

/// What a command may do with a data folder, or a database, before it does what it is for.
enum FolderUse {
    /// There has to be a database. A mistyped folder must not pass for an empty one.
    case existing
    /// The same, and nothing is changed by the way: pending migrations stay so.
    case looking
    /// A database is made where there is none.
    case making
    /// As `making`, and what is pending is applied whatever the settings say, because that is what was asked for.
    case migrating

    /// Whether a database is made where there is none.
    var makesDatabases: Bool { self == .making || self == .migrating }

    /// Whether pending migrations may be applied.
    func mayMigrate(_ settings: Settings) -> Bool { self == .migrating || (self != .looking && settings.migrate) }

    /// Makes sure that there is a database, or that one may be made; before anything is.
    /// - Throws: `unavailable`.
    func requireDatabase(in directory: String, _ settings: Settings) throws(CommandFailure) {
        let folder = DataFolder(directory)
        // To begin anew beside them would make them orphans, which a check then offers to remove.
        if folder.hasLostDatabase {
            throw CommandFailure(
                .unavailable, "\(directory) holds images, but their database is gone; restore a backup, or give another folder")
        }
        guard !folder.hasDatabase else { return }
        if !makesDatabases {
            throw CommandFailure(.unavailable, "there is no database in \(directory) (give --data or PERSONAS_DATA)")
        }
        // An empty database would be left behind.
        guard mayMigrate(settings) else {
            throw CommandFailure(opening: directory, .schemaMismatch(.pending(migrations: Storage.migrationNames)))
        }
    }
}
