import Synchronization

/// Takes the bytes of images away that no row names: those that deletions queued, those that were abandoned, and those that a crash left behind.
///
/// First the index says which are needless, then the bytes go, then the queue forgets them; a crash at any point leaves the queue to start over.
/// What is pinned is left for a later round.
package final class BlobCollector: Sendable {
    /// Blobs of one round, so that no write waits behind all of them.
    package static let keysAtOnce = 64
    /// Hours for which a blob without a row stays in a store that tells how old its blobs are: far longer than any request stores images, and long enough
    /// for an operator to find that the rows are of another bucket.
    package static let strayHoursMin = 24

    private let index: any ImageIndex
    private let blobs: any BlobStore
    private let clock: WallClock
    /// The part that the next sweep looks through.
    private let nextPrefix = Atomic<UInt8>(0)

    /// Ties the use case to its ports.
    package init(index: any ImageIndex, blobs: any BlobStore, clock: WallClock) {
        self.index = index
        self.blobs = blobs
        self.clock = clock
    }

    /// Works off the queue, then sweeps one of 256 parts of the store, so that a sweep of millions of blobs is spread over the hours.
    /// - Returns: how many blobs went.
    /// - Throws: why one of them did not; the others are gone all the same.
    package func collect() async throws(Failure) -> Int {
        let removed = try await workOffQueue()
        return removed + (try await sweep(nextPrefix.wrappingAdd(1, ordering: .relaxed).oldValue))
    }

    /// Walks once through what deletions queued and callers abandoned. Returns how many blobs went.
    ///
    /// The walk goes by key and never back, so that it ends whatever is queued meanwhile, and blobs that are pinned or cannot be removed do not
    /// keep it from those behind them.
    private func workOffQueue() async throws(Failure) -> Int {
        var total = Outcome()
        var last: BlobKey?
        while true {
            let queued = try await index.removals(after: last, limit: Self.keysAtOnce)
            guard let end = queued.last else { break }
            total.add(try await removeRound(queued))
            last = end
        }
        return try total.count()
    }

    /// Looks through one part of the store for blobs that a crash left without a row. Returns how many went.
    package func sweep(_ prefix: UInt8) async throws(Failure) -> Int {
        var removed = 0
        let youngest = clock.now.adding(seconds: -Self.strayHoursMin * 3_600)
        try await blobs.listWithTimes(prefix) { (listed) async throws(Failure) in
            let old = listed.filter { blob in blob.modifiedAt.map { $0 <= youngest } ?? true }
            removed += try await self.remove(try await self.index.unnamed(among: old.map(\.key)))
        }
        return removed
    }

    /// Removes those of the blobs that nothing needs and nothing pins, a few at a time. Returns how many went.
    /// - Throws: why one of them did not go; the others are gone all the same.
    package func remove(_ keys: [BlobKey]) async throws(Failure) -> Int {
        var total = Outcome()
        for start in stride(from: 0, to: keys.count, by: Self.keysAtOnce) {
            total.add(try await removeRound(Array(keys[start..<min(keys.count, start + Self.keysAtOnce)])))
        }
        return try total.count()
    }

    private func removeRound(_ keys: [BlobKey]) async throws(Failure) -> Outcome {
        var outcome = Outcome()
        outcome.removed = try await index.remove(keys, at: clock.now) { needless in
            var gone: [BlobKey] = []
            for key in needless {
                do throws(Failure) {
                    try await self.blobs.delete(key)
                    gone.append(key)
                } catch {
                    outcome.failure = outcome.failure ?? error
                }
            }
            return gone
        }
        return outcome
    }

    /// What a removal came to.
    private struct Outcome {
        var removed = 0
        /// Why a blob could not be removed, the first if there are several. It stays in the queue, and is no reason to keep the others.
        var failure: Failure?

        mutating func add(_ other: Outcome) {
            removed += other.removed
            failure = failure ?? other.failure
        }

        /// How many blobs went.
        /// - Throws: why one of them did not.
        func count() throws(Failure) -> Int {
            if let failure { throw failure }
            return removed
        }
    }
}
