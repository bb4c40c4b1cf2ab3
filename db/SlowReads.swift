import CoreMetrics
import NIOPosix
import Personas
import Synchronization

/// Reads that may walk far (searches, an operator's lists): on threads and connections of their own, so that no look-up waits behind one.
struct SlowReads: Sendable {
    /// Searches at once; more wait their turn.
    static let threads = 2

    private let readers: ReaderSet
    private let pool: NIOThreadPool
    private let waiting: Meter

    init(readers: ReaderSet, metrics: StoreMetrics = .none) {
        self.readers = readers
        waiting = metrics.waitingSearches
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (ReadConnection) throws -> Value) async throws(Failure) -> Value {
        let wait = Wait(waiting)
        // A read that is cancelled before its turn, or refused by the pool, never begins.
        defer { wait.end() }
        do {
            return try await pool.runIfActive {
                wait.end()
                return try readers.read(body)
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
