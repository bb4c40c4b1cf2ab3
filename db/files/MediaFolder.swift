import Crypto
import Foundation
import NIOPosix
import Personas
import Synchronization

/// Image bytes as files named by their SHA-256: `media/ab/cdef…`, with `media/incoming` for files on their way.
///
/// A file is written under a temporary name, synced, renamed, and its folder synced, before `store` returns; so a name under `media/ab`
/// always stands for a whole file. Which files are needed is the database's word; see `MediaRemoval`.
final class MediaFolder: MediaStore {
    /// Folders whose leftovers are looked through per call, so that a sweep of millions of files is spread over the hours.
    private static let foldersSweptAtOnce = 1
    /// Abandoned files that are remembered; the sweep finds the others.
    private static let abandonedMax = 10_000

    let directory: String
    let pool: NIOThreadPool
    let writer: GroupWriter
    let readers: ReadPool
    let holds = MediaHolds()
    /// Files that were stored for rows which were then not written; they need no sweep to be found.
    let abandoned = Mutex<Set<[UInt8]>>([])
    /// The folder that the next sweep begins with; only its last byte counts.
    let nextFolder = Atomic<UInt64>(0)

    init(directory: String, threads: Int, writer: GroupWriter, readers: ReadPool) throws {
        self.directory = directory
        self.writer = writer
        self.readers = readers
        pool = NIOThreadPool(numberOfThreads: threads)
        try Self.prepare(directory)
        pool.start()
    }

    func store(_ image: SanitizedImage) async throws(Failure) -> StoredImage {
        do {
            let digest = try await pool.runIfActive { Array(SHA256.hash(data: image.bytes)) }
            await holds.hold(digest)
            do {
                try await pool.runIfActive { try self.write(image.bytes, digest: digest) }
            } catch {
                holds.release(digest)
                // It may lie there under its final name already.
                noteAbandoned([digest])
                throw error
            }
            return StoredImage(digest: digest, format: image.format, width: image.width, height: image.height, byteCount: image.bytes.count)
        } catch let error as PosixFile.CallFailed where error.isOutOfDescriptors {
            throw .outOfDescriptors
        } catch {
            throw .mediaNotStored("\(error)")
        }
    }

    func release(_ images: [StoredImage]) {
        for image in images { holds.release(image.digest) }
    }

    func abandon(_ images: [StoredImage]) {
        release(images)
        noteAbandoned(images.map(\.digest))
    }

    /// Whether a file waits for the next removal to look at it.
    func isAbandoned(_ digest: [UInt8]) -> Bool { abandoned.withLock { $0.contains(digest) } }

    /// Has files looked at in the next removal.
    func noteAbandoned(_ digests: some Sequence<[UInt8]>) {
        abandoned.withLock { abandoned in
            for digest in digests where abandoned.count < Self.abandonedMax { abandoned.insert(digest) }
        }
    }

    func open(_ token: RandomToken) async throws(Failure) -> any MediaContent {
        let image = try readers.read { connection in
            let sql = """
                SELECT digest, format, width, height, byte_count FROM image_link JOIN media USING (digest) WHERE token = ?
                """
            return try connection.first(sql, [.blob(token.bytes)]) { row in
                guard let format = ImageFormat(rawValue: try row.requiredText(1)) else {
                    throw Failure.unexpected("An image is of no known format")
                }
                return StoredImage(
                    digest: Array(row.bytes(0)), format: format, width: Int(row.integer(2)), height: Int(row.integer(3)),
                    byteCount: Int(row.integer(4)))
            }
        }
        guard let image else { throw .notFound }
        return try OpenMediaFile(image: image, path: path(of: image.digest), pool: pool)
    }

    func verifiedBytes(of image: StoredImage) async throws(Failure) -> [UInt8] {
        let content: OpenMediaFile
        do throws(Failure) {
            content = try OpenMediaFile(image: image, path: path(of: image.digest), pool: pool)
        } catch .notFound {
            throw .unexpected("The file of image \(hexadecimal(image.digest)) is missing")
        }
        let bytes = try await content.read(at: 0, count: image.byteCount)
        guard bytes.count == image.byteCount, SHA256.hash(data: bytes).elementsEqual(image.digest) else {
            throw .unexpected("The file of image \(hexadecimal(image.digest)) does not match its digest")
        }
        return bytes
    }

    func removeUnreferenced() async throws(Failure) -> Int {
        let removal = MediaRemoval(folder: self)
        return try await removal.workOffQueue() + removal.removeAbandoned() + removal.sweep(folders: Self.foldersSweptAtOnce)
    }

    func close() {
        pool.shutdownGracefully { _ in }
    }

    /// Where the bytes of a digest lie.
    func path(of digest: [UInt8]) -> String {
        let name = hexadecimal(digest)
        return "\(directory)/\(name.prefix(2))/\(name.dropFirst(2))"
    }

    /// Makes bytes durable under their digest's name. A file that is there already is whole, but its folder's entry may not be on disk yet.
    private func write(_ bytes: [UInt8], digest: [UInt8]) throws {
        let path = path(of: digest)
        if access(path, F_OK) != 0 {
            let temporary = "\(directory)/incoming/\(Identifier.random().text)"
            do {
                try PosixFile.write(bytes, to: temporary)
                try PosixFile.rename(temporary, to: path)
            } catch {
                unlink(temporary)
                throw error
            }
        }
        try PosixFile.syncFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
    }

    /// Makes the folders, durably, and clears what a crash left on its way in.
    private static func prepare(_ directory: String) throws {
        let incoming = directory + "/incoming"
        try? FileManager.default.removeItem(atPath: incoming)
        guard !FileManager.default.fileExists(atPath: directory + "/ff") else {
            return try FileManager.default.createDirectory(
                atPath: incoming, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        for name in ["incoming"] + (0...255).map({ hexadecimal([UInt8($0)]) }) {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        try PosixFile.syncFolder(directory)
        try PosixFile.syncFolder(directory + "/..")
    }
}

/// An image file opened for reading; the open file outlives its name.
private final class OpenMediaFile: MediaContent {
    let image: StoredImage
    private let descriptor: Int32
    private let pool: NIOThreadPool

    init(image: StoredImage, path: String, pool: NIOThreadPool) throws(Failure) {
        descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        // A file may go between the row's reading and this line, when the item is deleted: to the client both are one.
        guard descriptor >= 0 else {
            let error = PosixFile.CallFailed("open")
            guard error.code != ENOENT else { throw .notFound }
            throw error.isOutOfDescriptors ? .outOfDescriptors : .unexpected("An image file cannot be opened: \(error)")
        }
        self.image = image
        self.pool = pool
    }

    deinit {
        Foundation.close(descriptor)
    }

    func read(at offset: Int, count: Int) async throws(Failure) -> [UInt8] {
        do {
            return try await pool.runIfActive { try PosixFile.read(self.descriptor, at: offset, count: count) }
        } catch {
            throw Failure(storage: error)
        }
    }
}
