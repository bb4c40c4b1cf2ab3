import Foundation
import Personas
import Synchronization

/// How much is stored, by counts that triggers keep, a walk through the rows of images, and what the system says of files and disks.
final class SQLiteStoreUsage: StoreUsage {
    /// Images that are added up before others have their turn on the thread.
    private static let imagesAtOnce = 20_000

    private struct Counted {
        let volume: ImageVolume
        let isGoodUntil: ContinuousClock.Instant
    }

    private let folder: DataFolder
    private let scans: ScanPool
    private let writer: GroupWriter
    private let pause: @Sendable (Duration) -> Duration
    private let turn = AsyncMutex()
    private let counted = Mutex<Counted?>(nil)

    /// - Parameter pause: how long a count of images is told, by how long it took.
    init(folder: DataFolder, scans: ScanPool, writer: GroupWriter, pause: @escaping @Sendable (Duration) -> Duration) {
        self.folder = folder
        self.scans = scans
        self.writer = writer
        self.pause = pause
    }

    var waitingWrites: Int { writer.waitingCount }

    func contents() async throws(Failure) -> StoreContents {
        try await scans.scan(StoredContents.read)
    }

    func images() async throws(Failure) -> ImageVolume {
        if let known { return known }
        do {
            return try await turn.withLock {
                // Of those that ask at once one counts.
                if let known { return known }
                let start = ContinuousClock.now
                let volume = try await count()
                let end = ContinuousClock.now
                let new = Counted(volume: volume, isGoodUntil: end + pause(start.duration(to: end)))
                counted.withLock { $0 = new }
                return volume
            }
        } catch {
            throw error is CancellationError ? .cancelled : Failure(storage: error)
        }
    }

    func disk() -> DiskUse {
        let log = PosixFile.byteCount(of: folder.databaseCompanions[0]) ?? 0
        let free = [folder.path, folder.media.path].compactMap { PosixFile.freeBytes(at: $0) }.min()
        return DiskUse(databaseBytes: PosixFile.byteCount(of: folder.database).map { $0 + log }, freeBytes: free)
    }

    /// What was counted last, as long as it may be told.
    private var known: ImageVolume? {
        counted.withLock { counted in counted.flatMap { $0.isGoodUntil > .now ? $0.volume : nil } }
    }

    private func count() async throws(Failure) -> ImageVolume {
        var volume = ImageVolume()
        var end: [UInt8]?
        repeat {
            let start: [UInt8] = end ?? []
            let part = try await scans.scan { connection in
                try connection.first(
                    """
                    SELECT count(*), coalesce(sum(byte_count), 0), max(digest)
                    FROM (SELECT digest, byte_count FROM media WHERE digest > ? ORDER BY digest LIMIT ?)
                    """, [start, Self.imagesAtOnce]
                ) { row -> (images: Int, bytes: Int, end: [UInt8]) in (Int(row.integer(0)), Int(row.integer(1)), Array(row.bytes(2))) }
            }
            volume.images += part?.images ?? 0
            volume.bytes += part?.bytes ?? 0
            end = part?.end
        } while end?.isEmpty == false
        return volume
    }
}
