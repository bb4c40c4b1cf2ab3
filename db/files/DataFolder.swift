import Foundation
import Personas

/// Where everything lies in a data folder: the one place that knows the names. A backup, and what a restore builds, have their database and
/// images in the same places.
package struct DataFolder: Sendable {
    /// The name of the database's file.
    static let databaseName = "personas.sqlite"
    /// The name of the folder of images.
    static let mediaName = "media"
    /// The file that is locked; see `DataFolderLock`.
    static let lockName = "personas.lock"
    /// The name of the socket at which a running server takes what operators ask for.
    package static let socketName = "admin.sock"
    /// The name of the file with the demo's key.
    private static let demoKeyName = "demo.key"
    /// The name of the file that says which life of a database has had the demo.
    private static let demoLoadedName = "demo.loaded"
    /// The name of the file with the key for secrets.
    static let secretsKeyName = "secrets.key"
    private static let lastBackupName = "last-backup.json"
    /// The name of the file that says whether the folder was moved to a database; see `FolderMove`.
    static let moveName = "move.json"
    private static let restoreIncompleteName = "restore.incomplete"
    private static let restoreCompleteName = "restore.complete"

    /// What a folder of ours may hold before it has a database.
    static let namesWithoutDatabase = namesOfNoWorth.union([mediaName, restoreIncompleteName, restoreCompleteName])
    /// What remains in a folder that nothing is stored in: a socket is what a killed server leaves, a key is good for nothing without the database
    /// that knows it or of what it has sealed, and what is remembered of a backup is of that database.
    static let namesOfNoWorth: Set<String> = [
        lockName, socketName, lastBackupName, demoKeyName, SecretFile.incompleteName(demoKeyName), demoLoadedName,
        SecretFile.incompleteName(demoLoadedName), secretsKeyName, SecretFile.incompleteName(secretsKeyName), moveName,
        SecretFile.incompleteName(moveName),
    ]

    /// The folder itself.
    package let path: String

    package init(_ path: String) {
        self.path = path
    }

    /// The database.
    package var database: String { "\(path)/\(Self.databaseName)" }
    /// What SQLite may keep beside the database, the write-ahead log first.
    var databaseCompanions: [String] { ["-wal", "-shm", "-journal"].map { database + $0 } }
    /// The images.
    var media: BlobFolder { BlobFolder("\(path)/\(Self.mediaName)") }
    /// The file of an image as seen from the folder.
    static func name(of key: BlobKey) -> String { "\(mediaName)/\(BlobFolder.name(of: key))" }
    /// Where the images go that a restore replaces.
    var replacedMedia: String { "\(path)/\(Self.mediaName).replaced" }
    /// The socket of a running server.
    package var socket: String { "\(path)/\(Self.socketName)" }
    /// The key that the demo shows, to be the same when it is started again. No backup has it: what was issued is there as a hash, as every key is.
    package var demoKey: SecretFile { SecretFile("\(path)/\(Self.demoKeyName)") }
    /// The epoch of the database that the demo was loaded into. No backup has it, and to another database it says nothing.
    package var demoLoaded: SecretFile { SecretFile("\(path)/\(Self.demoLoadedName)") }
    /// The key that secrets are sealed with, unless a setting names another file. It is in backups, and so is of use to whoever has one.
    package var secretsKey: String { "\(path)/\(Self.secretsKeyName)" }
    /// What is remembered of the newest backup.
    var lastBackup: String { "\(path)/\(Self.lastBackupName)" }
    /// What is remembered of a move to a database; see `FolderMove`.
    var move: String { "\(path)/\(Self.moveName)" }
    /// Where a restore builds a state; without worth until it is whole.
    var restoreIncomplete: DataFolder { DataFolder("\(path)/\(Self.restoreIncompleteName)") }
    /// Where a whole restored state waits to take its place.
    var restoreComplete: DataFolder { DataFolder("\(path)/\(Self.restoreCompleteName)") }

    /// Whether there is a database here, which looking does not make. A restore that was cut short may hold the only one there is, until the folder is
    /// opened. What cannot be looked at for another reason counts as one, so that its opening says what that is.
    package var hasDatabase: Bool { Self.mayExist(database) || Self.mayExist(restoreComplete.path) }

    /// Whether there are images and no database, or an empty one: all that is left of one that was lost.
    package var hasLostDatabase: Bool {
        guard !Self.mayExist(restoreComplete.path), !Self.mayExist(database) || PosixFile.byteCount(of: database) == 0 else { return false }
        return ((try? PosixFile.names(in: media.path)) ?? []).contains {
            !((try? PosixFile.names(in: "\(media.path)/\($0)")) ?? []).isEmpty
        }
    }

    /// Sees to it that a backup does not come to lie within what is backed up.
    /// - Throws: `folderUnusable`.
    func requireOutside(_ backup: String) throws(Failure) {
        let (inner, outer) = (PosixFile.realPath(backup), PosixFile.realPath(path))
        guard inner != outer, !inner.hasPrefix(outer + "/") else { throw .folderUnusable(path: backup, .insideDataFolder) }
    }

    private static func mayExist(_ path: String) -> Bool { access(path, F_OK) == 0 || errno != ENOENT }
}
