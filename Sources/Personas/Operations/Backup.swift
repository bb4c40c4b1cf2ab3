/// Takes backups of everything that the service remembers.
package protocol BackupStore: Sendable {
    /// Writes a backup of one moment into a folder, while the service goes on.
    ///
    /// When this returns the backup is on disk, and its every file was read back and compared with its hash. When it fails, or the task is
    /// cancelled, what was written is taken away again.
    /// - Parameter directory: an absolute path; the folder must be empty or not be there.
    /// - Throws: `folderUnusable`, `damaged`, `outOfDisk`, `file`, `cancelled`.
    func backup(to directory: String, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport
}

/// Why a folder is not fit for a backup.
package enum FolderProblem: String, Sendable, Codable {
    /// There is none.
    case missing
    /// It cannot be read, or is no folder.
    case unreadable
    /// It holds something that would be in the way.
    case notEmpty
    /// It lies within the data folder.
    case insideDataFolder
    /// It holds no whole backup, which would have a manifest.
    case noBackup
}

/// A backup as an operator's program sees it.
package struct BackupReport: Sendable, Codable, Equatable {
    /// The folder.
    package let directory: String
    /// The moment that it holds, RFC 3339.
    package let createdAt: String
    /// Personas and styles.
    package let items: Int
    /// Image files.
    package let images: Int
    /// Bytes of the image files.
    package let imageBytes: Int
    /// Bytes of the database file.
    package let databaseBytes: Int

    package init(directory: String, createdAt: String, items: Int, images: Int, imageBytes: Int, databaseBytes: Int) {
        self.directory = directory
        self.createdAt = createdAt
        self.items = items
        self.images = images
        self.imageBytes = imageBytes
        self.databaseBytes = databaseBytes
    }
}
