import Foundation
import NIOCore
import NIOPosix
import PersonasDB

/// The bytes of an archive that an operator names, part by part: those of a file, or of standard input.
struct GivenArchive: AsyncSequence, Sendable {
    /// What stands for standard input, and for standard output.
    static let standardStream = "-"
    private static let partBytes = 262_144

    /// How many bytes there are; nil where only their end tells.
    let byteCount: Int?
    private let descriptor: OpenDescriptor
    private let path: String

    /// Opens an archive with the operator's own rights.
    init(_ path: String) throws(CommandFailure) {
        self.path = path
        guard path != Self.standardStream else {
            (descriptor, byteCount) = (OpenDescriptor(number: STDIN_FILENO), nil)
            return
        }
        let (number, code) = FolderOwner.openAsCaller(path)
        guard number >= 0 else { throw Self.unreadable(path, GivenFile.ReadFailure(code: code).reason) }
        descriptor = OpenDescriptor(number: number)
        // It is a regular file, which has an end to go to.
        byteCount = Int(lseek(number, 0, SEEK_END))
        lseek(number, 0, SEEK_SET)
    }

    private static func unreadable(_ path: String, _ reason: String) -> CommandFailure {
        CommandFailure(.failed, "\(path == standardStream ? "standard input" : path) cannot be read: \(reason)")
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let archive: GivenArchive

        /// Read on a thread that may wait, because standard input may be a pipe.
        mutating func next() async throws -> ByteBuffer? {
            let (number, path) = (archive.descriptor.number, archive.path)
            let part = try await NIOThreadPool.singleton.runIfActive {
                var part = [UInt8](repeating: 0, count: GivenArchive.partBytes)
                while true {
                    let count = read(number, &part, part.count)
                    if count < 0, errno == EINTR { continue }
                    guard count >= 0 else { throw GivenArchive.unreadable(path, String(cString: strerror(errno))) }
                    return Array(part.prefix(count))
                }
            }
            return part.isEmpty ? nil : ByteBuffer(bytes: part)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(archive: self) }
}

/// A descriptor that is closed with its last reference, unless it is a standard stream.
private final class OpenDescriptor: Sendable {
    let number: Int32

    init(number: Int32) {
        self.number = number
    }

    deinit { if number > STDERR_FILENO { close(number) } }
}
