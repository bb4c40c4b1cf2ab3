/// Takes backups of everything that the service remembers.
package protocol BackupStore: Sendable {
    /// Writes a backup of one moment into a folder, while the service goes on.
    ///
    /// When this returns the backup is on disk, and its every file was read back and compared with its hash. When it fails, or the task is
    /// cancelled, what was written is taken away again.
    /// - Parameter directory: an absolute path; the folder must be empty or not be there.
    /// - Throws: `conflict` with a text to show when the folder cannot be used, or the data are damaged.
    func backup(to directory: String, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport
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
