import Foundation
import Personas
import PersonasDB
import PersonasHTTP

/// Where commands reach the server that holds a data folder.
enum AdministrationSocket {
    /// Bytes of a Unix socket's path that the kernel takes (`sun_path` of unix(7), without the zero at its end).
    private static let pathBytesMax = 107

    /// The path of the socket in a data folder; for the server that listens there and for commands alike.
    ///
    /// Where the path is longer than the kernel takes, the folder is opened, and stays so, to be reached by its descriptor's number.
    /// - Throws: `configuration` when the folder cannot be opened.
    static func path(in directory: String) throws(Failure) -> String {
        let path = DataFolder(directory).socket
        guard path.utf8.count > pathBytesMax else { return path }
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .configuration(setting: "data", reason: "the folder \(directory) cannot be opened: \(String(cString: strerror(errno)))")
        }
        return DataFolder("/proc/self/fd/\(descriptor)").socket
    }
}

extension DataFolderLock {
    /// Takes the lock of a data folder, unless a server of a version that locked the folder itself works on it. Who gets it acts as its owner.
    /// - Returns: nil while another process works on the folder.
    static func acquireUnlessServed(_ directory: String) throws(Failure) -> DataFolderLock? {
        guard let lock = try acquire(directory: directory) else { return nil }
        if lock.isFolderLockedByAnother, SocketFile.isAnswered(try AdministrationSocket.path(in: directory)) { return nil }
        try FolderOwner.act(on: directory)
        return lock
    }
}
