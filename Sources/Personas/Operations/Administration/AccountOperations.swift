/// Creates an account, with API access.
package struct CreateAccount: AdministrationOperation {
    private let name: String

    package init(name: String) {
        self.name = name
    }

    /// - Throws: `invalid`, `accountNameTaken`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let now = administration.clock.now
        let account = Account(
            id: .timeOrdered(at: now), name: try Account.label(name, field: .name), isSuspended: false, hasAPIAccess: true, createdAt: now)
        try await administration.stores.accounts.insert(account, in: administration.context(.accountsCreate, at: now, account.name))
        return AccountReport(account, AccountUsage())
    }
}

/// Lists accounts by name, a page at a time.
package struct ListAccounts: PagedOperation {
    private let name: String?
    private let limit: Int

    /// Asks for those after a name, or for the first.
    package init(after name: String? = nil, limit: Int = Limits.administrationPageRows) {
        self.name = name
        self.limit = Limits.administrationRows(limit)
    }

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [AccountReport] {
        var reports: [AccountReport] = []
        for account in try await administration.stores.accounts.accounts(after: name, limit: limit) {
            reports.append(try await administration.report(of: account))
        }
        return reports
    }

    package func next(after page: [AccountReport]) -> ListAccounts? {
        page.count < limit ? nil : page.last.map { ListAccounts(after: $0.name, limit: limit) }
    }
}

/// Shows an account.
package struct ShowAccount: AdministrationOperation {
    private let name: String

    package init(name: String) {
        self.name = name
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let name = try Account.normalName(name, field: .name)
        return try await administration.report(of: try await administration.stores.accounts.account(named: name))
    }
}

/// Suspends or resumes an account.
package struct SetSuspended: AdministrationOperation {
    private let isSuspended: Bool
    private let accountName: String

    package init(_ isSuspended: Bool, accountName: String) {
        self.isSuspended = isSuspended
        self.accountName = accountName
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let (accounts, name) = (administration.stores.accounts, try Account.normalName(accountName, field: .name))
        return try await administration.report(
            of: try await accounts.setSuspended(
                isSuspended, accountNamed: name, in: administration.context(isSuspended ? .accountsSuspend : .accountsResume, name)))
    }
}

/// Gives an account API access or takes it.
package struct SetAPIAccess: AdministrationOperation {
    private let hasAPIAccess: Bool
    private let accountName: String

    package init(_ hasAPIAccess: Bool, accountName: String) {
        self.hasAPIAccess = hasAPIAccess
        self.accountName = accountName
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let (accounts, name) = (administration.stores.accounts, try Account.normalName(accountName, field: .name))
        return try await administration.report(
            of: try await accounts.setAPIAccess(
                hasAPIAccess, accountNamed: name, in: administration.context(hasAPIAccess ? .accountsEnableAPI : .accountsDisableAPI, name))
        )
    }
}

/// Changes how much an account may have, or tells it.
package struct ChangeQuota: AdministrationOperation {
    private let change: QuotaChange
    private let accountName: String

    /// - Parameter change: what is to be different; empty to be told how things stand.
    package init(_ change: QuotaChange, accountName: String) {
        self.change = change
        self.accountName = accountName
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> QuotaReport {
        let (accounts, name) = (administration.stores.accounts, try Account.normalName(accountName, field: .name))
        let account =
            change.isEmpty
            ? try await accounts.account(named: name)
            : try await accounts.change(change, accountNamed: name, in: administration.context(.accountsQuota, "\(name) \(change.text)"))
        return QuotaReport(account, try await administration.catalog.usage(accountID: account.id))
    }
}

/// Deletes an account and everything it owns.
package struct DeleteAccount: AdministrationOperation {
    private let name: String

    package init(name: String) {
        self.name = name
    }

    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let name = try Account.normalName(name, field: .name)
        try await administration.stores.accounts.delete(accountNamed: name, in: administration.context(.accountsDelete, name))
        administration.signals.removals.notify()
        return Confirmation(message: "Account \(name) deleted")
    }
}

extension Administration {
    /// An account with what it has.
    fileprivate func report(of account: Account) async throws(Failure) -> AccountReport {
        AccountReport(account, try await catalog.usage(accountID: account.id))
    }
}
