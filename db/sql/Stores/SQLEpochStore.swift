import Personas
import Synchronization

/// The epoch as rows and in memory, where it stays the same for as long as the database is in use.
final class SQLEpochStore: EpochStore {
    private let readers: any SQLReader
    /// Until it is read, one that nothing was ever made of.
    private let cache = Mutex(RandomToken.random())

    init(readers: any SQLReader) {
        self.readers = readers
    }

    var epoch: RandomToken { cache.withLock { $0 } }

    /// Reads the stored epoch; the table must be there.
    func load() async throws(Failure) {
        let stored = try await readers.read { connection in
            try connection.first("SELECT value FROM epoch", []) { RandomToken(bytes: $0.bytes(0)) }
        }
        guard let epoch = stored ?? nil else { throw .unexpected("The database has no epoch") }
        cache.withLock { $0 = epoch }
    }
}
