import Crypto
import Foundation
import GRDB
import Personas
import Synchronization

/// API keys in SQLite, the ones in use also in memory.
///
/// Only this process writes, so that memory is right as long as every change of a key or an account ends with `forget`.
final class SQLiteAPIKeyStore: APIKeyStore {
    /// Keys remembered at most; an attacker's wrong keys are not among them, because only found ones are remembered.
    private static let rememberedMax = 10_000

    private struct Memory {
        /// Counts the calls of `forget`, so that an answer read before one is not remembered after it.
        var generation: UInt64 = 0
        var found: [SecretHash: Found] = [:]
    }

    private struct Found: Sendable {
        let key: APIKey
        let account: Account?
    }

    private static let keyColumns = """
        api_key.id, api_key.account_id, api_key.prefix, api_key.label, api_key.scopes, api_key.state, api_key.created_at
        """

    private static let selectListed = "SELECT \(keyColumns), account.name FROM api_key LEFT JOIN account ON account.id = api_key.account_id"

    private let writer: GroupWriter
    private let readers: ReadPool
    private let memory = Mutex(Memory())

    init(writer: GroupWriter, readers: ReadPool) {
        self.writer = writer
        self.readers = readers
    }

    func insert(_ key: APIKey, secret: APIKeySecret) async throws(Failure) {
        let hash = SecretHash(of: secret.text).data
        try await writer.write { db in
            guard try db.firstRow("SELECT 1 FROM account WHERE id = ?", [key.accountID.data]) != nil else { throw Failure.notFound }
            let scopes = key.scopes.map(\.rawValue).sorted().joined(separator: ",")
            try db.run(
                """
                INSERT INTO api_key (id, account_id, secret_hash, prefix, label, scopes, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    key.id.data, key.accountID.data, hash, key.prefix, key.label, scopes, key.state.rawValue, key.createdAt.milliseconds,
                ])
        }
    }

    func find(secret: String) async throws(Failure) -> (key: APIKey, account: Account?)? {
        let hash = SecretHash(of: secret)
        let (remembered, generation) = memory.withLock { ($0.found[hash], $0.generation) }
        if let remembered { return (remembered.key, remembered.account) }
        guard let found = try readers.read({ connection in try Self.find(hash, connection) }) else { return nil }
        remember(found, under: hash, of: generation)
        return (found.key, found.account)
    }

    func findNow(secret: String) throws(Failure) -> KeyLookup {
        let hash = SecretHash(of: secret)
        let (remembered, generation) = memory.withLock { ($0.found[hash], $0.generation) }
        if let remembered { return .known(remembered.key, account: remembered.account) }
        guard let read = try readers.readNow({ connection in try Self.find(hash, connection) }) else { return .waits }
        guard let found = read else { return .unknown }
        remember(found, under: hash, of: generation)
        return .known(found.key, account: found.account)
    }

    private static func find(_ hash: SecretHash, _ connection: ReadConnection) throws -> Found? {
        let sql = """
            SELECT \(Self.keyColumns), account.name, account.is_suspended, account.has_api_access, account.created_at
            FROM api_key LEFT JOIN account ON account.id = api_key.account_id WHERE secret_hash = ?
            """
        return try connection.first(sql, [.blob(Array(hash.data))]) { row in
            let key = try Self.decode(row)
            let account = row.text(7).map { name in
                Account(
                    id: key.accountID, name: name, isSuspended: row.integer(8) == 1, hasAPIAccess: row.integer(9) == 1,
                    createdAt: row.timestamp(10))
            }
            return Found(key: key, account: account)
        }
    }

    /// Remembers what was read, unless something has changed since.
    private func remember(_ found: Found, under hash: SecretHash, of generation: UInt64) {
        memory.withLock { memory in
            guard memory.generation == generation else { return }
            if memory.found.count >= Self.rememberedMax { memory.found = [:] }
            memory.found[hash] = found
        }
    }

    func keys(accountName: String?, after id: Identifier?, limit: Int) async throws(Failure) -> [ListedKey] {
        try readers.read { connection in
            var keys: [ListedKey] = []
            let position: [SQLArgument] = [id.map(SQLArgument.identifier) ?? .beforeBlobs, .integer(Int64(limit))]
            let sql =
                accountName == nil
                ? "\(Self.selectListed) WHERE api_key.id > ? ORDER BY api_key.id LIMIT ?"
                : """
                SELECT \(Self.keyColumns), account.name FROM account CROSS JOIN api_key ON api_key.account_id = account.id
                WHERE account.name = ? AND api_key.id > ? ORDER BY api_key.id LIMIT ?
                """
            try connection.query(sql, (accountName.map { [.text($0)] } ?? []) + position) { keys.append(try Self.decodeListed($0)) }
            return keys
        }
    }

    func setState(_ state: APIKey.State, of id: Identifier) async throws(Failure) -> ListedKey {
        let changed = try await writer.write { db in
            guard let row = try db.firstRow("SELECT state FROM api_key WHERE id = ?", [id.data]) else { throw Failure.notFound }
            guard try row.value("state", as: APIKey.State.self) != .deleted || state == .deleted else {
                throw Failure.keyStaysDeleted(id)
            }
            try db.run("UPDATE api_key SET state = ? WHERE id = ?", [state.rawValue, id.data])
            return try db.first("\(Self.selectListed) WHERE api_key.id = ?", [.identifier(id)], row: Self.decodeListed)
        }
        forget()
        guard let changed else { throw .notFound }
        return changed
    }

    /// Empties the memory, as every change of a key or an account must.
    func forget() {
        memory.withLock { memory in
            memory.generation += 1
            memory.found = [:]
        }
    }

    private static func decodeListed(_ row: SQLRow) throws -> ListedKey { ListedKey(key: try decode(row), accountName: row.text(7)) }

    private static func decode(_ row: SQLRow) throws -> APIKey {
        let scopes = try row.requiredText(4).split(separator: ",").compactMap { Scope(rawValue: String($0)) }
        guard let state = APIKey.State(rawValue: try row.requiredText(5)) else { throw Failure.unexpected("A key is in an unknown state") }
        return APIKey(
            id: try row.identifier(0), accountID: try row.identifier(1), prefix: try row.requiredText(2), label: row.text(3),
            scopes: Set(scopes), state: state, createdAt: row.timestamp(6))
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
