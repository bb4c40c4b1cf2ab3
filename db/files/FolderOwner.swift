import CFileUser
import Foundation
package import Personas

/// The user whom a data folder belongs to.
package enum FolderOwner {
    /// Has root go on as that user, who is the service's and could not read what root makes there.
    ///
    /// So it makes no difference whether a server holds the folder, which works as its own user for whoever asks, or nobody does. The real user
    /// stays root, who asked.
    /// - Throws: `configuration` when the system does not allow it.
    package static func act(on directory: String) throws(Failure) {
        var owner = stat()
        guard geteuid() == 0, stat(directory, &owner) == 0, owner.st_uid != 0 else { return }
        // The group first, which only root can change.
        guard setegid(owner.st_gid) == 0, seteuid(owner.st_uid) == 0 else {
            let reason = "it belongs to the user \(owner.st_uid), as whom root may not act here: \(String(cString: strerror(errno)))"
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be used: \(reason)")
        }
    }

    /// Opens a file with the rights of the user who asked: root names files of its own, which the owner of the data folder cannot read.
    ///
    /// Only a file that is one: a pipe would be waited for, perhaps for ever, and could be read only once.
    /// - Returns: a descriptor that the caller closes, or why there is none: its `errno`, 0 for what is no regular file.
    package static func openAsCaller(_ path: String) -> (descriptor: Int32, code: Int32) {
        let (descriptor, code) = asCaller { (open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), errno) }
        guard descriptor >= 0 else { return (descriptor, code) }
        var status = stat()
        let kind = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
        if kind == S_IFREG { return (descriptor, 0) }
        close(descriptor)
        return (-1, kind == S_IFDIR ? EISDIR : 0)
    }

    /// Does something with files with the rights of the user who asked. It must not wait for anything but the disk.
    static func asCaller<Value, Problem: Error>(_ body: () throws(Problem) -> Value) throws(Problem) -> Value {
        guard getuid() == 0, geteuid() != 0 else { return try body() }
        // The system keeps the user of file accesses thread by thread, so that no other file comes to be root's meanwhile.
        setfsuid(0)
        defer { setfsuid(geteuid()) }
        return try body()
    }

    /// Has root be itself again, for a process that has nothing to do any more but to read what root alone may read, and to `handOver` what it makes of
    /// that.
    package static func rest() {
        guard getuid() == 0, geteuid() != 0 else { return }
        seteuid(0)
        setegid(getgid())
    }

    /// Gives a folder with all that is in it to the owner of another.
    /// - Throws: `PosixFile.CallFailed`.
    static func handOver(_ tree: String, toOwnerOf directory: String) throws {
        var user = stat()
        guard geteuid() == 0, stat(directory, &user) == 0, user.st_uid != 0 else { return }
        for name in [""] + (try PosixFile.calling("open", tree) { try FileManager.default.subpathsOfDirectory(atPath: tree) }) {
            let path = name.isEmpty ? tree : "\(tree)/\(name)"
            guard lchown(path, user.st_uid, user.st_gid) == 0 else { throw PosixFile.CallFailed("chown", path) }
        }
    }
}
