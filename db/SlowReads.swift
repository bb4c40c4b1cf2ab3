import NIOPosix
import Personas

/// Reads that may walk far (searches, an operator's lists): on threads and connections of their own, so that no look-up waits behind one.
struct SlowReads: Sendable {
    /// Searches at once; more wait their turn.
    static let threads = 2

    private let readers: ReaderSet
    private let pool: NIOThreadPool

    init(readers: ReaderSet) {
        self.readers = readers
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (ReadConnection) throws -> Value) async throws(Failure) -> Value {
        do {
            return try await pool.runIfActive { try readers.read(body) }
        } catch {
            throw Failure(storage: error)
        }
    }

    func close() {
        pool.shutdownGracefully { _ in }
        readers.close()
    }
}
