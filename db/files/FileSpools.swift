import Crypto
import Foundation
import NIOPosix
import Personas
import Synchronization

/// Archives on their way in, as files in a folder of the data folder that is emptied at each start. Each has a name for no longer than it takes to open
/// it, so that nothing is left of one whatever becomes of the process.
final class FileSpools: ArchiveSpools {
    /// Threads for archives: as many as are verified at once, and as many again, so that those that are being taken in do not wait for them.
    private static let threads = 4

    private let folder: String
    private let pool = NIOThreadPool(numberOfThreads: threads)

    /// - Parameter folder: that of files on their way in.
    init(folder: String) {
        self.folder = folder
        pool.start()
    }

    func makeDigest() -> any RunningDigest { CryptoDigest() }

    func makeSpool(for byteCount: Int?) throws(Failure) -> any ArchiveSpool {
        let spool = FileSpool(file: try open(), pool: pool)
        try spool.requireRoom(for: byteCount ?? 0)
        return spool
    }

    func makeIndex() throws(Failure) -> any DigestIndex { FileDigestIndex(file: try open()) }

    /// Ends the threads. No call may be under way or follow.
    func close() { pool.shutdownGracefully { _ in } }

    private func open() throws(Failure) -> Descriptor {
        let path = "\(folder)/\(Identifier.random().text)"
        let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(spool: PosixFile.CallFailed("open", path)) }
        unlink(path)
        return Descriptor(number: descriptor)
    }
}

extension Failure {
    /// What an error on the way to a spooled archive means: that nothing was done, where the disk is full.
    fileprivate init(spool error: PosixFile.CallFailed) {
        self = error.isOutOfDisk ? .storeBusy("The disk has no room for an archive") : Failure(file: error)
    }
}

/// SHA-256 by the library.
private struct CryptoDigest: RunningDigest {
    private var hash = SHA256()

    mutating func add(_ bytes: [UInt8]) { hash.update(data: bytes) }

    func finish() -> [UInt8] { Array(hash.finalize()) }
}

/// One archive on its way in.
private final class FileSpool: ArchiveSpool {
    /// Bytes that an archive leaves free on the disk, for all else that is written there meanwhile.
    private static let freeBytesMin = 256 * 1_024 * 1_024
    /// How often an archive whose length is not known looks at the disk.
    private static let lookBytes = 16 * 1_024 * 1_024

    private struct State {
        var hash = SHA256()
        var byteCount = 0
    }

    private let file: Descriptor
    private let pool: NIOThreadPool
    private let state = Mutex(State())

    init(file: consuming Descriptor, pool: NIOThreadPool) {
        self.file = file
        self.pool = pool
    }

    var digest: [UInt8] { state.withLock { Array($0.hash.finalize()) } }

    func append(_ bytes: [UInt8]) async throws(Failure) {
        try await onThread { () throws(Failure) in
            let before = self.state.withLock { state in
                state.hash.update(data: bytes)
                state.byteCount += bytes.count
                return state.byteCount - bytes.count
            }
            if before / Self.lookBytes != (before + bytes.count) / Self.lookBytes { try self.requireRoom(for: 0) }
            do {
                try PosixFile.append(bytes, to: self.file.number, "archive")
            } catch let error as PosixFile.CallFailed {
                throw Failure(spool: error)
            } catch {
                throw Failure(file: error)
            }
        }
    }

    func perform<Value: Sendable>(
        _ work: @escaping @Sendable (any ArchiveFile) throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await onThread { () throws(Failure) in
            ThreadPriority.standBack()
            return try work(SpooledBytes(spool: self, byteCount: self.state.withLock { $0.byteCount }))
        }
    }

    private func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws(Failure) -> Value) async throws(Failure) -> Value {
        do {
            return try await pool.runIfActive { try work() }
        } catch {
            throw Failure(file: error)
        }
    }

    /// Makes sure that the disk has room for further bytes, and for what else is written meanwhile.
    func requireRoom(for byteCount: Int) throws(Failure) {
        var status = statvfs()
        guard fstatvfs(file.number, &status) == 0 else { return }
        guard Int(status.f_bavail) * Int(status.f_frsize) - Self.freeBytesMin >= byteCount else {
            throw .storeBusy("The disk has no room for an archive")
        }
    }

    fileprivate func read(at offset: Int, count: Int) throws(Failure) -> [UInt8] {
        do {
            return try PosixFile.read(file.number, at: offset, count: count)
        } catch {
            throw Failure(file: error)
        }
    }
}

/// What was spooled.
private struct SpooledBytes: ArchiveFile {
    let spool: FileSpool
    let byteCount: Int

    func read(at offset: Int, count: Int) throws(Failure) -> [UInt8] { try spool.read(at: offset, count: count) }
}
