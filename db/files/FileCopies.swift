import Crypto
import Foundation

extension PosixFile {
    /// Bytes that are read or written at once: as few as are got from the heap for an image of 20 KB without asking the system for pages, which
    /// has to stop the other threads when they are given back.
    private static let chunkBytes = 64 * 1_024

    /// The SHA-256 and the length of a file, read in parts.
    static func digest(of path: String) throws -> (digest: [UInt8], byteCount: Int) {
        try reading(path) { try digest(of: $0) }
    }

    /// The SHA-256 and the length of an open file, read in parts.
    static func digest(of descriptor: Int32) throws -> (digest: [UInt8], byteCount: Int) {
        var hash = SHA256()
        let byteCount = try chunks(of: descriptor) { hash.update(data: $0) }
        return (Array(hash.finalize()), byteCount)
    }

    /// Copies a file's bytes into a new one (mode 0600) and waits until they are on disk.
    static func copy(_ path: String, to target: String) throws {
        let descriptor = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CallFailed("open", target) }
        defer { close(descriptor) }
        _ = try reading(path) { try chunks(of: $0) { try append($0, to: descriptor, target) } }
        guard fsync(descriptor) == 0 else { throw CallFailed("fsync", target) }
    }

    /// Gives a file that never changes a second name, where both lie on one file system; copies it otherwise.
    ///
    /// A file that others could change or take away is copied, too.
    static func linkOrCopy(_ path: String, to target: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw CallFailed("open", path) }
        let isOwn = status.st_uid == geteuid() && status.st_mode & 0o777 == 0o600 && status.st_mode & S_IFMT == S_IFREG
        if isOwn, link(path, target) == 0 { return }
        try copy(path, to: target)
    }

    /// Waits until a file's bytes are on disk, whichever descriptor wrote them.
    static func syncFile(_ path: String) throws {
        try reading(path) { descriptor in
            guard fsync(descriptor) == 0 else { throw CallFailed("fsync", path) }
        }
    }

    /// Makes a folder (mode 0700) that is not there yet.
    static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 else { throw CallFailed("mkdir", path) }
    }

    /// The path of the folder that holds a file or folder. By a URL, because that of `NSString` ends the process for a name of one character.
    private static func folder(of path: String) -> String { URL(fileURLWithPath: path).deletingLastPathComponent().path }

    /// Makes a folder (mode 0700) and those above it that are missing, and waits until their names are on disk.
    static func makeFolders(_ path: String) throws {
        var missing: [String] = []
        var place = path
        while !place.isEmpty, place != "/", !exists(place) {
            missing.append(place)
            place = folder(of: place)
        }
        for folder in missing.reversed() {
            // Another process may make it at the same time, and "." is there already.
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw CallFailed("mkdir", folder) }
            // Where one may make a folder without being allowed to read the one above, nothing can be waited for.
            do { try syncFolder(Self.folder(of: folder)) } catch let error as CallFailed where error.code == EACCES {}
        }
    }

    /// Removes a file, if it is there.
    static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw CallFailed("unlink", path) }
    }

    /// Removes an empty folder, if it is there.
    static func removeFolder(_ path: String) throws {
        guard rmdir(path) == 0 || errno == ENOENT else { throw CallFailed("rmdir", path) }
    }

    /// Removes a folder with all that is in it, if it is there.
    static func removeTree(_ path: String) throws {
        guard exists(path) else { return }
        try calling("remove", path) { try FileManager.default.removeItem(atPath: path) }
    }

    /// Whether a path leads to anything, be it a link to nowhere. What cannot be looked at counts as something, so that whoever opens it is told why.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }

    /// Whether a path is that of a folder, and not of a link to one.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The length of a file; nil where there is none.
    static func byteCount(of path: String) -> Int? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// Bytes that are left to this user on the disk of a file or folder; nil where that cannot be told.
    static func freeBytes(at path: String) -> Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let (bytes, isOver) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isOver ? Int.max : Int(clamping: bytes)
    }

    /// The path of a folder as it is without links and dots.
    static func realPath(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

    /// The names in a folder but for that which file systems put there themselves; none if there is no such folder.
    static func names(in path: String) throws -> [String] {
        guard exists(path) else { return [] }
        return try calling("read", path) { try FileManager.default.contentsOfDirectory(atPath: path) }.filter { $0 != "lost+found" }
            .sorted()
    }

    /// Opens a file for as long as a body reads it.
    private static func reading<Value>(_ path: String, _ body: (Int32) throws -> Value) throws -> Value {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw CallFailed("open", path) }
        defer { close(descriptor) }
        return try body(descriptor)
    }

    /// Hands out an open file's bytes part by part. Returns how many there were.
    private static func chunks(of descriptor: Int32, _ body: ([UInt8]) throws -> Void) throws -> Int {
        var offset = 0
        while true {
            let bytes = try read(descriptor, at: offset, count: chunkBytes)
            try body(bytes)
            offset += bytes.count
            if bytes.count < chunkBytes { return offset }
        }
    }
}
