/// Makes a key up, with a secret, and stores nothing: nobody can use it before `CreateKey` has stored it. So whoever asks for a key first puts the
/// secret where it is kept, and no key is ever there whose secret nobody has.
package struct PrepareKey: AdministrationOperation {
    private let accountName: String
    private let label: String?
    private let scopes: Set<Scope>
    private let expiresAt: Timestamp?

    /// - Parameter expiresAt: from when on the key is to be good for nothing; nil for one that does not end by itself.
    package init(accountName: String, label: String?, scopes: Set<Scope>, expiresAt: Timestamp? = nil) {
        self.accountName = accountName
        self.label = label
        self.scopes = scopes
        self.expiresAt = expiresAt
    }

    /// - Throws: `notFound` when the account is not there, `invalid`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> IssuedKey {
        let account = try await administration.stores.accounts.account(named: try Account.normalName(accountName))
        var label: String?
        if let raw = self.label { label = try Account.label(raw, field: .label) }
        let now = administration.clock.now
        try CreateKey.requireFuture(expiresAt, at: now)
        return IssuedKey(
            id: .timeOrdered(at: now), secret: .random(), accountName: account.name, label: label, scopes: scopes, expiresAt: expiresAt)
    }
}

/// Stores a key that was made up before, from when on it is good for what it is for.
package struct CreateKey: AdministrationOperation {
    private let issued: IssuedKey

    package init(_ issued: IssuedKey) {
        self.issued = issued
    }

    /// - Throws: `notFound` when the account is not there any more, `invalid` when the key has come to its end meanwhile.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> KeyReport {
        guard let accountName = issued.account else { throw .notFound }
        let account = try await administration.stores.accounts.account(named: accountName)
        let now = administration.clock.now
        let expiresAt = issued.expiresAt.flatMap { Timestamp(text: $0) }
        try Self.requireFuture(expiresAt, at: now)
        let key = APIKey(
            id: issued.id, accountID: account.id, prefix: issued.prefix, label: issued.label, scopes: Set(issued.scopes), state: .active,
            createdAt: now, expiresAt: expiresAt)
        let context: WriteContext<Void> = administration.context(.keysCreate, at: now, key.id.text)
        try await administration.stores.keys.insert(key, secret: APIKeySecret(text: issued.key), in: context)
        return KeyReport(ListedKey(key: key, account: account))
    }

    fileprivate static func requireFuture(_ end: Timestamp?, at now: Timestamp) throws(Failure) {
        if let end, end <= now { throw .invalid([Violation(.expires, "must be in the future")]) }
    }
}

/// Another secret for a key, and what becomes of the one that it has; nothing is stored yet.
package struct PreparedRotation: Sendable, Codable, Equatable {
    /// The key with the new secret.
    package let issued: IssuedKey
    fileprivate let overlapHours: Int
    fileprivate let preparedAt: Timestamp
}

/// Makes up another secret for a key, and stores nothing: the key keeps the one that it has until `RotateKey` has stored the other.
package struct PrepareRotation: AdministrationOperation {
    private let id: String
    private let overlapHours: Int

    package init(id: String, overlapHours: Int = KeyOverlap.default.hours) {
        self.id = id
        self.overlapHours = overlapHours
    }

    /// - Throws: `invalid`, `notFound`, `keyStaysDeleted`, `keyDisabled`, `keyExpired`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> PreparedRotation {
        let overlap = try KeyOverlap(hours: overlapHours)
        let found = try await administration.stores.keys.key(try Identifier(argument: id))
        let now = administration.clock.now
        let end = try found.key.endOfPresentSecret(after: overlap, at: now)
        let issued = IssuedKey(
            id: found.key.id, secret: .random(), accountName: found.account?.name, label: found.key.label, scopes: found.key.scopes,
            expiresAt: found.key.expiresAt, previousSecretExpiresAt: end)
        return PreparedRotation(issued: issued, overlapHours: overlapHours, preparedAt: now)
    }
}

/// Gives a key a secret that was made up before, beside which the one that it had is good for a while.
package struct RotateKey: AdministrationOperation {
    private let rotation: PreparedRotation

    package init(_ rotation: PreparedRotation) {
        self.rotation = rotation
    }

    /// - Throws: `invalid`, `notFound`, `keyStaysDeleted`, `keyDisabled`, `keyExpired`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> KeyReport {
        let id = rotation.issued.id
        // By the moment at which the end of the former secret was told.
        let rotated = try await administration.stores.keys.rotate(
            id, to: APIKeySecret(text: rotation.issued.key), overlap: try KeyOverlap(hours: rotation.overlapHours),
            in: administration.context(.keysRotate, at: rotation.preparedAt, id.text))
        return KeyReport(rotated)
    }
}

/// Shows a key.
package struct ShowKey: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> KeyReport {
        KeyReport(try await administration.stores.keys.key(try Identifier(argument: id)))
    }
}

/// Lists keys, of one account or of all, oldest first, a page at a time.
package struct ListKeys: PagedOperation {
    private let accountName: String?
    private let includesDeleted: Bool
    private let id: Identifier?
    private let limit: Int

    /// Asks for those after a key, or for the first.
    /// - Parameter includesDeleted: whether keys are wanted that are good for nothing for ever: deleted ones, and those of deleted accounts.
    package init(
        accountName: String?, includesDeleted: Bool = false, after id: Identifier? = nil, limit: Int = Limits.administrationPageRows
    ) {
        self.accountName = accountName
        self.includesDeleted = includesDeleted
        self.id = id
        self.limit = Limits.administrationRows(limit)
    }

    /// - Throws: `invalid`, `notFound` for an account that is not there.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [KeyReport] {
        var name: String?
        if let accountName { name = try Account.normalName(accountName) }
        return try await administration.stores.keys.keys(accountName: name, includingDeleted: includesDeleted, after: id, limit: limit)
            .map(KeyReport.init)
    }

    package func next(after page: [KeyReport]) -> ListKeys? {
        page.count < limit
            ? nil
            : page.last.map { ListKeys(accountName: accountName, includesDeleted: includesDeleted, after: $0.id, limit: limit) }
    }
}

/// Disables, enables or deletes a key.
package struct SetKeyState: AdministrationOperation {
    private let state: APIKey.State
    private let id: String

    package init(_ state: APIKey.State, id: String) {
        self.state = state
        self.id = id
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`, `notFound`, `keyStaysDeleted`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> KeyReport {
        let id = try Identifier(argument: id)
        let action: AuditAction =
            switch state {
            case .active: .keysEnable
            case .disabled: .keysDisable
            case .deleted: .keysDelete
            }
        return KeyReport(try await administration.stores.keys.setState(state, of: id, in: administration.context(action, id.text)))
    }
}
