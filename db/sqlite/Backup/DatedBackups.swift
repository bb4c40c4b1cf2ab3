import Foundation
import Personas

/// The backups that lie in a folder, each in one of its own that is named by the moment at which it was begun: `2026-11-22T063000Z`.
///
/// What is being written, or taken away, has `.partial` behind its name. So a folder with a plain name was whole when it got it, and one with the other
/// is without worth as soon as no process writes there any more.
struct DatedBackups: Sendable {
    /// What stands behind the name of a backup that is not whole yet, or not any more.
    private static let partialSuffix = ".partial"
    /// Seconds that a backup may be named later than it was made, because others have the names before.
    private static let laterSecondsMax = 3_600

    /// A whole backup.
    struct Entry: Sendable, Equatable {
        let name: String
        /// What its name says, in seconds since 1970.
        let second: Int64
    }

    /// What lies in the folder.
    struct Listing: Sendable {
        /// Backups that are whole and of the data folder, the oldest first by their names.
        var whole: [Entry] = []
        /// Names of what an earlier call left that did not come to its end.
        var partial: [String] = []
        /// Everything else.
        var left: [RetentionReport.Left] = []
    }

    /// The folder that holds them.
    let path: String

    init(path: String) {
        self.path = path
    }

    /// Opens a folder to write backups into, making it where it is missing.
    /// - Throws: `folderUnusable`, `CallFailed`.
    init(in path: String, outside dataFolder: DataFolder) throws {
        self.path = path
        let isNew = !PosixFile.exists(path)
        if isNew { try PosixFile.makeFolders(path) }
        do {
            guard let names = try? PosixFile.names(in: path) else { throw Failure.folderUnusable(path: path, .unreadable) }
            // Folders within a backup would make it another than its manifest says.
            guard !names.contains(where: BackupFolder.manifestNames.contains) else {
                throw Failure.folderUnusable(path: path, .isBackup)
            }
            try dataFolder.requireOutside(path)
        } catch {
            if isNew { rmdir(path) }
            throw error
        }
    }

    /// The name of a backup of a moment.
    static func name(of moment: Timestamp) -> String {
        // RFC 3339 without its fraction, and without the colons, which some file systems do not take and shells do not complete.
        String(moment.text.prefix(19)).replacing(":", with: "") + "Z"
    }

    /// The second that a name stands for; nil if no backup is named so.
    static func second(of name: some StringProtocol) -> Int64? {
        let bytes = Array(name.utf8)
        guard bytes.count == 18 else { return nil }
        func part(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
        guard let moment = Timestamp(text: "\(part(0..<13)):\(part(13..<15)):\(part(15..<17))\(part(17..<18))"),
            Self.name(of: moment).utf8.elementsEqual(bytes)
        else { return nil }
        return moment.milliseconds / 1_000
    }

    /// A folder below, by its name.
    func folder(_ name: String) -> BackupFolder { BackupFolder(path: "\(path)/\(name)") }

    /// Where the backup of a name lies before it is whole, and while it is taken away.
    func partial(_ name: String) -> String { "\(path)/\(name)\(Self.partialSuffix)" }

    /// The first free name for a backup of a moment.
    func freeName(for moment: Timestamp) throws -> String {
        for later in 0..<Self.laterSecondsMax {
            let name = Self.name(of: moment.adding(seconds: later))
            if !PosixFile.exists("\(path)/\(name)"), !PosixFile.exists(partial(name)) { return name }
        }
        throw Failure.folderUnusable(path: path, .notEmpty)
    }

    /// Which of the whole backups go once a new one is there, the first to go first.
    ///
    /// The new one stays whatever the clock says. Those that are dated after it were made before it all the same, under a clock that was ahead or that
    /// has been set back since; they count as the oldest, so that the backups of a clock that is wrong for weeks replace one another in their order.
    static func surplus(of whole: [Entry], beside new: Entry, keeping count: Int) -> [Entry] {
        let others = whole.filter { $0.name != new.name }
        let ordered = others.filter { $0.second > new.second } + others.filter { $0.second <= new.second }
        return Array(ordered.prefix(max(0, ordered.count - (count - 1))))
    }

    /// Looks at everything in the folder.
    /// - Parameter source: the data folder that the backups are of.
    func listing(of source: String) throws -> Listing {
        var listing = Listing()
        for name in try PosixFile.names(in: path) where name != DataFolder.lockName {
            let isPartial = name.utf8.suffix(Self.partialSuffix.utf8.count).elementsEqual(Self.partialSuffix.utf8)
            let plainName = isPartial ? name.dropLast(Self.partialSuffix.count) : name[...]
            guard let second = Self.second(of: plainName), PosixFile.isFolder("\(path)/\(name)") else {
                listing.left.append(RetentionReport.Left(name: name, reason: .foreign))
                continue
            }
            if isPartial {
                listing.partial.append(name)
            } else if let reason = folder(name).reasonToLeave(asBackupOf: source) {
                listing.left.append(RetentionReport.Left(name: name, reason: reason))
            } else {
                listing.whole.append(Entry(name: name, second: second))
            }
        }
        listing.whole.sort { ($0.second, $0.name) < ($1.second, $1.name) }
        return listing
    }

    /// The newest backup by name that has a manifest; nil where the folder holds none.
    var newest: String? {
        guard let names = try? PosixFile.names(in: path) else { return nil }
        return names.filter { Self.second(of: $0) != nil && PosixFile.exists(folder($0).manifestPath) }.max().map { folder($0).path }
    }

    /// Takes a backup away. From the first step on it does not pass for a whole one any more.
    func remove(_ entry: Entry) throws {
        let partial = partial(entry.name)
        try PosixFile.rename(folder(entry.name).path, to: partial)
        try PosixFile.syncFolder(path)
        try BackupFolder(path: partial).remove()
    }
}

extension BackupFolder {
    /// Why this is not counted among the whole backups of a data folder; nil if it is one. Nothing is read but the manifest, and how long the files
    /// are that it names.
    fileprivate func reasonToLeave(asBackupOf source: String) -> RetentionReport.Left.Reason? {
        guard let names = try? PosixFile.names(in: path), names.allSatisfy(Self.names.contains) else { return .mixed }
        guard let bytes = FileManager.default.contents(atPath: manifestPath), let manifest = try? BackupManifest(parsing: bytes),
            PosixFile.byteCount(of: data.database) == manifest.database.byteCount,
            PosixFile.byteCount(of: sumsPath) == manifest.sums.byteCount, PosixFile.isFolder(data.media.path)
        else { return .notWhole }
        guard let origin = manifest.dataFolder else { return nil }
        return origin.utf8.elementsEqual(source.utf8) ? nil : .otherData
    }

    /// Takes away what a backup is made of, the manifest first, and then the folder, unless anything else lies in it.
    func remove() throws {
        for name in Self.manifestNames { try PosixFile.remove("\(path)/\(name)") }
        for file in [sumsPath, data.database] + data.databaseCompanions { try PosixFile.remove(file) }
        let media = data.media.path
        for prefix in try PosixFile.names(in: media) {
            let folder = "\(media)/\(prefix)"
            for name in try PosixFile.names(in: folder) where BlobFolder.key(folder: prefix, name: name) != nil {
                try PosixFile.remove("\(folder)/\(name)")
            }
            try PosixFile.removeFolder(folder)
        }
        try PosixFile.removeFolder(media)
        try PosixFile.removeFolder(path)
    }
}
