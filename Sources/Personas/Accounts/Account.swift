/// Who owns items and keys.
package struct Account: Sendable, Equatable, Codable {
    /// The account's id.
    package let id: Identifier
    /// Unique among accounts; what operators call it.
    package let name: String
    /// Whether an operator has suspended it.
    package let isSuspended: Bool
    /// Whether its keys may use the API.
    package let hasAPIAccess: Bool
    /// When it was created.
    package let createdAt: Timestamp

    package init(id: Identifier, name: String, isSuspended: Bool, hasAPIAccess: Bool, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.isSuspended = isSuspended
        self.hasAPIAccess = hasAPIAccess
        self.createdAt = createdAt
    }

    /// Checks an account's name or a key's label: printable, trimmed, with single spaces, 1 to 100 characters.
    /// - Throws: the rule that is broken.
    package static func checkedLabel(_ raw: String, field: InputField) throws(Violation) -> String {
        var scalars = String.UnicodeScalarView()
        var count = 0
        for scalar in SpacedScalars(raw) {
            count += 1
            guard count <= Limits.labelCharactersMax else { break }
            scalars.append(scalar)
        }
        guard (1...Limits.labelCharactersMax).contains(count) else {
            throw Violation(field, "must be 1 to \(Limits.labelCharactersMax) characters long")
        }
        guard !scalars.contains(where: \.isControl) else { throw Violation(field, "must not hold control characters") }
        return String(scalars)
    }
}

/// Remembers accounts.
package protocol AccountStore: Sendable {
    /// Stores a new account.
    /// - Throws: `accountNameTaken`.
    func insert(_ account: Account, in context: WriteContext<Void>) async throws(Failure)
    /// Accounts by name: those after a name, or the first, and so many at most.
    func accounts(after name: String?, limit: Int) async throws(Failure) -> [Account]
    /// The account of a name.
    /// - Throws: `notFound`.
    func account(named name: String) async throws(Failure) -> Account
    /// Suspends or resumes an account.
    /// - Throws: `notFound`.
    func setSuspended(
        _ isSuspended: Bool, accountNamed name: String, in context: WriteContext<Account>
    ) async throws(Failure) -> Account
    /// Gives or takes API access.
    /// - Throws: `notFound`.
    func setAPIAccess(
        _ hasAPIAccess: Bool, accountNamed name: String, in context: WriteContext<Account>
    ) async throws(Failure) -> Account
    /// Changes how much an account may have. That may be less than it has, which takes nothing away.
    /// - Throws: `notFound`.
    func change(_ quota: QuotaChange, accountNamed name: String, in context: WriteContext<Account>) async throws(Failure) -> Account
    /// Removes an account with all its items; its training jobs are cancelled, its keys stay as tombstones.
    /// - Throws: `notFound`.
    func delete(accountNamed name: String, in context: WriteContext<Void>) async throws(Failure)
}
