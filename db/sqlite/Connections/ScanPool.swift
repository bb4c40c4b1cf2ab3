import CoreMetrics
import NIOPosix
import Personas

/// Reads that may walk far (searches, an operator's lists): on threads and connections of their own, so that no look-up waits behind one.
final class ScanPool: SQLScanner {
    /// Searches at once; more wait their turn.
    static let threads = 2

    let readers: ReadPool
    private let pool: NIOThreadPool
    private let turns: ScanTurns

    /// - Parameter waitingMax: reads beyond those that run; further ones are refused.
    init(readers: ReadPool, waitingMax: Int, metrics: StoreMetrics = .none) {
        self.readers = readers
        turns = ScanTurns(atOnceMax: Self.threads, waitingMax: waitingMax) { metrics.waitingSearches.set($0) }
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    /// Reads that run or wait.
    var count: Int { turns.count }

    func scan<Value: Sendable>(
        for accountID: Identifier?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws(Failure) -> Value {
        try await turns.take(for: accountID) { () throws(Failure) in
            do {
                return try await self.pool.runIfActive { try self.readers.lend(body) }
            } catch {
                throw Failure(storage: error)
            }
        }
    }

    func close() {
        pool.shutdownGracefully { _ in }
        readers.close()
    }
}
