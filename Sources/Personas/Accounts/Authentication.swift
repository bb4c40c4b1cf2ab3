/// Finds out who calls.
package struct Authentication: Sendable {
    private let keys: any APIKeyStore
    private let clock: WallClock
    /// When keys were used last, which somebody has to save from time to time.
    package let uses: KeyUses

    /// The time of day by which keys come to their ends.
    package var now: Timestamp { clock.now }

    /// Takes the store of keys, and what tells whether they have come to their end.
    package init(keys: any APIKeyStore, clock: WallClock = .system) {
        self.keys = keys
        self.clock = clock
        uses = KeyUses(keys: keys)
    }

    /// The id of a presented key, whatever state it and its account are in; nil for no key, and for one that is unknown or cannot be looked up.
    package func knownKeyID(presenting secret: String?) async -> Identifier? {
        guard let secret = try? Self.wellFormed(secret) else { return nil }
        return (try? await keys.find(secret: secret))?.key.id
    }

    /// The same, where that needs no waiting.
    package func knownKeyIDNow(presenting secret: String?) -> KeyIDLookup {
        guard let secret = try? Self.wellFormed(secret), let found = try? keys.findNow(secret: secret) else { return .unknown }
        return switch found {
        case .known(let found): .known(found.key.id)
        case .unknown: .unknown
        case .waits: .waits
        }
    }

    /// The caller behind a presented key.
    /// - Throws: in this order `missingAPIKey`, `malformedAPIKey`, `unknownAPIKey`, `deletedAPIKey`, `inactiveAPIKey`, `expiredAPIKey`,
    ///   `accountMissing`, `accountSuspended`, `apiAccessDisabled`.
    package func caller(presenting secret: String?) async throws(Failure) -> Caller {
        try caller(try await found(presenting: secret))
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: what `caller` throws.
    package func callerNow(presenting secret: String?) throws(Failure) -> Caller? {
        guard let found = try foundNow(presenting: secret) else { return nil }
        return try caller(found)
    }

    /// The caller behind a presented key, for whom something goes on for a while, and when that has to end by itself; nil for never.
    /// - Throws: what `caller` throws.
    package func admission(presenting secret: String?) async throws(Failure) -> (caller: Caller, end: Timestamp?) {
        let found = try await found(presenting: secret)
        return (try caller(found), found.end)
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: what `caller` throws.
    package func admissionNow(presenting secret: String?) throws(Failure) -> (caller: Caller, end: Timestamp?)? {
        guard let found = try foundNow(presenting: secret) else { return nil }
        return (try caller(found), found.end)
    }

    /// The key and the account behind a presented key that is good for a caller.
    /// - Throws: what `caller` throws.
    package func credentials(presenting secret: String?) async throws(Failure) -> Credentials {
        try credentials(try await found(presenting: secret))
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: what `caller` throws.
    package func credentialsNow(presenting secret: String?) throws(Failure) -> Credentials? {
        guard let found = try foundNow(presenting: secret) else { return nil }
        return try credentials(found)
    }

    private func found(presenting secret: String?) async throws(Failure) -> PresentedKey {
        guard let found = try await keys.find(secret: try Self.wellFormed(secret)) else { throw .unknownAPIKey }
        return found
    }

    private func foundNow(presenting secret: String?) throws(Failure) -> PresentedKey? {
        switch try keys.findNow(secret: try Self.wellFormed(secret)) {
        case .known(let found): return found
        case .unknown: throw .unknownAPIKey
        case .waits: return nil
        }
    }

    /// A secret that may be one of ours.
    private static func wellFormed(_ secret: String?) throws(Failure) -> String {
        guard let secret, !secret.isEmpty else { throw .missingAPIKey }
        // By bytes, because comparing texts takes Swift milliseconds for a header of combining marks.
        guard secret.utf8.starts(with: APIKeySecret.textPrefix.utf8) else { throw .malformedAPIKey }
        guard secret.utf8.count <= APIKeySecret.textBytes else { throw .unknownAPIKey }
        return secret
    }

    private func caller(_ found: PresentedKey) throws(Failure) -> Caller {
        let account = try admittedAccount(of: found)
        return Caller(accountID: account.id, keyID: found.key.id, scopes: found.key.scopes)
    }

    private func credentials(_ found: PresentedKey) throws(Failure) -> Credentials {
        Credentials(key: found.key, account: try admittedAccount(of: found))
    }

    /// The account that a key acts for, if the key, the secret and the account are good for anything at this moment: a store may have found them
    /// long ago.
    private func admittedAccount(of found: PresentedKey) throws(Failure) -> Account {
        switch found.key.state {
        case .deleted: throw .deletedAPIKey
        case .disabled: throw .inactiveAPIKey
        case .active: break
        }
        let now = clock.now
        guard found.isCurrent(at: now) else { throw .expiredAPIKey }
        guard let account = found.account else { throw .accountMissing }
        guard !account.isSuspended else { throw .accountSuspended }
        guard account.hasAPIAccess else { throw .apiAccessDisabled }
        uses.note(found, at: now)
        return account
    }
}
