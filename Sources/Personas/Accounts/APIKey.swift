/// What a key may be used for.
package enum Scope: String, Sendable, CaseIterable, Codable {
    /// Reading the account's items.
    case read
    /// Creating, changing and deleting the account's items.
    case write
    /// Leasing training jobs, of all accounts: for the operator's own workers.
    case trainer
}

/// The right of a program to act for an account. The secret itself is not part of it: only its hash is stored.
package struct APIKey: Sendable, Equatable, Codable {
    /// Whether a key is good for anything.
    package enum State: String, Sendable, Codable {
        /// In use.
        case active
        /// Disabled, and can be enabled again.
        case disabled
        /// Gone for good; remembered so that its user is told why.
        case deleted
    }

    /// The key's id, by which operators name it.
    package let id: Identifier
    /// The account that the key acts for.
    package let accountID: Identifier
    /// The first characters of the secret, by which people recognise it.
    package let prefix: String
    /// What the operator wrote down about it.
    package let label: String?
    /// What it may be used for.
    package let scopes: Set<Scope>
    /// Whether it is good for anything.
    package let state: State
    /// When it was issued.
    package let createdAt: Timestamp

    package init(
        id: Identifier, accountID: Identifier, prefix: String, label: String?, scopes: Set<Scope>, state: State, createdAt: Timestamp
    ) {
        self.id = id
        self.accountID = accountID
        self.prefix = prefix
        self.label = label
        self.scopes = scopes
        self.state = state
        self.createdAt = createdAt
    }

    /// What a new key may do unless an operator says otherwise.
    package static let defaultScopes: Set<Scope> = [.read, .write]
}

/// The secret text of an API key: `pkz_`, 32 random characters (190 bits) and a checksum of 6, all of base 62.
///
/// The prefix lets scanners find leaked keys, the underscore lets a double click take it all, the checksum tells a typing error apart.
package struct APIKeySecret: Sendable {
    /// How every key begins.
    package static let textPrefix = "pkz_"
    /// Bytes of every key's text: prefix, random characters and checksum.
    package static let textBytes = textPrefix.utf8.count + randomCharacters + checksumCharacters
    /// How much of the text is kept to recognise the key by.
    package static let recognisedCharacters = 8

    private static let randomCharacters = 32
    private static let checksumCharacters = 6

    /// The whole text; shown once.
    package let text: String

    /// A fresh secret from the system's secure generator.
    package static func random() -> APIKeySecret {
        var generator = SystemRandomNumberGenerator()
        let random = String(
            decoding: (0..<randomCharacters).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }, as: UTF8.self)
        var rest = CRC32.checksum(Array(random.utf8))
        var checksum: [UInt8] = []
        for _ in 0..<checksumCharacters {
            checksum.insert(alphabet[Int(rest % 62)], at: 0)
            rest /= 62
        }
        return APIKeySecret(text: textPrefix + random + String(decoding: checksum, as: UTF8.self))
    }

    /// The part that is stored and listed.
    package var prefix: String { String(text.prefix(Self.recognisedCharacters)) }

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
}

/// Who calls: the account, the key, and what the key may do.
package struct Caller: Sendable, Equatable {
    /// The account that the call acts for.
    package let accountID: Identifier
    /// The key that was presented.
    package let keyID: Identifier
    /// What the key may be used for.
    package let scopes: Set<Scope>

    package init(accountID: Identifier, keyID: Identifier, scopes: Set<Scope>) {
        self.accountID = accountID
        self.keyID = keyID
        self.scopes = scopes
    }

    /// Makes sure that the key may do something.
    /// - Throws: `scopeMissing`.
    package func require(_ scope: Scope) throws(Failure) {
        guard scopes.contains(scope) else { throw .scopeMissing(scope) }
    }
}

/// Who calls, in full.
package struct Credentials: Sendable, Equatable {
    /// The key that was presented.
    package let key: APIKey
    /// The account that it acts for.
    package let account: Account
}

/// A key as operators look at it.
package struct ListedKey: Sendable, Equatable {
    /// The key.
    package let key: APIKey
    /// The name of its account, nil when that was deleted.
    package let accountName: String?

    package init(key: APIKey, accountName: String?) {
        self.key = key
        self.accountName = accountName
    }
}

/// What a store can say of a secret without waiting.
package enum KeyLookup: Sendable {
    /// The key that has the secret, and its account, nil if that was deleted.
    case known(APIKey, account: Account?)
    /// No key has it.
    case unknown
    /// To find out takes waiting.
    case waits
}

