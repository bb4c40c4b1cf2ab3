import Foundation
import Personas

/// The file of a Unix socket, and whether a process listens there.
package enum SocketFile {
    /// Makes sure that nothing is in the place of a socket to be bound but, if anything, one that a killed server left.
    ///
    /// A server that binds it takes away what is there, and by its name what it has bound once it closes it; so this has to come before.
    /// - Throws: `configuration` when something else is there, such as the socket of a process that lives.
    static func requireFree(_ path: String) throws(Failure) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .configuration(setting: "data", reason: "\(path) is no socket") }
        guard codeOfConnecting(path) == ECONNREFUSED else {
            throw .configuration(setting: "data", reason: "another process listens on \(path)")
        }
    }

    /// Whether a process listens on a socket, found out by connecting, before anything is sent that must not be sent twice.
    package static func isAnswered(_ path: String) -> Bool { codeOfConnecting(path) == 0 }

    /// The `errno` of connecting to a socket, without waiting for its turn where many do; 0 if a process listens.
    private static func codeOfConnecting(_ path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return ENAMETOOLONG }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 ? 0 : errno
    }
}
