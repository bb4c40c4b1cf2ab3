/// A key with its secret, as it is shown once.
package struct IssuedKey: Sendable, Codable, Equatable {
    /// The key's id.
    package let id: Identifier
    /// The secret text.
    package let key: String
    /// What the key is recognised by.
    package let prefix: String
    /// The name of its account; nil when the account was deleted.
    package let account: String?
    /// What the operator wrote down about it.
    package let label: String?
    /// What it may be used for, in alphabetical order.
    package let scopes: [Scope]
    /// From when on it is good for nothing, RFC 3339; nil for a key that does not end by itself.
    package let expiresAt: String?
    /// From when on the secret before this one is good for nothing, RFC 3339; nil for a new key.
    package let previousSecretExpiresAt: String?

    init(
        id: Identifier, secret: APIKeySecret, accountName: String?, label: String?, scopes: Set<Scope>, expiresAt: Timestamp?,
        previousSecretExpiresAt: Timestamp? = nil
    ) {
        self.id = id
        key = secret.text
        prefix = secret.prefix
        account = accountName
        self.label = label
        self.scopes = scopes.sorted { $0.rawValue < $1.rawValue }
        self.expiresAt = expiresAt?.text
        self.previousSecretExpiresAt = previousSecretExpiresAt?.text
    }
}

/// A key as an operator's program sees it.
package struct KeyReport: Sendable, Codable, Equatable {
    /// How the account stands that a key acts for, which decides with the key's own state whether it works.
    package enum AccountState: String, Sendable, Codable {
        /// It may use the API.
        case active
        /// An operator has suspended it.
        case suspended
        /// It has no API access.
        case apiDisabled = "api_disabled"
        /// It is gone, and so is all that the key could reach.
        case deleted
    }

    /// The key's id.
    package let id: Identifier
    /// What the key is recognised by.
    package let prefix: String
    /// The name of its account; nil when the account was deleted.
    package let account: String?
    /// What the operator wrote down about it.
    package let label: String?
    /// What it may be used for, in alphabetical order.
    package let scopes: [Scope]
    /// What operators made of it; it may have come to its end all the same. Whoever deletes an account deletes its keys with it.
    package let state: APIKey.State
    /// How its account stands.
    package let accountState: AccountState
    /// RFC 3339.
    package let createdAt: String
    /// From when on it is good for nothing, RFC 3339; nil for a key that does not end by itself.
    package let expiresAt: String?
    /// The minute in which a call was let in with it last, RFC 3339, as far as that is stored.
    package let lastUsedAt: String?
    /// From when on the secret before the present one is good for nothing, RFC 3339; nil for a key that was never rotated.
    package let previousSecretExpiresAt: String?
    /// The minute in which that secret was used last since it was replaced, RFC 3339.
    package let previousSecretLastUsedAt: String?

    init(_ listed: ListedKey) {
        let key = listed.key
        id = key.id
        prefix = key.prefix
        account = listed.account?.name
        label = key.label
        scopes = key.scopes.sorted { $0.rawValue < $1.rawValue }
        state = listed.account == nil ? .deleted : key.state
        accountState =
            switch listed.account {
            case nil: .deleted
            case let account? where account.isSuspended: .suspended
            case let account?: account.hasAPIAccess ? .active : .apiDisabled
            }
        createdAt = key.createdAt.text
        expiresAt = key.expiresAt?.text
        lastUsedAt = listed.lastUsedAt?.text
        previousSecretExpiresAt = key.previousSecretExpiresAt?.text
        previousSecretLastUsedAt = listed.previousSecretLastUsedAt?.text
    }
}
