import Foundation
import PersonasDB

/// A file that an operator names, read with the operator's own rights.
enum GivenFile {
    /// Why one cannot be read.
    struct ReadFailure: Error {
        /// The system's number for it; 0 for what is no regular file.
        let code: Int32

        /// The reason in the system's words.
        var reason: String { code == 0 ? "it is not a regular file" : String(cString: strerror(code)) }
    }

    private static let partBytes = 65_536

    /// What is in a file; of one that is larger than a bound no more than shows it.
    static func read(_ path: String, bytesMax: Int) throws(ReadFailure) -> [UInt8] {
        let (descriptor, code) = FolderOwner.openAsCaller(path)
        guard descriptor >= 0 else { throw ReadFailure(code: code) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: partBytes)
        while bytes.count <= bytesMax {
            let count = Foundation.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ReadFailure(code: errno) }
            guard count > 0 else { break }
            bytes += part.prefix(count)
        }
        return bytes
    }
}
