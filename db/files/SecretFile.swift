import Foundation
package import Personas

/// A file that holds one secret text, for nobody but the user of the service to read.
package struct SecretFile: Sendable {
    /// Bytes of the longest secret that is taken from a file; a longer one holds something else.
    private static let textBytesMax = 256

    /// Where it is.
    package let path: String

    init(_ path: String) {
        self.path = path
    }

    /// What the file is called until it is whole.
    static func incompleteName(_ name: String) -> String { name + ".incomplete" }

    /// What it holds, without white space at its end; nil where there is no such file, or one that others could have read or written: a secret that
    /// others may know is none.
    package func read() -> String? {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard number >= 0 else { return nil }
        let file = Descriptor(number: number)
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 == 0,
            status.st_uid == geteuid() || geteuid() == 0, status.st_nlink == 1,
            let bytes = try? PosixFile.read(file.number, at: 0, count: Self.textBytesMax + 1), bytes.count <= Self.textBytesMax
        else { return nil }
        let text = bytes.prefix { $0 != UInt8(ascii: "\n") }
        return text.isEmpty ? nil : String(validating: text, as: UTF8.self)
    }

    /// Puts a text into it (mode 0600) in the place of what it held. It is on disk when this returns, and whatever happens the file holds all of the one
    /// or of the other.
    /// - Throws: `outOfDisk`, `file`, `usedUp`.
    package func write(_ text: String) throws(Failure) {
        let incomplete = Self.incompleteName(path)
        do {
            // One is there after a kill.
            unlink(incomplete)
            try PosixFile.write(Array((text + "\n").utf8), to: incomplete)
            try PosixFile.rename(incomplete, to: path)
            try PosixFile.syncFolder(folder)
        } catch {
            throw Failure(file: error)
        }
    }

    private var folder: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }
}
