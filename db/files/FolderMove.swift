import Foundation
import Personas

/// What a data folder remembers of being moved to a database and a bucket: a file in it, `move.json`, which is all that stands between two places that
/// both take the same accounts for theirs.
struct FolderMove: Codable, Equatable, Sendable {
    /// How far it has come.
    enum Stage: String, Codable, Sendable {
        /// Images are on their way. The folder is what it was, and may be used.
        case copying
        /// The transaction that moves all rows is being committed: whether that was done the database alone knows. The folder is not used meanwhile.
        case deciding
        /// Everything is there. The folder is used no more.
        case moved
    }

    private static let bytesMax = 65_536

    /// What tells this move from every other. The ids of the objects in the bucket follow from it.
    let id: String
    /// What the database is called in messages; never with a password.
    let database: String
    /// The same of the bucket.
    let media: String
    /// Since when it is at its stage: RFC 3339.
    var since: String
    /// How far it has come.
    var stage: Stage

    /// Begins a move.
    init(id: Identifier, database: String, media: String, at now: Timestamp) {
        self.id = id.text
        self.database = database
        self.media = media
        since = now.text
        stage = .copying
    }

    /// What a folder remembers; nil where that is nothing.
    /// - Throws: `configuration` for a file that is none of ours.
    static func find(in folder: DataFolder) throws(Failure) -> FolderMove? {
        guard PosixFile.exists(folder.move) else { return nil }
        guard let bytes = FileManager.default.contents(atPath: folder.move), bytes.count <= bytesMax,
            let found = try? JSONDecoder().decode(FolderMove.self, from: bytes), Identifier(found.id) != nil
        else {
            throw refusal("its \(DataFolder.moveName) cannot be read, which says whether the folder was moved", folder)
        }
        return found
    }

    /// Remembers a stage. It is on disk when this returns, and whatever happens the file says the one or the other.
    /// - Throws: `outOfDisk`, `file`, `usedUp`.
    mutating func reach(_ stage: Stage, in folder: DataFolder, at now: Timestamp) throws(Failure) {
        var reached = self
        reached.stage = stage
        reached.since = now.text
        let new = SecretFile.incompleteName(folder.move)
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let bytes = [UInt8](try encoder.encode(reached)) + [UInt8(ascii: "\n")]
            // One is there after a kill.
            try PosixFile.remove(new)
            try PosixFile.write(bytes, to: new)
            try PosixFile.rename(new, to: folder.move)
            try PosixFile.syncFolder(folder.path)
        } catch {
            throw Failure(file: error)
        }
        self = reached
    }

    /// Whether the folder goes to the same place.
    func leads(toDatabase database: String, media: String) -> Bool { self.database == database && self.media == media }

    fileprivate static func refusal(_ reason: String, _ folder: DataFolder) -> Failure {
        .configuration(setting: "data", reason: "the folder \(folder.path) cannot be used: \(reason)")
    }
}

extension DataFolder {
    /// Sees to it that a folder is not used whose content is, or may be, somewhere else by now.
    /// - Throws: `configuration`.
    func requireNotMoved() throws(Failure) {
        guard let move = try FolderMove.find(in: self) else { return }
        let place = "\(move.database) and \(move.media)"
        switch move.stage {
        case .copying: break
        case .deciding:
            let reason = "at \(move.since) it was being moved to \(place), and whether that was done only the database knows"
            throw FolderMove.refusal("\(reason): run personas copy again", self)
        case .moved:
            throw FolderMove.refusal("it was moved to \(place) at \(move.since); personas copy --help tells how to undo that", self)
        }
    }
}
