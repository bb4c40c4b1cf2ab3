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
    private static let lastBackupName = "last-backup.json"
    private static let restoreIncompleteName = "restore.incomplete"
    private static let restoreCompleteName = "restore.complete"

    /// What a folder of ours may hold before it has a database.
    static let namesWithoutDatabase: Set<String> = [
        lockName, socketName, mediaName, lastBackupName, restoreIncompleteName, restoreCompleteName,
    ]
    /// What remains in a folder that nothing is stored in: a socket is what a killed server leaves.
    static let namesOfNoWorth: Set<String> = [lockName, socketName, lastBackupName]

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
    /// What is remembered of the newest backup.
    var lastBackup: String { "\(path)/\(Self.lastBackupName)" }
    /// Where a restore builds a state; without worth until it is whole.
    var restoreIncomplete: DataFolder { DataFolder("\(path)/\(Self.restoreIncompleteName)") }
    /// Where a whole restored state waits to take its place.
    var restoreComplete: DataFolder { DataFolder("\(path)/\(Self.restoreCompleteName)") }

    /// Whether there is a database here. A restore that was cut short may hold the only one there is, until the folder is opened.
    package var hasDatabase: Bool { access(database, F_OK) == 0 || access(restoreComplete.path, F_OK) == 0 }

    /// Sees to it that a backup does not come to lie within what is backed up.
    /// - Throws: `folderUnusable`.
    func requireOutside(_ backup: String) throws(Failure) {
        let (inner, outer) = (PosixFile.realPath(backup), PosixFile.realPath(path))
        guard inner != outer, !inner.hasPrefix(outer + "/") else { throw .folderUnusable(path: backup, .insideDataFolder) }
    }
}
