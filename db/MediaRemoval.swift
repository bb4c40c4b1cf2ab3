import Foundation
import GRDB
import Personas
import Synchronization

/// Which image files must not go, because somebody is about to write a row that names them, and which are just going.
final class MediaHolds: Sendable {
    private struct State {
        var held: [[UInt8]: Int] = [:]
        var going: Set<[UInt8]> = []
    }

    private let state = Mutex(State())
    private let gone = Bell()

    /// Holds a file against removal. If it is just going, waits until it is gone, so that the caller writes it anew.
    func hold(_ digest: [UInt8]) async {
        while true {
            let seen = gone.count
            let isHeld = state.withLock { state in
                guard !state.going.contains(digest) else { return false }
                state.held[digest, default: 0] += 1
                return true
            }
            if isHeld { return }
            await gone.wait(after: seen, atMost: .seconds(1))
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
            let free = digests.filter { state.held[$0] == nil && !state.going.contains($0) }
            state.going.formUnion(free)
            return free
        }
    }

    /// The files are gone, or stay after all.
    func endRemoval(of digests: [[UInt8]]) {
        state.withLock { $0.going.subtract(digests) }
        gone.ring()
    }
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
    /// The walk goes by digest and never back, so that it ends whatever is queued meanwhile, and files that are held do not keep it from
    /// those behind them.
    func workOffQueue() async throws(Failure) -> Int {
        var removed = 0
        // Before every digest, being shorter than any.
        var last: [UInt8] = [0]
        while true {
            let queued = try self.queued(after: last)
            guard let end = queued.last else { return removed }
            removed += try await remove(queued)
            last = end
        }
    }

    /// Looks through some folders for files that a crash left without a row. Returns how many went.
    func sweep(folders: Int) async throws(Failure) -> Int {
        var removed = 0
        for _ in 0..<folders {
            let prefix = UInt8(truncatingIfNeeded: folder.nextFolder.wrappingAdd(1, ordering: .relaxed).oldValue)
            let path = "\(folder.directory)/\(hexadecimal([prefix]))"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            let digests = names.compactMap { Self.digest(prefix: prefix, name: $0) }
            let unnamed = try folder.readers.read { connection in
                try digests.filter {
                    try connection.first("SELECT 1 FROM media WHERE digest = ?", [.blob($0)], row: { _ in true }) == nil
                }
            }
            if !unnamed.isEmpty { removed += try await remove(unnamed) }
        }
        return removed
    }

    /// Removes the files that were stored for rows which were then not written. Returns how many went.
    func removeAbandoned() async throws(Failure) -> Int {
        let digests = folder.abandoned.withLock { digests in
            defer { digests = [] }
            return Array(digests)
        }
        var removed = 0
        for start in stride(from: 0, to: digests.count, by: Self.digestsAtOnce) {
            do throws(Failure) {
                removed += try await remove(Array(digests[start..<min(digests.count, start + Self.digestsAtOnce)]))
            } catch {
                folder.noteAbandoned(digests[start...])
                throw error
            }
        }
        return removed
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

    private func remove(_ digests: [[UInt8]]) async throws(Failure) -> Int {
        let free = folder.holds.beginRemoval(of: digests)
        defer { folder.holds.endRemoval(of: free) }
        guard !free.isEmpty else { return 0 }
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
        for digest in needless {
            let path = folder.path(of: digest)
            guard unlink(path) == 0 || errno == ENOENT else {
                throw .unexpected("DELETE_FAILED: an image file cannot be removed: \(String(cString: strerror(errno)))")
            }
        }
        try await folder.writer.write { db in
            for digest in needless { try db.run("DELETE FROM media_removal WHERE digest = ?", [Data(digest)]) }
        }
        return needless.count
    }

    private static func digest(prefix: UInt8, name: String) -> [UInt8]? {
        guard name.utf8.count == 62 else { return nil }
        var digest = [prefix]
        var rest = name[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            digest.append(byte)
            rest = rest.dropFirst(2)
        }
        return digest
    }
}