/// Remembers API keys by the SHA-256 of their secrets.
package protocol APIKeyStore: Sendable {
    /// Stores a new key.
    /// - Throws: `notFound` when the account is not there.
    func insert(_ key: APIKey, secret: APIKeySecret) async throws(Failure)
    /// The key of a secret and its account, nil where either is unknown. Answers from memory where it can.
    func find(secret: String) async throws(Failure) -> (key: APIKey, account: Account?)?
    /// The same, where that needs no waiting.
    func findNow(secret: String) throws(Failure) -> KeyLookup
    /// Keys of all accounts or of one, oldest first: those after a key, or the first, and so many at most.
    func keys(accountName: String?, after id: Identifier?, limit: Int) async throws(Failure) -> [ListedKey]
    /// Disables, enables or deletes a key.
    /// - Throws: `notFound`, `keyStaysDeleted`.
    func setState(_ state: APIKey.State, of id: Identifier) async throws(Failure) -> ListedKey
}

/// Finds out who calls.
package struct Authentication: Sendable {
    private let keys: any APIKeyStore

    /// Takes the store of keys.
    package init(keys: any APIKeyStore) {
        self.keys = keys
    }

    /// The id of a presented key, whatever state it and its account are in; nil for no key, and for one that is unknown or cannot be looked up.
    package func knownKeyID(presenting secret: String?) async -> Identifier? {
        guard let secret = try? Self.wellFormed(secret) else { return nil }
        return (try? await keys.find(secret: secret))?.key.id
    }

    /// The same, where that needs no waiting; nil where it does.
    package func knownKeyIDNow(presenting secret: String?) -> Identifier? {
        guard let secret = try? Self.wellFormed(secret), case .known(let key, _) = try? keys.findNow(secret: secret) else { return nil }
        return key.id
    }

    /// The caller behind a presented key.
    /// - Throws: in this order `missingAPIKey`, `malformedAPIKey`, `unknownAPIKey`, `deletedAPIKey`, `inactiveAPIKey`, `accountMissing`,
    ///   `accountSuspended`, `apiAccessDisabled`.
    package func caller(presenting secret: String?) async throws(Failure) -> Caller {
        guard let found = try await keys.find(secret: try Self.wellFormed(secret)) else { throw .unknownAPIKey }
        return try Self.caller(found.key, of: found.account)
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: what `caller` throws.
    package func callerNow(presenting secret: String?) throws(Failure) -> Caller? {
        switch try keys.findNow(secret: try Self.wellFormed(secret)) {
        case .known(let key, let account): return try Self.caller(key, of: account)
        case .unknown: throw .unknownAPIKey
        case .waits: return nil
        }
    }

    /// The key and the account behind a presented key that is good for a caller.
    /// - Throws: what `caller` throws.
    package func credentials(presenting secret: String?) async throws(Failure) -> Credentials {
        guard let found = try await keys.find(secret: try Self.wellFormed(secret)) else { throw .unknownAPIKey }
        return try Self.credentials(found.key, of: found.account)
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: what `caller` throws.
    package func credentialsNow(presenting secret: String?) throws(Failure) -> Credentials? {
        switch try keys.findNow(secret: try Self.wellFormed(secret)) {
        case .known(let key, let account): return try Self.credentials(key, of: account)
        case .unknown: throw .unknownAPIKey
        case .waits: return nil
        }
    }

    private static func credentials(_ key: APIKey, of account: Account?) throws(Failure) -> Credentials {
        _ = try caller(key, of: account)
        guard let account else { throw .accountMissing }
        return Credentials(key: key, account: account)
    }

    /// A secret that may be one of ours.
    private static func wellFormed(_ secret: String?) throws(Failure) -> String {
        guard let secret, !secret.isEmpty else { throw .missingAPIKey }
        // By bytes, because comparing texts takes Swift milliseconds for a header of combining marks.
        guard secret.utf8.starts(with: APIKeySecret.textPrefix.utf8) else { throw .malformedAPIKey }
        guard secret.utf8.count <= APIKeySecret.textBytes else { throw .unknownAPIKey }
        return secret
    }

    /// The caller that a key makes, if the key and its account are good for anything.
    private static func caller(_ key: APIKey, of account: Account?) throws(Failure) -> Caller {
        switch key.state {
        case .deleted: throw .deletedAPIKey
        case .disabled: throw .inactiveAPIKey
        case .active: break
        }
        guard let account else { throw .accountMissing }
        guard !account.isSuspended else { throw .accountSuspended }
        guard account.hasAPIAccess else { throw .apiAccessDisabled }
        return Caller(accountID: account.id, keyID: key.id, scopes: key.scopes)
    }
}
