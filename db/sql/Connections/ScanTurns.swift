import Personas
import Synchronization

/// Turns of reads that may walk far, shared fairly.
///
/// An account never has all of the threads, nor more than its share of the queue, and those that wait have their turns round robin by account: so
/// the search of one waits for at most one of every other.
final class ScanTurns: Sendable {
    /// The part of the queue that one account may fill.
    static let accountsMin = 4

    private struct Counts {
        /// Reads that run or wait.
        var all = 0
        /// Those of them that belong to an account.
        var ofAccounts: [Identifier: Int] = [:]
    }

    private let atOnceMax: Int
    private let waitingMax: Int
    private let turns: AsyncSemaphore
    private let counts = Mutex(Counts())

    /// - Parameters:
    ///   - atOnceMax: reads that run at once; more wait their turn.
    ///   - waitingMax: reads beyond those; further ones are refused.
    ///   - onWaiting: told how many wait whenever that changes.
    init(atOnceMax: Int, waitingMax: Int, onWaiting: @escaping @Sendable (Int) -> Void) {
        self.atOnceMax = atOnceMax
        self.waitingMax = waitingMax
        turns = AsyncSemaphore(count: atOnceMax, onWaiting: onWaiting)
    }

    /// Reads that run or wait.
    var count: Int { counts.withLock { $0.all } }

    /// Does something when its turn comes.
    /// - Throws: `tooManyRequests` when too many wait already, `cancelled` when the task is before its turn, and whatever the body throws.
    func take<Value: Sendable>(
        for accountID: Identifier?, _ body: @Sendable () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        guard enter(accountID) else { throw .tooManyRequests(.searches, retryAfterSeconds: 1) }
        defer { leave(accountID) }
        guard await turns.enter(accountID) == .admitted else { throw .cancelled }
        defer { turns.leave(accountID) }
        return try await body()
    }

    /// Counts a read, if there is room for it: an account has room for one that runs and for its share of those that wait.
    private func enter(_ accountID: Identifier?) -> Bool {
        counts.withLock { counts in
            guard counts.all < atOnceMax + waitingMax else { return false }
            if let accountID {
                let own = counts.ofAccounts[accountID] ?? 0
                guard own <= max(1, waitingMax / Self.accountsMin) else { return false }
                counts.ofAccounts[accountID] = own + 1
            }
            counts.all += 1
            return true
        }
    }

    private func leave(_ accountID: Identifier?) {
        counts.withLock { counts in
            counts.all -= 1
            guard let accountID, let own = counts.ofAccounts[accountID] else { return }
            counts.ofAccounts[accountID] = own > 1 ? own - 1 : nil
        }
    }
}
