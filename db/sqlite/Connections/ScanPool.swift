import CoreMetrics
import NIOPosix
import Personas
import Synchronization

/// Reads that may walk far (searches, an operator's lists): on threads and connections of their own, so that no look-up waits behind one.
///
/// An account never has all of the threads, nor more than its share of the queue, and those that wait have their turns round robin by account: so
/// the search of one waits for at most one of every other.
final class ScanPool: SQLScanner {
    /// Searches at once; more wait their turn.
    static let threads = 2
    /// The part of the queue that one account may fill.
    static let accountsMin = 4

    private struct Counts {
        /// Reads that run or wait.
        var all = 0
        /// Those of them that belong to an account.
        var ofAccounts: [Identifier: Int] = [:]
    }

    let readers: ReadPool
    private let waitingMax: Int
    private let pool: NIOThreadPool
    private let turns: AsyncSemaphore
    private let counts = Mutex(Counts())

    /// - Parameter waitingMax: reads beyond those that run; further ones are refused.
    init(readers: ReadPool, waitingMax: Int, metrics: StoreMetrics = .none) {
        self.readers = readers
        self.waitingMax = waitingMax
        turns = AsyncSemaphore(count: Self.threads) { metrics.waitingSearches.set($0) }
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    /// Reads that run or wait.
    var count: Int { counts.withLock { $0.all } }

    func scan<Value: Sendable>(
        for accountID: Identifier?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws(Failure) -> Value {
        guard enter(accountID) else { throw .tooManyRequests(.searches, retryAfterSeconds: 1) }
        defer { leave(accountID) }
        guard await turns.enter(accountID) == .admitted else { throw .cancelled }
        defer { turns.leave(accountID) }
        do {
            return try await pool.runIfActive { try self.readers.lend(body) }
        } catch {
            throw Failure(storage: error)
        }
    }

    func close() {
        pool.shutdownGracefully { _ in }
        readers.close()
    }

    /// Counts a read, if there is room for it: an account has room for one that runs and for its share of those that wait.
    private func enter(_ accountID: Identifier?) -> Bool {
        counts.withLock { counts in
            guard counts.all < Self.threads + waitingMax else { return false }
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
