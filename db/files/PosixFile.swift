import Foundation
import Personas

/// An open file, closed with the last reference to it.
struct Descriptor: ~Copyable, Sendable {
    /// What system calls know it by.
    let number: Int32

    deinit {
        close(number)
    }
}

/// What a name leads to or a descriptor stands for: two of them are equal as long as both mean one file.
struct FileIdentity: Equatable {
    private let device: UInt
    private let number: UInt

    /// That of an open file.
    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        (device, number) = (UInt(status.st_dev), UInt(status.st_ino))
    }

    /// That of a name, nil if it leads to nothing.
    init?(of name: String, in folder: Int32 = AT_FDCWD, isFollowingLinks: Bool = false) {
        var status = stat()
        guard fstatat(folder, name, &status, isFollowingLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        (device, number) = (UInt(status.st_dev), UInt(status.st_ino))
    }
}

/// File operations whose failures are to be told apart and whose durability matters, which Foundation hides.
enum PosixFile {
    /// A system call that failed.
    struct CallFailed: Error, CustomStringConvertible {
        let call: String
        /// The file or folder; nil where only a descriptor is known.
        let path: String?
        let code: Int32

        init(_ call: String, _ path: String? = nil, code: Int32 = errno) {
            self.call = call
            self.path = path
            self.code = code
        }

        var description: String { failure.text }

        /// The same in the domain's words.
        var failure: FileFailure { FileFailure(operation: call, path: path, reason: String(cString: strerror(code))) }

        /// Whether the call failed for want of a descriptor, and may succeed when others were closed.
        var isOutOfDescriptors: Bool { PosixFile.isOutOfDescriptors(code) }

        /// Whether the call failed because the disk is full, or what of it may be used.
        var isOutOfDisk: Bool { code == ENOSPC || code == EDQUOT }
    }

    /// Does something through Foundation, whose errors hide the system's reason.
    static func calling<Value>(_ call: String, _ path: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as CocoaError {
            guard let reason = error.underlying as? POSIXError else { throw error }
            throw CallFailed(call, path, code: reason.code.rawValue)
        }
    }

    /// Whether an `errno` means that the process or the machine has as many files open as it may.
    static func isOutOfDescriptors(_ code: Int32) -> Bool { code == EMFILE || code == ENFILE }

    /// The `errno` of opening a file for reading; 0 if it can be opened.
    static func codeOfOpening(_ path: String) -> Int32 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return errno }
        close(descriptor)
        return 0
    }

    /// Writes a new file (mode 0600) and waits until its bytes are on disk.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CallFailed("open", path) }
        defer { close(descriptor) }
        try append(bytes, to: descriptor, path)
        guard fsync(descriptor) == 0 else { throw CallFailed("fsync", path) }
    }

    /// Writes all bytes at the place where an open file stands.
    static func append(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws {
        try bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let count = Foundation.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw CallFailed("write", path) }
                written += count
            }
        }
    }

    /// Gives a file its final name.
    static func rename(_ path: String, to target: String) throws {
        guard Foundation.rename(path, target) == 0 else { throw CallFailed("rename", target) }
    }

    /// Waits until a folder's entries are on disk.
    static func syncFolder(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CallFailed("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CallFailed("fsync", path) }
    }

    /// Reads up to `count` bytes from an offset; fewer only at the file's end.
    static func read(_ descriptor: Int32, at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, off_t(offset + filled))
                if got < 0 && errno == EINTR { continue }
                guard got >= 0 else { throw CallFailed("pread") }
                if got == 0 { break }
                filled += got
            }
        }
    }
}
