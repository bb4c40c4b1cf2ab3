/// What a key may be used for.
package enum Scope: String, Sendable, CaseIterable, Codable {
    /// Reading the account's items.
    case read
    /// Creating, changing and deleting the account's items.
    case write
    /// Leasing training jobs, of all accounts: for the operator's own workers.
    case trainer
    /// Having credits bought for the account, for which somebody pays. No key has it unless it was asked for.
    case billing
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
    /// From when on it is good for nothing; nil for one that does not end by itself.
    package let expiresAt: Timestamp?
    /// From when on the secret before the present one is good for nothing; nil for a key that was never rotated.
    package let previousSecretExpiresAt: Timestamp?

    package init(
        id: Identifier, accountID: Identifier, prefix: String, label: String?, scopes: Set<Scope>, state: State, createdAt: Timestamp,
        expiresAt: Timestamp? = nil, previousSecretExpiresAt: Timestamp? = nil
    ) {
        self.id = id
        self.accountID = accountID
        self.prefix = prefix
        self.label = label
        self.scopes = scopes
        self.state = state
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.previousSecretExpiresAt = previousSecretExpiresAt
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
    /// Its account, nil when that was deleted.
    package let account: Account?
    /// The minute in which a call was let in with it last, as far as that is stored; nil where none was.
    package let lastUsedAt: Timestamp?
    /// The same of the secret before the present one, from the rotation on.
    package let previousSecretLastUsedAt: Timestamp?

    package init(key: APIKey, account: Account?, lastUsedAt: Timestamp? = nil, previousSecretLastUsedAt: Timestamp? = nil) {
        self.key = key
        self.account = account
        self.lastUsedAt = lastUsedAt
        self.previousSecretLastUsedAt = previousSecretLastUsedAt
    }
}

/// A key as a secret led to it.
package struct PresentedKey: Sendable {
    /// Which of the secrets that a key has had.
    package enum Secret: Int, Sendable {
        /// The one it has.
        case present
        /// The one before, which may be good for a while yet.
        case previous
        /// One before that, which has ended.
        case older
    }

    /// The key.
    package let key: APIKey
    /// Its account, nil if that was deleted.
    package let account: Account?
    /// Which of its secrets was presented.
    package let secret: Secret
    /// Where the store remembers the key, when it was used last; kept as long as that.
    package let mark: KeyUseMark

    package init(key: APIKey, account: Account?, secret: Secret = .present, mark: KeyUseMark = KeyUseMark()) {
        self.key = key
        self.account = account
        self.secret = secret
        self.mark = mark
    }

    /// From when on the key, or the secret, is good for nothing by itself; nil for one without an end, and for one that has ended already.
    package var end: Timestamp? {
        switch secret {
        case .present: key.expiresAt
        case .previous: [key.expiresAt, key.previousSecretExpiresAt].compactMap { $0 }.min()
        case .older: nil
        }
    }

    /// Whether neither the key nor the secret has come to its end.
    package func isCurrent(at now: Timestamp) -> Bool {
        if let end = key.expiresAt, end <= now { return false }
        switch secret {
        case .present: return true
        case .previous: return key.previousSecretExpiresAt.map { now < $0 } ?? false
        case .older: return false
        }
    }
}

/// What a store can say of a secret without waiting.
package enum KeyLookup: Sendable {
    /// The key that has or had the secret.
    case known(PresentedKey)
    /// No key has it.
    case unknown
    /// To find out takes waiting.
    case waits
}

/// Whose secret is presented, as far as that is known at once.
package enum KeyIDLookup: Sendable, Equatable {
    /// The id of the key that has or had the secret.
    case known(Identifier)
    /// No key has it, or it cannot be looked up.
    case unknown
    /// To find out takes waiting.
    case waits
}

/// Remembers API keys by the SHA-256 of their secrets.
package protocol APIKeyStore: Sendable {
    /// Stores a new key.
    /// - Throws: `notFound` when the account is not there.
    func insert(_ key: APIKey, secret: APIKeySecret, in context: WriteContext<Void>) async throws(Failure)
    /// The key that has a secret, or had it before a rotation, nil where none did. Answers from memory where it can.
    func find(secret: String) async throws(Failure) -> PresentedKey?
    /// The same, where that needs no waiting.
    func findNow(secret: String) throws(Failure) -> KeyLookup
    /// Keys of all accounts or of one, oldest first: those after a key, or the first, and so many at most.
    /// - Parameter includesDeleted: whether those are among them that are deleted, or whose account is.
    /// - Throws: `notFound` when the account is not there.
    func keys(
        accountName: String?, includingDeleted includesDeleted: Bool, after id: Identifier?, limit: Int
    ) async throws(Failure) -> [ListedKey]
    /// One key of any account.
    /// - Throws: `notFound`.
    func key(_ id: Identifier) async throws(Failure) -> ListedKey
    /// Gives a key another secret, beside which the one that it had is good for the overlap; one that it had before that ends now.
    /// - Throws: `notFound`, and what `APIKey.endOfPresentSecret` throws.
    func rotate(
        _ id: Identifier, to secret: APIKeySecret, overlap: KeyOverlap, in context: WriteContext<ListedKey>
    ) async throws(Failure) -> ListedKey
    /// Notes when keys were used last, unless a later use is noted already. What is said of a key that is no more there is passed over.
    func record(_ uses: [KeyUse]) async throws(Failure)
    /// Disables, enables or deletes a key.
    /// - Throws: `notFound`, `keyStaysDeleted`.
    func setState(_ state: APIKey.State, of id: Identifier, in context: WriteContext<ListedKey>) async throws(Failure) -> ListedKey
}
