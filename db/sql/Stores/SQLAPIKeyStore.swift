import Crypto
import Foundation
import Personas
import Synchronization

/// API keys as rows, the ones in use also in memory.
///
/// Memory is right as long as every change of a key or an account ends with `forget`, be it one of another process.
final class SQLAPIKeyStore: APIKeyStore {
    /// Keys remembered at most; an attacker's wrong keys are not among them, because only found ones are remembered.
    private static let rememberedMax = 10_000

    private struct Memory {
        /// Counts the calls of `forget`, so that an answer read before one is not remembered after it.
        var generation: UInt64 = 0
        var found: [SecretHash: PresentedKey] = [:]
    }

    private static let keyColumns = """
        api_key.id, api_key.account_id, api_key.prefix, api_key.label, api_key.scopes, api_key.state, api_key.created_at, api_key.expires_at,
        api_key.previous_secret_expires_at
        """

    private static let accountColumns = "account.name, account.is_suspended, account.has_api_access, account.created_at"

    private static let listedColumns = "\(keyColumns), \(accountColumns), api_key.last_used_at, api_key.previous_secret_last_used_at"

    private static let selectListed = "SELECT \(listedColumns) FROM api_key LEFT JOIN account ON account.id = api_key.account_id"

    private static let selectBySecret: String = {
        let columns = "\(keyColumns), \(accountColumns)"
        return """
            SELECT \(columns), \(PresentedKey.Secret.present.rawValue)
            FROM api_key LEFT JOIN account ON account.id = api_key.account_id WHERE secret_hash = ?1
            UNION ALL
            SELECT \(columns), \(PresentedKey.Secret.previous.rawValue)
            FROM api_key LEFT JOIN account ON account.id = api_key.account_id WHERE previous_secret_hash = ?1
            UNION ALL
            SELECT \(columns), \(PresentedKey.Secret.older.rawValue)
            FROM api_key_older_secret JOIN api_key ON api_key.id = api_key_older_secret.key_id
                LEFT JOIN account ON account.id = api_key.account_id
            WHERE api_key_older_secret.secret_hash = ?1
            """
    }()

    private let writer: any SQLWriter
    private let readers: any SQLReader
    private let feed: EventFeed
    /// Whether all that others have changed is known here, so that memory is right.
    private let isUpToDate: @Sendable () -> Bool
    private let memory = Mutex(Memory())

    init(
        writer: any SQLWriter, readers: any SQLReader, feed: EventFeed, isUpToDate: @escaping @Sendable () -> Bool = { true }
    ) {
        self.writer = writer
        self.readers = readers
        self.feed = feed
        self.isUpToDate = isUpToDate
    }

