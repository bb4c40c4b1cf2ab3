import Foundation
import GRDB
import Personas
import Synchronization

/// Which image files must not go, because somebody is about to write a row that names them, and which are just going.
final class MediaHolds: Sendable {
    private struct State {
        var held: [[UInt8]: Int] = [:]
        var going: Set<[UInt8]> = []
        var waiters: [CheckedContinuation<Bool, Never>] = []
        var pauses = 0
        var resumedAt: Timestamp?
    }

    private let state = Mutex(State())

    /// Holds a file against removal. If it is just going, waits until it is gone, so that the caller writes it anew.
    ///
    /// The wait is as long as one round of removals, two commits and `MediaRemoval.digestsAtOnce` files, and does not end with the caller's task:
    /// who gave up earlier would have to be told apart by every caller, and one that looked again and again would take a processor meanwhile.
    func hold(_ digest: [UInt8]) async {
        await wait { state in
            guard !state.going.contains(digest) else { return false }
            state.held[digest, default: 0] += 1
            return true
        }
    }

    /// Waits until something can be done, and does it. It is tried anew whenever files have gone.
    private func wait(untilDone attempt: @Sendable (inout State) -> Bool) async {
        var isDone = false
        while !isDone {
            isDone = await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    let isDone = attempt(&state)
                    if !isDone { state.waiters.append(continuation) }
                    return isDone
                }
                if isDone { continuation.resume(returning: true) }
            }
        }
    }

    /// Ends one hold.
    func release(_ digest: [UInt8]) {
        state.withLock { state in
            guard let count = state.held[digest] else { return }
            state.held[digest] = count > 1 ? count - 1 : nil
        }
    }

    /// Those of the files that nobody holds, from now on marked as going.
    func beginRemoval(of digests: [[UInt8]]) -> [[UInt8]] {
        state.withLock { state in
            guard state.pauses == 0 else { return [] }
            let free = digests.filter { state.held[$0] == nil && !state.going.contains($0) }
            state.going.formUnion(free)
            return free
        }
    }

    /// The files are gone, or stay after all.
    func endRemoval(of digests: [[UInt8]]) {
        let waiters = state.withLock { state in
            state.going.subtract(digests)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }

    /// Keeps every file from going until `resumeRemovals`, and waits until those are gone that were going already.
    func pauseRemovals() async {
        state.withLock { $0.pauses += 1 }
        await wait { $0.going.isEmpty }
    }

    /// Whether nothing may go for the moment.
    var isPaused: Bool { state.withLock { $0.pauses > 0 } }

    /// Ends one pause.
    func resumeRemovals() {
        state.withLock { state in
            state.pauses -= 1
            state.resumedAt = .now
        }
    }

    /// When the last pause ended, before which nothing could go; nil if there was none.
    var resumedAt: Timestamp? { state.withLock { $0.resumedAt } }
}

/// Takes image files away that no row names.
///
/// First the database says which are needless, then the files go, then the queue forgets them; a crash at any point leaves the queue to
/// start over. A file that somebody holds is left for a later round.
struct MediaRemoval {
    /// Files of one round.
    static let digestsAtOnce = 64

    let folder: MediaFolder

    /// Walks once through the queue that deletions fill. Returns how many files went.
    ///
    /// The walk goes by digest and never back, so that it ends whatever is queued meanwhile, and files that are held or cannot be removed do not
    /// keep it from those behind them.
    func workOffQueue() async throws(Failure) -> Int {
        var total = Outcome()
        // Before every digest, being shorter than any.
        var last: [UInt8] = [0]
        while true {
            let queued = try self.queued(after: last)
            guard let end = queued.last else { break }
            total.add(try await removeRound(queued))
            last = end
        }
        return try total.count()
    }

