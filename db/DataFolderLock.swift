import Foundation
package import Personas

/// The right to write to a data folder: one process in the world has it at a time.
///
/// SQLite before 3.51.3 can, rarely, corrupt a database in which two connections commit and checkpoint at once; one writer rules it out.
/// The lock is the kernel's (`flock` on the folder itself), so that it ends with the process, however that ends.
package final class DataFolderLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Takes the lock, making the folder (mode 0700) if there is none.
    /// - Returns: nil while another process holds it.
    /// - Throws: `configuration` when the folder cannot be made or opened.
    package static func acquire(directory: String) throws(Failure) -> DataFolderLock? {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be made: \(error.localizedDescription)")
        }
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be opened: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        return DataFolderLock(descriptor: descriptor)
    }
}
