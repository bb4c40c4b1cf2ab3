import Foundation
import Personas

/// The right to write backups into a folder that holds several: one process has it at a time, so that whatever lies there unfinished is of none that
/// is still at work.
///
/// A lock on a file, like that of the data folder, and not on the folder, which file systems of other machines cannot lock.
final class BackupsLock: Sendable {
    private let file: Descriptor

    /// Takes the lock of a folder.
    /// - Throws: `folderUnusable` while another process holds it, `CallFailed`.
    init(in folder: String) throws {
        let path = "\(folder)/\(DataFolder.lockName)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o600)
        guard descriptor >= 0 else { throw PosixFile.CallFailed("open", path) }
        let file = Descriptor(number: descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { throw Failure.folderUnusable(path: folder, .inUse) }
            throw PosixFile.CallFailed("flock", path)
        }
        self.file = file
    }
}