    func insert(_ key: APIKey, secret: APIKeySecret, in context: WriteContext<Void>) async throws(Failure) {
        let hash = SecretHash(of: secret.text).data
        try await writer.write(in: context) { db in
            guard try db.finds("SELECT 1 FROM account WHERE id = ?", [key.accountID]) else { throw Failure.notFound }
            let scopes = key.scopes.map(\.rawValue).sorted().joined(separator: ",")
            try db.run(
                """
                INSERT INTO api_key (id, account_id, secret_hash, prefix, label, scopes, state, created_at, expires_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    key.id, key.accountID, hash, key.prefix, key.label, scopes, key.state.rawValue, key.createdAt.milliseconds,
                    key.expiresAt?.milliseconds,
                ])
        }
    }

    func find(secret: String) async throws(Failure) -> PresentedKey? {
        let hash = SecretHash(of: secret)
        let (remembered, generation) = remembered(hash)
        if let remembered { return remembered }
        guard let found = try await readers.read({ connection in try Self.find(hash, connection) }) else { return nil }
        remember(found, under: hash, of: generation)
        return found
    }

    func findNow(secret: String) throws(Failure) -> KeyLookup {
        let hash = SecretHash(of: secret)
        let (remembered, generation) = remembered(hash)
        if let remembered { return .known(remembered) }
        guard let read = try readers.readNow({ connection in try Self.find(hash, connection) }) else { return .waits }
        guard let found = read else { return .unknown }
        remember(found, under: hash, of: generation)
        return .known(found)
    }

    /// What memory says of a secret, if it is to be believed, and of which generation that is.
    private func remembered(_ hash: SecretHash) -> (PresentedKey?, generation: UInt64) {
        let (found, generation) = memory.withLock { ($0.found[hash], $0.generation) }
        return (found != nil && isUpToDate() ? found : nil, generation)
    }

    private static func find(_ hash: SecretHash, _ connection: any SQLConnection) throws -> PresentedKey? {
        try connection.first(selectBySecret, [hash.data]) { row in
            let key = try decode(row)
            guard let secret = PresentedKey.Secret(rawValue: Int(row.integer(13))) else {
                throw Failure.unexpected("A secret is of an unknown kind")
            }
            return PresentedKey(key: key, account: account(of: key, row), secret: secret)
        }
    }

    /// Remembers what was read, unless something has changed since.
    private func remember(_ found: PresentedKey, under hash: SecretHash, of generation: UInt64) {
        memory.withLock { memory in
            guard memory.generation == generation else { return }
            if memory.found.count >= Self.rememberedMax { memory.found = [:] }
            memory.found[hash] = found
        }
    }

    func keys(
        accountName: String?, includingDeleted includesDeleted: Bool, after id: Identifier?, limit: Int
    ) async throws(Failure) -> [ListedKey] {
        try await readers.read { connection in
            var keys: [ListedKey] = []
            let wanted: SQLValues = [
                id ?? .nilUUID, includesDeleted ? 1 : 0, limit,
            ]
            let isWanted =
                "api_key.id > ? AND (? <> 0 OR api_key.state <> 'deleted' AND account.id IS NOT NULL) ORDER BY api_key.id LIMIT ?"
            if let accountName {
                let account = "SELECT 1 FROM account WHERE name = ?"
                guard try connection.finds(account, [accountName]) else { throw Failure.notFound }
            }
            let sql =
                accountName == nil
                ? "\(Self.selectListed) WHERE \(isWanted)"
                : """
                SELECT \(Self.listedColumns) FROM account CROSS JOIN api_key
                WHERE api_key.account_id = account.id AND account.name = ? AND \(isWanted)
                """
            try connection.query(sql, (accountName.map { [$0] } ?? []) + wanted) { keys.append(try Self.decodeListed($0)) }
            return keys
        }
    }

    func key(_ id: Identifier) async throws(Failure) -> ListedKey {
        try await readers.read { connection in try Self.listed(id, connection) }
    }

    func setState(_ state: APIKey.State, of id: Identifier, in context: WriteContext<ListedKey>) async throws(Failure) -> ListedKey {
        try await change(id, in: context) { key, db in
            guard key.state != .deleted || state == .deleted else { throw Failure.keyStaysDeleted(id) }
            try db.run("UPDATE api_key SET state = ? WHERE id = ?", [state.rawValue, id])
        }
    }

    func rotate(
        _ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, in context: WriteContext<ListedKey>
    ) async throws(Failure) -> ListedKey {
        let hash = SecretHash(of: secret.text).data
        return try await change(id, in: context) { key, db in
            let end = try key.endOfPresentSecret(after: overlap, at: context.now)
            try db.run(
                """
                INSERT INTO api_key_older_secret (key_id, secret_hash)
                SELECT id, previous_secret_hash FROM api_key WHERE id = ? AND previous_secret_hash IS NOT NULL
                """, [id])
            try db.run(
                """
                UPDATE api_key SET previous_secret_hash = secret_hash, previous_secret_expires_at = ?, previous_secret_last_used_at = NULL,
                    secret_hash = ?, prefix = ?
                WHERE id = ?
                """, [end.milliseconds, hash, secret.prefix, id])
        }
    }

    func record(_ uses: [KeyUse]) async throws(Failure) {
        try await writer.write { db in
            // In one order, so that two who save some of the same do not wait for each other for ever.
            for use in uses.sorted(by: { $0.keyID < $1.keyID }) {
                try db.run(
                    "UPDATE api_key SET last_used_at = ?1 WHERE id = ?2 AND coalesce(last_used_at, 0) < ?1",
                    [use.lastUsedAt.milliseconds, use.keyID])
                guard let previous = use.previousSecret else { continue }
                try db.run(
                    """
                    UPDATE api_key SET previous_secret_last_used_at = ?1
                    WHERE id = ?2 AND previous_secret_expires_at = ?3 AND coalesce(previous_secret_last_used_at, 0) < ?1
                    """, [previous.lastUsedAt.milliseconds, use.keyID, previous.expiresAt.milliseconds])
            }
        }
    }

    /// Changes a key.
    /// - Returns: the key as it is afterwards; read within the same write, because it may change again right behind it.
    private func change(
        _ id: Identifier, in context: WriteContext<ListedKey>, _ body: @escaping @Sendable (APIKey, any SQLTransaction) throws -> Void
    ) async throws(Failure) -> ListedKey {
        // Whatever became of it: where the disk failed, it may have been done all the same.
        defer { forget() }
        return try await writer.write(in: context, recording: { key, isChanged in isChanged ? key : nil }) { db -> (ListedKey, Bool) in
            let before = try Self.listed(id, db)
            try body(before.key, db)
            let key = try Self.listed(id, db)
            return (key, key != before)
        }.0
    }

    private static func listed(_ id: Identifier, _ connection: any SQLConnection) throws -> ListedKey {
        guard let found = try connection.first("\(selectListed) WHERE api_key.id = ?", [id], row: decodeListed) else {
            throw Failure.notFound
        }
        return found
    }

    /// Empties the memory, as every change of a key or an account must, and has all who follow events look for their right to do so.
    func forget() {
        memory.withLock { memory in
            memory.generation += 1
            memory.found = [:]
        }
        feed.ringAll()
    }

    private static func decodeListed(_ row: SQLRow) throws -> ListedKey {
        let key = try decode(row)
        return ListedKey(
            key: key, account: account(of: key, row), lastUsedAt: row.timestampIfAny(13), previousSecretLastUsedAt: row.timestampIfAny(14))
    }

    /// What stands behind the columns of a key; nil where the account was deleted.
    private static func account(of key: APIKey, _ row: SQLRow) -> Account? {
        row.text(9).map { name in
            Account(
                id: key.accountID, name: name, isSuspended: row.integer(10) == 1, hasAPIAccess: row.integer(11) == 1,
                createdAt: row.timestamp(12))
        }
    }

    private static func decode(_ row: SQLRow) throws -> APIKey {
        let scopes = try row.requiredText(4).split(separator: ",").compactMap { Scope(rawValue: String($0)) }
        guard let state = APIKey.State(rawValue: try row.requiredText(5)) else { throw Failure.unexpected("A key is in an unknown state") }
        return APIKey(
            id: try row.identifier(0), accountID: try row.identifier(1), prefix: try row.requiredText(2), label: row.text(3),
            scopes: Set(scopes), state: state, createdAt: row.timestamp(6), expiresAt: row.timestampIfAny(7),
            previousSecretExpiresAt: row.timestampIfAny(8))
    }
}

/// SHA-256 of a secret, which is all that is kept of it.
private struct SecretHash: Hashable {
    private let words: SIMD4<UInt64>

    init(of secret: String) {
        var secret = secret
        let digest = secret.withUTF8 { SHA256.hash(data: UnsafeRawBufferPointer($0)) }
        words = digest.withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) }
    }

    /// The 32 bytes as they are stored.
    var data: Data { withUnsafeBytes(of: words) { Data($0) } }

    /// Compares all bits whatever the first ones say, so that timing tells nothing about a stored hash.
    static func == (left: SecretHash, right: SecretHash) -> Bool {
        let difference = left.words ^ right.words
        return difference[0] | difference[1] | difference[2] | difference[3] == 0
    }
}
