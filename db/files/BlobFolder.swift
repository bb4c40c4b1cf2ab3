import Foundation
import Personas

/// Where blobs lie in a folder: a file is named by its digest, `ab/cdef…`, and on its way in it lies in `incoming`.
struct BlobFolder: Sendable {
    /// The folder for files on their way in.
    static let incomingName = "incoming"
    /// The names of the folders of files, in their order.
    static let prefixNames = (0...255).map { hexadecimal([UInt8($0)]) }

    /// The folder itself.
    let path: String

    init(_ path: String) {
        self.path = path
    }

    /// Where files lie on their way in.
    var incoming: String { "\(path)/\(Self.incomingName)" }

    /// The folder of the files whose digests begin with a byte.
    func folder(_ prefix: UInt8) -> String { "\(path)/\(hexadecimal([prefix]))" }

    /// A blob's file.
    func file(of key: BlobKey) -> String { "\(path)/\(Self.name(of: key))" }

    /// A blob's file as seen from the folder.
    static func name(of key: BlobKey) -> String {
        let digits = hexadecimal(key.digest)
        return "\(digits.prefix(2))/\(digits.dropFirst(2))"
    }

    /// The blob that a file of a folder stands for; nil if it is not named as blobs are.
    static func key(folder: String, name: String) -> BlobKey? {
        guard folder.utf8.count == 2, name.utf8.count == 62 else { return nil }
        let digits = Array((folder + name).utf8)
        var digest: [UInt8] = []
        for place in stride(from: 0, to: digits.count, by: 2) {
            // Upper case would be another file's name, and a sign is no digit.
            guard let high = value(ofDigit: digits[place]), let low = value(ofDigit: digits[place + 1]) else { return nil }
            digest.append(high << 4 | low)
        }
        return BlobKey(digest: digest)
    }

    private static func value(ofDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// Makes the folder, durably, where it is missing, and clears what a crash left on its way in.
    func prepare() throws {
        try? FileManager.default.removeItem(atPath: incoming)
        guard !FileManager.default.fileExists(atPath: folder(.max)) else { return try Self.makeMissing(incoming) }
        for name in [Self.incomingName] + Self.prefixNames { try Self.makeMissing("\(path)/\(name)") }
        try PosixFile.syncFolder(path)
        try PosixFile.syncFolder(path + "/..")
    }

    private static func makeMissing(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// Makes the folder, which must not be there yet, with room for files that have arrived.
    func make() throws {
        try PosixFile.makeFolder(path)
        for name in Self.prefixNames { try PosixFile.makeFolder("\(path)/\(name)") }
    }

    /// Waits until the entries of all files that have arrived are on disk.
    func sync() throws {
        for name in Self.prefixNames { try PosixFile.syncFolder("\(path)/\(name)") }
        try PosixFile.syncFolder(path)
    }
}
