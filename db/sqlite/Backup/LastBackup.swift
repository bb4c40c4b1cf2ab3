import Foundation
import Personas

/// What a data folder remembers of its newest backup, in a file beside the database.
///
/// Not in the database, which a restore puts back as it was before the backup that it comes from. The epoch of the database stands in the file, and
/// a restore gives the database another: so what was backed up before is not taken for a backup of what was put in its place.
struct LastBackup: Sendable {
    private struct Document: Codable {
        let createdAt: String
        let directory: String
        let epoch: String

        enum CodingKeys: String, CodingKey {
            case directory, epoch
            case createdAt = "created_at"
        }
    }

    let folder: DataFolder
    let epoch: any EpochStore

    /// Remembers a backup that is whole and on disk.
    ///
    /// What keeps this from being stored takes nothing from the backup. The one before it is told then, which is a reason to look, as is right.
    func note(createdAt: String, directory: String) {
        let new = folder.lastBackup + ".new"
        let document = Document(createdAt: createdAt, directory: PosixFile.realPath(directory), epoch: hexadecimal(epoch.epoch.bytes))
        guard let bytes = try? JSONEncoder().encode(document), (try? PosixFile.remove(new)) != nil else { return }
        do {
            try PosixFile.write([UInt8](bytes), to: new)
            try PosixFile.rename(new, to: folder.lastBackup)
            try PosixFile.syncFolder(folder.path)
        } catch {
            try? PosixFile.remove(new)
        }
    }

    /// The newest backup of what the database holds; nil where none is known.
    var record: BackupRecord? {
        guard let bytes = FileManager.default.contents(atPath: folder.lastBackup),
            let document = try? JSONDecoder().decode(Document.self, from: bytes), document.epoch == hexadecimal(epoch.epoch.bytes)
        else { return nil }
        return BackupRecord(
            createdAt: document.createdAt, directory: document.directory,
            isPresent: PosixFile.exists(BackupFolder(path: document.directory).manifestPath))
    }
}
