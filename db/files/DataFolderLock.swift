import Foundation
package import Personas

/// The right to write to a data folder: one process in the world has it at a time.
///
/// SQLite before 3.51.3 can, rarely, corrupt a database in which two connections commit and checkpoint at once; one writer rules it out.
/// The lock is the kernel's (`flock`), so that it ends with the process, however that ends. It is on a file of its own, which no other user can
/// open, and not on the folder, which any process could lock that may read it.
package final class DataFolderLock: Sendable {
    /// The file in the folder that is locked. It stays when no process holds the lock, because a process that has it open could otherwise lock
    /// what no other finds.
    private static let fileName = DataFolder.lockName

    /// Whether another process has locked the folder itself, as versions did that knew no `personas.lock`. Any process that may read the folder
    /// can do so, too, and is not to stop this one; so it is only a hint to look for a server of such a version.
    package let isFolderLockedByAnother: Bool

    private let directory: String
    private let folder: Descriptor
    private let file: Descriptor

    private init(directory: String, folder: consuming Descriptor, file: consuming Descriptor) {
        self.directory = directory
        // For versions that know nothing else: they do not start beside this process.
        isFolderLockedByAnother = flock(folder.number, LOCK_EX | LOCK_NB) != 0
        self.folder = folder
        self.file = file
    }

    /// Takes the lock, making the folder (mode 0700) if there is none, and closing one of ours to other users that is open to them.
    /// - Returns: nil while another process holds it.
    /// - Throws: `configuration` when the folder cannot be made, opened, closed to others or locked.
    package static func acquire(directory: String) throws(Failure) -> DataFolderLock? {
        let folder = try open(directory)
        try closeToOthers(folder, directory)
        let file = try openFile(in: folder, directory)
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { return nil }
            throw refusal(directory, "its \(fileName) cannot be locked: \(String(cString: strerror(errno)))")
        }
        // Between opening and locking either may have been taken away, by a restore that failed; then the next try finds what is there now.
        guard let name = FileIdentity(of: fileName, in: folder.number), name == FileIdentity(of: file.number),
            let place = FileIdentity(of: directory, isFollowingLinks: true), place == FileIdentity(of: folder.number)
        else { return nil }
        return DataFolderLock(directory: directory, folder: folder, file: file)
    }

    /// Keeps others from taking the lock for as long as the result lives, and changes nothing: whatever is not there is not made.
    /// - Returns: nil while another process has the lock.
    /// - Throws: `configuration` when the folder cannot be looked into.
    package static func holdOff(directory: String) throws(Failure) -> DataFolderHold? {
        let folder = try openFolder(directory)
        let descriptor = openat(folder.number, fileName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            // Nobody has worked on the folder yet, or only a version that knew no such file.
            if errno == ENOENT { return DataFolderHold(file: nil) }
            throw refusal(directory, "its \(fileName) cannot be opened: \(String(cString: strerror(errno)))")
        }
        let file = Descriptor(number: descriptor)
        guard flock(file.number, LOCK_SH | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { return nil }
            throw refusal(directory, "its \(fileName) cannot be locked: \(String(cString: strerror(errno)))")
        }
        return DataFolderHold(file: file)
    }

    /// Takes the folder away if it holds nothing but the lock: for a command that made it in vain.
    package func removeEmptyFolder() {
        guard (try? PosixFile.names(in: directory)) == [Self.fileName] else { return }
        // A process that has opened the file meanwhile finds, once it is locked, that its name is gone.
        unlinkat(folder.number, Self.fileName, 0)
        rmdir(directory)
    }

    private static func open(_ directory: String) throws(Failure) -> Descriptor {
        do {
            try PosixFile.makeFolders(directory)
        } catch {
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be made: \(error)")
        }
        return try openFolder(directory)
    }

    private static func openFolder(_ directory: String) throws(Failure) -> Descriptor {
        let descriptor = Foundation.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be opened: \(String(cString: strerror(errno)))")
        }
        return Descriptor(number: descriptor)
    }

    /// Gives a folder that others may enter, as versions before this one left those that were there, the mode 0700.
    ///
    /// Only if it is ours by what it holds: a folder like /var/lib or a home must not be closed because of a mistyped path.
    private static func closeToOthers(_ folder: borrowing Descriptor, _ directory: String) throws(Failure) {
        guard isOpenToOthers(folder) else { return }
        let names = (try? PosixFile.names(in: directory)) ?? []
        guard names.contains(DataFolder.databaseName) || names.allSatisfy(DataFolder.namesWithoutDatabase.contains) else {
            let reason = "other users may enter it, and it holds what is not this service's; choose another, or make its mode 0700"
            throw refusal(directory, reason)
        }
        let result = fchmod(folder.number, 0o700)
        guard result == 0, !isOpenToOthers(folder) else {
            let reason = result == 0 ? "its file system does not keep modes" : String(cString: strerror(errno))
            throw refusal(directory, "other users may enter it, and its mode cannot be made 0700: \(reason)")
        }
    }

    private static func isOpenToOthers(_ folder: borrowing Descriptor) -> Bool {
        var status = stat()
        return fstat(folder.number, &status) != 0 || status.st_mode & 0o077 != 0
    }

    private static func refusal(_ directory: String, _ reason: String) -> Failure {
        .configuration(setting: "data", reason: "the folder \(directory) cannot be used: \(reason)")
    }

    /// Opens the file, making it (mode 0600) if there is none. What another program may have put in its place is refused.
    private static func openFile(in folder: borrowing Descriptor, _ directory: String) throws(Failure) -> Descriptor {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        let descriptor = openat(folder.number, fileName, flags, 0o600)
        guard descriptor >= 0 else {
            let reason = errno == ELOOP ? "it is a symbolic link" : String(cString: strerror(errno))
            throw refusal(directory, "its \(fileName) cannot be opened: \(reason)")
        }
        let file = Descriptor(number: descriptor)
        var (owner, status) = (stat(), stat())
        guard fstat(folder.number, &owner) == 0, fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink <= 1,
            status.st_uid == geteuid() || status.st_uid == owner.st_uid
        else {
            throw refusal(directory, "its \(fileName) is no file of this service")
        }
        // Made by root, it must not keep out the folder's own user.
        if status.st_uid != owner.st_uid { _ = fchown(file.number, owner.st_uid, owner.st_gid) }
        guard status.st_mode & 0o077 == 0 || fchmod(file.number, 0o600) == 0 else {
            throw refusal(directory, "its \(fileName) is open to other users: \(String(cString: strerror(errno)))")
        }
        return file
    }
}

/// What keeps the lock of a data folder free while the folder is looked at; see `DataFolderLock.holdOff`.
package final class DataFolderHold: Sendable {
    private let file: Descriptor?

    fileprivate init(file: consuming Descriptor?) {
        self.file = file
    }
}
