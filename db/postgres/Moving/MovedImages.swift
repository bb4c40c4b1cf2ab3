import Crypto
import Personas

/// Under which ids the images of a move lie in the bucket. They follow from the move and the digest, so that a move that goes on after it was cut short knows
/// which of them are there, and rows can name them while they are on their way, without a list of all of them in memory.
///
/// The ids are no others' all the same: those of two moves differ, and within one no image has two.
struct MovedObjects: Sendable {
    private let move: [UInt8]

    /// - Parameter id: what tells the move from others.
    init(of id: String) {
        move = Array(id.utf8)
    }

    /// The id of the object of an image: a UUID of version 8, whose bits are the first of a SHA-256.
    func object(of digest: [UInt8]) -> Identifier {
        var hash = SHA256()
        hash.update(data: move)
        hash.update(data: digest)
        var bytes = Array(hash.finalize().prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        return bytes.withUnsafeBytes { Identifier(bytes: $0) } ?? .nilUUID
    }

    /// Where an image lies in the bucket.
    func key(of digest: [UInt8]) -> BlobKey { BlobKey(digest: digest, object: object(of: digest)) }
}

/// Brings the images of a data folder into a bucket, of which some may be there from an earlier time.
struct MovedImages: Sendable {
    /// Images that are on their way at once, each with its bytes in memory.
    private static let atOnce = 8
    /// Rows that are read at a time.
    private static let rowsAtOnce = 1_000

    private typealias Image = (digest: [UInt8], byteCount: Int)

    let reader: any SQLReader
    let source: any BlobStore
    let target: any BlobStore
    let objects: MovedObjects
    let faults: MoveFaults

    /// Stores what the bucket has not.
    /// - Returns: how many that were.
    /// - Throws: `notMovable` for a file that is missing or damaged, `cancelled`, and what the bucket says.
    func store(total: Int, progress: @escaping ProgressHandler) async throws(Failure) -> Int {
        var (done, stored) = (0, 0)
        for prefix in UInt8.min...UInt8.max {
            var present: Set<BlobKey> = []
            try await target.list(prefix) { (keys) async throws(Failure) in present.formUnion(keys) }
            var last: [UInt8]?
            repeat {
                let rows = try await images(prefix, after: last)
                let missing = rows.filter { !present.contains(objects.key(of: $0.digest)) }
                done += rows.count - missing.count
                let before = done
                try await store(missing) { progress(WorkProgress(step: "Storing images", done: before + $0, total: total)) }
                done += missing.count
                stored += missing.count
                last = rows.count == Self.rowsAtOnce ? rows.last?.digest : nil
            } while last != nil
            progress(WorkProgress(step: "Storing images", done: done, total: total))
        }
        return stored
    }

    /// The next images of one of 256 parts.
    private func images(_ prefix: UInt8, after last: [UInt8]?) async throws(Failure) -> [Image] {
        let start = last ?? [prefix]
        return try await reader.read { connection in
            try connection.all(
                "SELECT digest, byte_count FROM media WHERE digest > ? ORDER BY digest LIMIT ?", [start, Self.rowsAtOnce]
            ) { row in (digest: Array(row.bytes(0)), byteCount: Int(row.integer(1))) }.filter { $0.digest.first == prefix }
        }
    }

    private func store(_ images: [Image], _ stored: @Sendable (Int) -> Void) async throws(Failure) {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                var done = 0
                for (place, image) in images.enumerated() {
                    if place >= Self.atOnce {
                        try await group.next()
                        done += 1
                        stored(done)
                    }
                    try Task.checkCancellation()
                    group.addTask { try await store(image) }
                }
                try await group.waitForAll()
            }
        } catch {
            throw Task.isCancelled || error is CancellationError ? .cancelled : error as? Failure ?? .unexpected("\(error)")
        }
    }

    private func store(_ image: Image) async throws(Failure) {
        let name = DataFolder.name(of: BlobKey(digest: image.digest))
        var bytes: [UInt8] = []
        do {
            let blob = try await source.open(BlobKey(digest: image.digest))
            bytes.reserveCapacity(image.byteCount)
            _ = try await blob.send(0..<image.byteCount) { bytes += $0 }
        } catch Failure.notFound {
            throw .notMovable("the file \(name) is missing; see personas check")
        } catch {
            throw error as? Failure ?? (error is CancellationError ? .cancelled : .unexpected("\(error)"))
        }
        guard bytes.count == image.byteCount, try await target.digest(of: bytes) == image.digest else {
            throw .notMovable("the file \(name) is damaged; see personas check")
        }
        try await target.put(bytes, under: objects.key(of: image.digest))
        try faults.meet(.imageStored)
    }
}
