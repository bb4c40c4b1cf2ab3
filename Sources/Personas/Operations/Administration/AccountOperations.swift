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
        return AccountReport(account)
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
        try await administration.stores.accounts.accounts(after: name, limit: limit).map(AccountReport.init)
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

    /// - Throws: `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        AccountReport(try await administration.stores.accounts.account(named: Account.normalName(name)))
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

    /// - Throws: `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let name = Account.normalName(accountName)
        return AccountReport(
            try await administration.stores.accounts.setSuspended(
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

    /// - Throws: `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> AccountReport {
        let name = Account.normalName(accountName)
        return AccountReport(
            try await administration.stores.accounts.setAPIAccess(
                hasAPIAccess, accountNamed: name, in: administration.context(hasAPIAccess ? .accountsEnableAPI : .accountsDisableAPI, name))
        )
    }
}

/// Deletes an account and everything it owns.
package struct DeleteAccount: AdministrationOperation {
    private let name: String

    package init(name: String) {
        self.name = name
    }

    package static let leavesImages = true

    /// - Throws: `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let name = Account.normalName(name)
        try await administration.stores.accounts.delete(accountNamed: name, in: administration.context(.accountsDelete, name))
        administration.signals.removals.notify()
        return Confirmation(message: "Account \(name) deleted")
    }
}