    /// Looks through some folders for files that a crash left without a row. Returns how many went.
    func sweep(folders: Int) async throws(Failure) -> Int {
        var removed = 0
        for _ in 0..<folders {
            let prefix = UInt8(truncatingIfNeeded: folder.nextFolder.wrappingAdd(1, ordering: .relaxed).oldValue)
            let name = hexadecimal([prefix])
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder.directory)/\(name)")) ?? []
            let digests = names.compactMap { Self.digest(folder: name, name: $0) }
            let unnamed = try folder.readers.read { connection in
                try digests.filter {
                    try connection.first("SELECT 1 FROM media WHERE digest = ?", [.blob($0)], row: { _ in true }) == nil
                }
            }
            removed += try await remove(unnamed)
        }
        return removed
    }

    /// Removes the files that were stored for rows which were then not written. Returns how many went.
    func removeAbandoned() async throws(Failure) -> Int {
        let digests = folder.abandoned.withLock { digests in
            defer { digests = [] }
            return Array(digests)
        }
        // What may not go now would be found by nothing but the sweep, hours later.
        guard !folder.holds.isPaused else {
            folder.noteAbandoned(digests)
            return 0
        }
        do throws(Failure) {
            return try await remove(digests)
        } catch {
            folder.noteAbandoned(digests)
            throw error
        }
    }

    private func queued(after last: [UInt8]) throws(Failure) -> [[UInt8]] {
        try folder.readers.read { connection in
            var digests: [[UInt8]] = []
            try connection.query(
                "SELECT digest FROM media_removal WHERE digest > ? ORDER BY digest LIMIT ?",
                [.blob(last), .integer(Int64(Self.digestsAtOnce))]
            ) { digests.append(Array($0.bytes(0))) }
            return digests
        }
    }

    /// What a removal came to.
    private struct Outcome {
        var removed = 0
        /// Why a file could not be removed, the first if there are several. It stays in the queue, and is no reason to keep the others.
        var failure: Failure?

        mutating func add(_ other: Outcome) {
            removed += other.removed
            failure = failure ?? other.failure
        }

        /// How many files went.
        /// - Throws: why one of them did not.
        func count() throws(Failure) -> Int {
            if let failure { throw failure }
            return removed
        }
    }

    /// Removes those of the files that nothing needs and nobody holds, a few at a time, so that no write waits behind all of them. Returns how many
    /// went.
    func remove(_ digests: [[UInt8]]) async throws(Failure) -> Int {
        var total = Outcome()
        for start in stride(from: 0, to: digests.count, by: Self.digestsAtOnce) {
            total.add(try await removeRound(Array(digests[start..<min(digests.count, start + Self.digestsAtOnce)])))
        }
        return try total.count()
    }

    private func removeRound(_ digests: [[UInt8]]) async throws(Failure) -> Outcome {
        let free = folder.holds.beginRemoval(of: digests)
        defer { folder.holds.endRemoval(of: free) }
        guard !free.isEmpty else { return Outcome() }
        let now = Timestamp.now
        let needless = try await folder.writer.write { db in
            try free.filter { digest in
                // Each is queued anew, even when the queue holds it, because something has to be written before a file goes. A commit that
                // failed for an error of the disk may still lie whole behind the last good one in the log, and recovery after a crash
                // would bring back a row that names the file, unless a later commit took its place.
                try db.run(
                    """
                    INSERT INTO media_removal (digest, queued_at) VALUES (?, ?)
                    ON CONFLICT (digest) DO UPDATE SET queued_at = excluded.queued_at
                    """, [Data(digest), now.milliseconds])
                let isNeeded = try db.firstRow("SELECT 1 FROM image_link WHERE digest = ? LIMIT 1", [Data(digest)]) != nil
                try db.run("DELETE FROM \(isNeeded ? "media_removal" : "media") WHERE digest = ?", [Data(digest)])
                return !isNeeded
            }
        }
        var outcome = Outcome()
        let gone = needless.filter { digest in
            if unlink(folder.path(of: digest)) == 0 || errno == ENOENT { return true }
            outcome.failure = .unexpected("DELETE_FAILED: an image file cannot be removed: \(String(cString: strerror(errno)))")
            return false
        }
        try await folder.writer.write { db in
            for digest in gone { try db.run("DELETE FROM media_removal WHERE digest = ?", [Data(digest)]) }
        }
        outcome.removed = gone.count
        return outcome
    }

    /// The digest that a file of a folder is named by; nil if it is not named as images are.
    static func digest(folder: String, name: String) -> [UInt8]? {
        guard folder.utf8.count == 2, name.utf8.count == 62 else { return nil }
        let digits = Array((folder + name).utf8)
        var digest: [UInt8] = []
        for place in stride(from: 0, to: digits.count, by: 2) {
            // Upper case would be another file's name, and a sign is no digit.
            guard let high = Self.value(ofDigit: digits[place]), let low = Self.value(ofDigit: digits[place + 1]) else { return nil }
            digest.append(high << 4 | low)
        }
        return digest
    }

    private static func value(ofDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
