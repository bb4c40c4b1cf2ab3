import Personas
import Synchronization

/// Which blobs must not be deleted, because a row that names them is about to be written, which are just being deleted, and which were abandoned.
///
/// All of it lies in memory, because one process alone opens a data folder.
final class ImagePins: Sendable {
    /// Abandoned blobs that are remembered; the sweep finds the others.
    private static let abandonedMax = 10_000

    private struct State {
        var pinned: [BlobKey: Int] = [:]
        var deleting: Set<BlobKey> = []
        /// Blobs that were stored for rows which were then not written; they need no sweep to be found.
        var abandoned: Set<BlobKey> = []
        var waiters: [CheckedContinuation<Bool, Never>] = []
        var pauses = 0
        var resumedAt: Timestamp?
    }

    private let state = Mutex(State())

    /// Pins a blob against deletion. If it is just being deleted, waits until it is gone, so that the caller stores it anew.
    ///
    /// The wait is as long as one round of the collector, two commits and `BlobCollector.keysAtOnce` files, and does not end with the caller's task:
    /// a caller that gave up earlier would have to be told apart by every other, and one that looked again and again would take a processor
    /// meanwhile.
    func pin(_ key: BlobKey) async {
        await wait { state in
            guard !state.deleting.contains(key) else { return false }
            state.pinned[key, default: 0] += 1
            return true
        }
    }

    /// Waits until something can be done, and does it. It is tried anew whenever blobs have been deleted.
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

    /// Ends one pin.
    func unpin(_ key: BlobKey) {
        state.withLock { state in
            guard let count = state.pinned[key] else { return }
            state.pinned[key] = count > 1 ? count - 1 : nil
        }
    }

    /// Ends one pin, and has the blob looked at in the next collection.
    func abandon(_ key: BlobKey) {
        unpin(key)
        state.withLock { state in
            if state.abandoned.count < Self.abandonedMax { state.abandoned.insert(key) }
        }
    }

    /// Whether a blob waits for the next collection to look at it.
    func isAbandoned(_ key: BlobKey) -> Bool { state.withLock { $0.abandoned.contains(key) } }

    /// The first abandoned blobs behind one, in their order.
    func abandoned(after last: BlobKey?, limit: Int) -> [BlobKey] {
        state.withLock { state in
            var first: [BlobKey] = []
            for key in state.abandoned where last.map({ $0 < key }) ?? true {
                // Most keys lie behind the few that are wanted, so that one comparison is all that they cost.
                if first.count == limit {
                    guard let end = first.last, key < end else { continue }
                    first.removeLast()
                }
                first.insert(key, at: first.firstIndex { key < $0 } ?? first.endIndex)
            }
            return first
        }
    }

    /// Forgets that blobs were abandoned, because they were looked at.
    func forgetAbandoned(_ keys: [BlobKey]) {
        state.withLock { $0.abandoned.subtract(keys) }
    }

    /// Those of the blobs that nothing pins, from now on marked as being deleted.
    func beginDeleting(_ keys: [BlobKey]) -> [BlobKey] {
        state.withLock { state in
            guard state.pauses == 0 else { return [] }
            let free = keys.filter { state.pinned[$0] == nil && !state.deleting.contains($0) }
            state.deleting.formUnion(free)
            return free
        }
    }

    /// The blobs are gone, or stay after all.
    func endDeleting(_ keys: [BlobKey]) {
        let waiters = state.withLock { state in
            state.deleting.subtract(keys)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }

    /// Keeps every blob from being deleted until `resumeDeleting`, and waits until those are gone that were being deleted already.
    func pauseDeleting() async {
        state.withLock { $0.pauses += 1 }
        await wait { $0.deleting.isEmpty }
    }

    /// Ends one pause.
    func resumeDeleting(at now: Timestamp) {
        state.withLock { state in
            state.pauses -= 1
            state.resumedAt = now
        }
    }

    /// When the last pause ended, before which nothing could go; nil if there was none.
    var resumedAt: Timestamp? { state.withLock { $0.resumedAt } }
}
