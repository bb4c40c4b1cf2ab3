/// Issues a key.
package struct CreateKey: AdministrationOperation {
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
        let account = try await administration.stores.accounts.account(named: Account.normalName(accountName))
        var label: String?
        if let raw = self.label { label = try Account.label(raw, field: .label) }
        let now = administration.clock.now
        if let expiresAt, expiresAt <= now { throw .invalid([Violation(.expires, "must be in the future")]) }
        let secret = APIKeySecret.random()
        let key = APIKey(
            id: .timeOrdered(at: now), accountID: account.id, prefix: secret.prefix, label: label, scopes: scopes, state: .active,
            createdAt: now, expiresAt: expiresAt)
        try await administration.stores.keys.insert(key, secret: secret, in: administration.context(.keysCreate, at: now, key.id.text))
        return IssuedKey(key, secret: secret, accountName: account.name)
    }
}

/// Gives a key another secret, beside which the one that it had is good for a while.
package struct RotateKey: AdministrationOperation {
    private let id: String
    private let overlapHours: Int

    package init(id: String, overlapHours: Int = KeyOverlap.default.hours) {
        self.id = id
        self.overlapHours = overlapHours
    }

    /// - Throws: `invalid`, `notFound`, `keyStaysDeleted`, `keyDisabled`, `keyExpired`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> IssuedKey {
        let secret = APIKeySecret.random()
        let id = try Identifier(argument: id)
        let rotated = try await administration.stores.keys.rotate(
            id, to: secret, overlap: try KeyOverlap(hours: overlapHours), in: administration.context(.keysRotate, id.text))
        return IssuedKey(rotated.key, secret: secret, accountName: rotated.account?.name)
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

    /// - Throws: `notFound` for an account that is not there.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [KeyReport] {
        let name = accountName.map(Account.normalName)
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
