import Personas

/// What keys have used at this process and at others, as rows tell of it whose numbers only grow. Belongs to the thread of the pulse.
struct SharedRates {
    /// Keys that one pulse tells of, those first that have used the most.
    static let toldMax = 256
    /// Rows of others that one pulse reads, the newest first.
    static let readMax = 4_096
    /// Milliseconds after which a row that nobody adds to is of no more use: a bucket is full again by then.
    static let keptMilliseconds: Int64 = 30_000
    /// Rows of others that are remembered.
    private static let seenMax = 65_536
    /// Milliseconds by which rows may be seen later than they say, because they are committed a moment after.
    private static let overlapMilliseconds: Int64 = 2_000

    /// A row of `rate_use`.
    struct Row {
        let replicaID: Identifier
        let keyID: Identifier
        let begunAt: Int64
        let usedAt: Int64
        let reads: Int64
        let writes: Int64
    }

    private struct Own {
        let begunAt: Int64
        var usedAt: Int64
        var reads: Int64 = 0
        var writes: Int64 = 0
    }

    private struct Source: Hashable {
        let replicaID: Identifier
        let keyID: Identifier
    }

    private var own: [Identifier: Own] = [:]
    private var seen: [Source: Row] = [:]
    /// The server's time of the last look.
    private var lookedAt: Int64

    /// - Parameter now: the server's time: what was used before is not told of.
    init(now: Int64) {
        lookedAt = now
    }

    /// From when on rows are to be read.
    var since: Int64 { lookedAt - Self.overlapMilliseconds }

    /// Keys that are remembered, of this process and of others.
    var rememberedCount: Int { own.count + seen.count }

    /// The rows to be written for what keys have used here.
    mutating func rows(for uses: [RateUse], at now: Int64) -> [(keyID: Identifier, begunAt: Int64, reads: Int64, writes: Int64)] {
        uses.map { use in
            var row = own[use.keyID] ?? Own(begunAt: now, usedAt: now)
            row.reads += Int64(max(0, use.reads))
            row.writes += Int64(max(0, use.writes))
            row.usedAt = now
            own[use.keyID] = row
            return (use.keyID, row.begunAt, row.reads, row.writes)
        }
    }

    /// What others have used since they were looked at last.
    mutating func uses(in rows: [Row], at now: Int64) -> [RateUse] {
        var uses: [Identifier: RateUse] = [:]
        for row in rows {
            let source = Source(replicaID: row.replicaID, keyID: row.keyID)
            var (reads, writes) = (row.reads, row.writes)
            if let before = seen[source], before.begunAt == row.begunAt {
                reads -= before.reads
                writes -= before.writes
            } else if row.begunAt <= since {
                // How much of it is new nobody knows.
                (reads, writes) = (0, 0)
            }
            seen[source] = row
            guard reads > 0 || writes > 0 else { continue }
            uses[row.keyID, default: RateUse(keyID: row.keyID)].add(
                reads: Int(clamping: max(0, reads)), writes: Int(clamping: max(0, writes)))
        }
        lookedAt = now
        forget(before: now - Self.keptMilliseconds)
        return Array(uses.values)
    }

    private mutating func forget(before end: Int64) {
        own = own.filter { $0.value.usedAt >= end }
        seen = seen.filter { $0.value.usedAt >= end }
        // Whoever is forgotten is charged with one pulse less.
        if seen.count > Self.seenMax { seen = [:] }
    }
}
