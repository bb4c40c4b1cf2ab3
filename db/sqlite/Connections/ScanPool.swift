import CoreMetrics
import NIOPosix
import Personas
import Synchronization

/// Reads that may walk far (searches, an operator's lists): on threads and connections of their own, so that no look-up waits behind one.
final class ScanPool: Sendable {
    /// Searches at once; more wait their turn.
    static let threads = 2

    let readers: ReadPool
    private let waitingMax: Int
    private let pool: NIOThreadPool
    private let waiting: Meter
    private let current = Atomic(0)

    /// - Parameter waitingMax: reads beyond those that run; further ones are refused.
    init(readers: ReadPool, waitingMax: Int, metrics: StoreMetrics = .none) {
        self.readers = readers
        self.waitingMax = waitingMax
        waiting = metrics.waitingSearches
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    /// Reads that run or wait.
    var count: Int { current.load(ordering: .relaxed) }

    /// - Throws: `tooManyRequests` when too many wait already, and whatever the body throws.
    func read<Value: Sendable>(_ body: @escaping @Sendable (ReadConnection) throws -> Value) async throws(Failure) -> Value {
        defer { current.subtract(1, ordering: .relaxed) }
        guard current.add(1, ordering: .relaxed).newValue <= Self.threads + waitingMax else {
            throw .tooManyRequests(.searches, retryAfterSeconds: 1)
        }
        let wait = Wait(waiting)
        // A read that is cancelled before its turn, or refused by the pool, never begins.
        defer { wait.end() }
        do {
            return try await pool.runIfActive {
                wait.end()
                return try self.readers.read(body)
            }
        } catch {
            throw Failure(storage: error)
        }
    }

    func close() {
        pool.shutdownGracefully { _ in }
        readers.close()
    }
}

/// One read in the queue, as the metrics count it.
private final class Wait: Sendable {
    private let waiting: Meter
    private let isOver = Atomic(false)

    init(_ waiting: Meter) {
        self.waiting = waiting
        waiting.increment()
    }

    /// It has its turn, or will never have one. Counts once.
    func end() {
        if !isOver.exchange(true, ordering: .relaxed) { waiting.decrement() }
    }
}
