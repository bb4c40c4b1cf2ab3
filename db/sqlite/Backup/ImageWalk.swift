import Foundation
import GRDB
import NIOPosix
import Personas

/// Goes through all images that a database names, in the order of their digests, a few at a time on several threads.
struct ImageWalk: Sendable {
    /// One image row, as far as its file is concerned.
    struct Image: Sendable {
        let key: BlobKey
        let byteCount: Int
        /// Its file as seen from a data folder or a backup.
        var name: String { DataFolder.name(of: key) }
    }

    /// Images of one round: few enough to notice soon that the rest is not wanted.
    private static let imagesAtOnce = 64
    /// Threads that one round is spread over: enough to keep a disk busy, few enough to leave a running server its own.
    private static let threads = 4

    let database: DatabaseQueue
    let pool: NIOThreadPool

    /// Has every image handled.
    /// - Parameters:
    ///   - step: what this is, for the operator that waits.
    ///   - handle: called on threads of the pool.
    ///   - afterRound: called with a round's images once all of them were handled.
    func run(
        _ step: String, _ progress: ProgressHandler, handle: @escaping @Sendable (Image) throws -> Void,
        afterRound: ([Image]) async throws -> Void = { _ in }
    ) async throws {
        let total = try await database.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM media") ?? 0 }
        var done = 0
        var last = Data()
        while true {
            try Task.checkCancellation()
            let images = try await images(after: last)
            guard let end = images.last else { return }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for first in 0..<Self.threads {
                    group.addTask {
                        try await pool.runIfActive {
                            for index in stride(from: first, to: images.count, by: Self.threads) { try handle(images[index]) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await afterRound(images)
            last = end.key.data
            done += images.count
            progress(WorkProgress(step: step, done: done, total: max(done, total)))
        }
    }

    private func images(after last: Data) async throws -> [Image] {
        try await database.read { db in
            try db.rows("SELECT digest, byte_count FROM media WHERE digest > ? ORDER BY digest LIMIT ?", [last, Self.imagesAtOnce]).map {
                let digest: Data = $0["digest"]
                return Image(key: BlobKey(digest: [UInt8](digest)), byteCount: $0["byte_count"])
            }
        }
    }
}
