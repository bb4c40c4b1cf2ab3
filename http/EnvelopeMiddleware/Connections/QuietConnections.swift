import NIOCore

/// Connections, and which of them was quiet for longest.
///
/// A connection says that it is quiet, or busy, thousands of times a second and without a lock, so that none of these sets can be kept in order.
/// Instead one walk over all of them finds those that are quiet, and they are given out one by one, the longest quiet first, as far as they
/// have not moved since: whatever became quiet after the walk was quiet for less long than all of these. A walk that finds few must not be
/// paid by every newcomer again, so that the next one waits for a number of searches, or a time, in proportion to the set.
struct QuietConnections {
    /// Places looked at for one search, on average, however few of them are quiet.
    private static let looksPerSearch = 64
    /// Nanoseconds between two walks for each place: fifty times what it costs to look at it.
    private static let pauseNanosecondsPerPlace: UInt64 = 1_000

    private var places: [UInt64: ConnectionPlace] = [:]
    /// Those that the last walk found quiet and that were not given out since, the longest quiet one last.
    private var candidates: [(id: UInt64, quietSince: UInt64)] = []
    private var searchesSinceWalk = 0
    private var walkedAt: UInt64 = 0

    /// How many there are.
    var count: Int { self.places.count }

    /// Adds a connection.
    mutating func insert(_ place: ConnectionPlace) { self.places[place.id] = place }

    /// Removes a connection, if it is there.
    mutating func remove(_ place: ConnectionPlace) { self.places[place.id] = nil }

    /// The connection that was quiet for longest, which the caller is to remove, or nil where none is known to be quiet.
    mutating func takeLongestQuiet(at now: NIODeadline = .now()) -> ConnectionPlace? {
        self.searchesSinceWalk += 1
        if let place = self.nextCandidate() { return place }
        let now = now.uptimeNanoseconds
        guard self.isWalkDue(at: now) else { return nil }
        (self.searchesSinceWalk, self.walkedAt) = (0, now)
        self.candidates = self.places.values.compactMap { place in
            let quietSince = place.quietSince
            return quietSince <= now ? (place.id, quietSince) : nil
        }
        self.candidates.sort { $0.quietSince > $1.quietSince }
        return self.nextCandidate()
    }

    private func isWalkDue(at now: UInt64) -> Bool {
        self.searchesSinceWalk * Self.looksPerSearch >= self.places.count
            || now >= self.walkedAt + UInt64(self.places.count) * Self.pauseNanosecondsPerPlace
    }

    private mutating func nextCandidate() -> ConnectionPlace? {
        while let (id, quietSince) = self.candidates.popLast() {
            if let place = self.places[id], place.quietSince == quietSince { return place }
        }
        return nil
    }
}
