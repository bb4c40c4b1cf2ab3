/// Takes backups of everything that the service remembers.
package protocol BackupStore: Sendable {
    /// Writes a backup of one moment into a folder, while the service goes on.
    ///
    /// When this returns the backup is on disk, and its every file was read back and compared with its hash. When it fails, or the task is
    /// cancelled, what was written is taken away again.
    /// - Parameter directory: an absolute path; the folder must be empty or not be there.
    /// - Throws: `folderUnusable`, `damaged`, `outOfDisk`, `file`, `cancelled`.
    func backup(to directory: String, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport

    /// Writes a backup as the other method does, into a folder of its own below another, named by the moment that it holds, and removes the oldest
    /// of those that lie there.
    ///
    /// Only backups are removed that are whole and of the same data folder, only once the new one is whole and on disk, and never so many that
    /// fewer than `count` stay. What an earlier call left that was cut short is removed first. Everything else in the folder stays as it is.
    /// - Parameters:
    ///   - directory: an absolute path; the folder is made where it is missing.
    ///   - count: how many backups are kept, the new one among them; at least 1.
    /// - Throws: as the other method, and `folderUnusable` when the folder is a backup itself or another call writes to it.
    func backup(into directory: String, keeping count: Int, progress: @escaping ProgressHandler) async throws(Failure) -> BackupReport

    /// The newest backup of these data; nil where there is none. What a restore has put here is not what was backed up before.
    func lastBackup() async throws(Failure) -> BackupRecord?
}

/// A backup that was taken.
package struct BackupRecord: Sendable, Codable, Equatable {
    /// The moment that it holds, RFC 3339.
    package let createdAt: String
    /// The folder that it was written into.
    package let directory: String
    /// Whether it is still there. Many are moved elsewhere, which is as it should be.
    package let isPresent: Bool

    package init(createdAt: String, directory: String, isPresent: Bool) {
        self.createdAt = createdAt
        self.directory = directory
        self.isPresent = isPresent
    }

    private enum CodingKeys: String, CodingKey {
        case createdAt, directory
        case isPresent = "present"
    }
}

/// What became of the backups that lie beside a new one.
package struct RetentionReport: Sendable, Codable, Equatable {
    /// An entry of the folder that was neither counted nor removed.
    package struct Left: Sendable, Codable, Equatable {
        /// Why it was not.
        package enum Reason: String, Sendable, Codable {
            /// It has not the name that a backup has here, or is no folder.
            case foreign
            /// It holds something that is no part of a backup.
            case mixed
            /// It has no manifest, or not the files that its manifest names.
            case notWhole = "not_whole"
            /// It was made from another data folder.
            case otherData = "other_data"
            /// It was to be removed, and could not be.
            case notRemoved = "not_removed"
        }

        /// Its name.
        package let name: String
        /// Why it was left.
        package let reason: Reason
        /// What the system said, where it refused something.
        package let detail: String?

        package init(name: String, reason: Reason, detail: String? = nil) {
            self.name = name
            self.reason = reason
            self.detail = detail
        }
    }

    /// Entries that are named of those that were left; all are counted.
    package static let leftMax = 100

    /// How many were to be kept.
    package let keep: Int
    /// The names of the whole backups that there are now, the oldest first, the new one last.
    package var kept: [String]
    /// The names of those that were removed, the oldest first, with what was left of earlier calls.
    package var removed: [String]
    /// What was left alone, the first `leftMax`.
    package private(set) var left: [Left] = []
    /// How many entries were left alone.
    package private(set) var leftCount = 0

    /// A report of a folder in which nothing was left.
    package init(keep: Int, kept: [String] = [], removed: [String] = []) {
        self.keep = keep
        self.kept = kept
        self.removed = removed
    }

    /// Adds an entry that was left alone.
    package mutating func leave(_ entry: Left) {
        leftCount += 1
        if left.count < Self.leftMax { left.append(entry) }
    }
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
    /// It is a backup, and not a folder that holds some.
    case isBackup
    /// It holds backups in folders of their own; the path is that of the newest.
    case holdsBackups
    /// Another process writes a backup into it.
    case inUse
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
    /// What became of the backups beside it; nil where it was not written among others.
    package var retention: RetentionReport?

    package init(directory: String, createdAt: String, items: Int, images: Int, imageBytes: Int, databaseBytes: Int) {
        self.directory = directory
        self.createdAt = createdAt
        self.items = items
        self.images = images
        self.imageBytes = imageBytes
        self.databaseBytes = databaseBytes
    }
}
