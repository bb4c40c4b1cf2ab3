import CFileUser
import Foundation
package import Personas

/// A file that a command makes where the user wants it who asked: whole under its name, or not there at all. It is written beside it and gets its name at
/// the end; what was there is replaced then.
///
/// Belongs to one command, whose calls come one after the other.
package final class CallersFile {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    /// Makes the file beside the one that it is to be.
    /// - Throws: `file`, which names the file that it is to be, `outOfDisk`.
    package init(_ path: String) throws(Failure) {
        self.path = path
        temporary = "\(path).\(Identifier.random().text).part"
        var code: Int32 = 0
        let isFolder = FolderOwner.asCaller {
            var status = stat()
            return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        }
        // Found only by the last step otherwise, when all of the work is done.
        guard !isFolder else { throw Failure(file: PosixFile.CallFailed("write", path, code: EISDIR)) }
        (descriptor, code) = FolderOwner.asCaller { [temporary] in
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            return (descriptor, errno)
        }
        guard descriptor >= 0 else { throw Failure(file: PosixFile.CallFailed("write", path, code: code)) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        FolderOwner.asCaller { [temporary] in _ = unlink(temporary) }
    }

    /// Appends bytes.
    package func append(_ bytes: [UInt8]) throws(Failure) {
        do {
            try PosixFile.append(bytes, to: descriptor, temporary)
        } catch {
            throw Failure(file: error)
        }
    }

    /// Makes what was appended the file, durably.
    package func finish() throws(Failure) {
        do {
            guard fsync(descriptor) == 0 else { throw PosixFile.CallFailed("fsync", temporary) }
            try FolderOwner.asCaller { try PosixFile.rename(temporary, to: path) }
        } catch {
            throw Failure(file: error)
        }
        close(descriptor)
        descriptor = -1
    }
}
