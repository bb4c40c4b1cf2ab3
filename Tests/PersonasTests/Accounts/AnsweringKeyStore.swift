import Personas
import Synchronization

/// A store of keys of which only the answer to `find` matters; it remembers what it was asked, and which uses it was told.
final class AnsweringKeyStore: APIKeyStore {
    private let answer: Result<PresentedKey?, Failure>
    private let waits: Bool
    private let secrets = Mutex<[String]>([])
    private let writes = Mutex<[[KeyUse]]>([])
    private let recordFailure = Mutex<Failure?>(nil)

    /// - Parameter waits: whether every look-up takes waiting.
    init(_ answer: Result<PresentedKey?, Failure>, waits: Bool = false) {
        self.answer = answer
        self.waits = waits
    }

    var askedFor: [String] { secrets.withLock { $0 } }

    /// The uses that were stored, one list for each write.
    var recorded: [[KeyUse]] { writes.withLock { $0 } }

    /// Has every write fail from now on, or none.
    func failWrites(with failure: Failure?) { recordFailure.withLock { $0 = failure } }

    func find(secret: String) async throws(Failure) -> PresentedKey? {
        secrets.withLock { $0.append(secret) }
        return try answer.get()
    }

    func findNow(secret: String) throws(Failure) -> KeyLookup {
        secrets.withLock { $0.append(secret) }
        if waits { return .waits }
        return try answer.get().map { .known($0) } ?? .unknown
    }

    func record(_ uses: [KeyUse]) async throws(Failure) {
        if let failure = recordFailure.withLock({ $0 }) { throw failure }
        writes.withLock { $0.append(uses) }
    }

    func insert(_ key: APIKey, secret: APIKeySecret, in context: WriteContext<Void>) async throws(Failure) {
        throw .unexpected("not asked for here")
    }
    func keys(
        accountName: String?, includingDeleted includesDeleted: Bool, after id: Identifier?, limit: Int
    ) async throws(Failure) -> [ListedKey] {
        throw .unexpected("not asked for here")
    }
    func key(_ id: Identifier) async throws(Failure) -> ListedKey { throw .unexpected("not asked for here") }
    func rotate(
        _ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, in context: WriteContext<ListedKey>
    ) async throws(Failure) -> ListedKey {
        throw .unexpected("not asked for here")
    }
    func setState(_ state: APIKey.State, of id: Identifier, in context: WriteContext<ListedKey>) async throws(Failure) -> ListedKey {
        throw .unexpected("not asked for here")
    }
}
