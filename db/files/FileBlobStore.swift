import Crypto
import Foundation
import NIOPosix
import Personas

/// Blobs as files, each named by its digest; see `BlobFolder`.
///
/// A file is written under a temporary name, synced, renamed, and its folder synced, before `put` returns; so a digest's name always stands for a
/// whole file.
///
/// Each file and each folder is synced by a call of its own, side by side on many threads. File systems gather what is synced at one time into one
/// commit, so waiting to gather it here gains nothing; that two files of one moment lie in one of the 256 folders is rare, and a sync of the whole
/// file system would wait for whatever other programs have written.
final class FileBlobStore: BlobStore {
    /// Threads that read what clients fetch: few, because what they read mostly lies in memory.
    private static let sendingThreads = 4

    let folder: BlobFolder
    /// Threads that wait for the disk.
    let pool: NIOThreadPool
    /// Threads for what clients fetch, so that it does not wait behind all that others store at the same time.
    private let sendingPool = NIOThreadPool(numberOfThreads: sendingThreads)

    /// Opens a folder, making it where it is missing.
    init(folder: BlobFolder, threads: Int) throws {
        self.folder = folder
        pool = NIOThreadPool(numberOfThreads: threads)
        try folder.prepare()
        pool.start()
        sendingPool.start()
    }

    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] {
        // What takes less time than going to another thread and back is done here.
        guard bytes.count > BodyDecoding.smallBytesMax else { return Array(SHA256.hash(data: bytes)) }
        do {
            return try await pool.runIfActive { Array(SHA256.hash(data: bytes)) }
        } catch {
            throw .mediaNotStored("\(error)")
        }
    }

    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) {
        do {
            try await pool.runIfActive {
                ThreadPriority.standBack()
                try self.write(bytes, under: key)
            }
        } catch let error as PosixFile.CallFailed where error.isOutOfDescriptors {
            throw .outOfDescriptors
        } catch {
            throw .mediaNotStored("\(error)")
        }
    }

    /// Makes bytes durable under their key's name. A file that is there already is whole, but its folder's entry may not be on disk yet.
    private func write(_ bytes: [UInt8], under key: BlobKey) throws {
        let path = folder.file(of: key)
        if access(path, F_OK) != 0 {
            let temporary = "\(folder.incoming)/\(Identifier.random().text)"
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

    func open(_ key: BlobKey) async throws(Failure) -> any Blob { try openFile(key) }

    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool {
        let file = try openFile(key)
        do {
            return try await pool.runIfActive { try file.digest() == key.digest }
        } catch {
            throw Failure(file: error)
        }
    }

    private func openFile(_ key: BlobKey) throws(Failure) -> FileBlob {
        let descriptor = Foundation.open(folder.file(of: key), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let error = PosixFile.CallFailed("open")
            guard error.code != ENOENT else { throw .notFound }
            throw error.isOutOfDescriptors ? .outOfDescriptors : .unexpected("An image file cannot be opened: \(error)")
        }
        return FileBlob(file: Descriptor(number: descriptor), pool: sendingPool)
    }

    func delete(_ key: BlobKey) async throws(Failure) {
        // Not on the pool's threads, which do nothing more for a task that is cancelled: what is on its way out goes, also when the server stops.
        guard unlink(folder.file(of: key)) == 0 || errno == ENOENT else {
            throw .mediaNotRemoved(String(cString: strerror(errno)))
        }
    }

    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
        // A folder that cannot be read now is looked through when its turn comes again.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.folder(prefix))) ?? []
        try await sink(names.compactMap { BlobFolder.key(folder: hexadecimal([prefix]), name: $0) })
    }

    /// Ends the threads. No call may be under way or follow.
    func close() {
        pool.shutdownGracefully { _ in }
        sendingPool.shutdownGracefully { _ in }
    }
}

/// An open file, which outlives its name.
private final class FileBlob: Blob {
    private let file: Descriptor
    private let pool: NIOThreadPool

    init(file: consuming Descriptor, pool: NIOThreadPool) {
        self.file = file
        self.pool = pool
    }

    func send(_ range: Range<Int>, to sink: ([UInt8]) async throws -> Void) async throws -> Int {
        var place = range.lowerBound
        while place < range.upperBound {
            let count = min(Limits.blobChunkBytesMax, range.upperBound - place)
            let chunk = try await read(at: place, count: count)
            guard chunk.count == count else { break }
            try await sink(chunk)
            place += count
        }
        return place - range.lowerBound
    }

    private func read(at place: Int, count: Int) async throws(Failure) -> [UInt8] {
        do {
            return try await pool.runIfActive { try PosixFile.read(self.file.number, at: place, count: count) }
        } catch {
            throw Failure(file: error)
        }
    }

    /// The SHA-256 of all bytes. To be called on a thread that may wait.
    func digest() throws -> [UInt8] { try PosixFile.digest(of: file.number).digest }
}
