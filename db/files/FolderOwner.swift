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
}
