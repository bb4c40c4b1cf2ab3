/// Gives an account credits, or takes some away.
package struct AdjustCredits: AdministrationOperation {
    /// What is done.
    package enum Deed: String, Sendable, Codable {
        /// Credits are given.
        case grant
        /// Credits are taken away.
        case revoke
    }

    private let deed: Deed
    private let accountName: String
    private let amount: String
    private let note: String?

    /// - Parameters:
    ///   - amount: in decimal digits.
    ///   - note: what the entry is to say; nil for nothing.
    package init(_ deed: Deed, accountName: String, amount: String, note: String?) {
        self.deed = deed
        self.accountName = accountName
        self.amount = amount
        self.note = note
    }

    /// - Throws: `invalid`, `invalidAmount`, `notFound` for an account that is not there, `balanceTooHigh`, `balanceTooLow`.
    package func perform(
        in administration: Administration, progress: @escaping ProgressHandler
    ) async throws(Failure) -> CreditEntryReport {
        let amount = try CreditAmount(amount, of: .own("AMOUNT"))
        let note = try note.map { (text) throws(Failure) in try CreditNote(text, of: .own("--note")) }
        let account = try await administration.creditedAccount(accountName)
        let (adjustment, action): (CreditAdjustment, AuditAction) =
            switch deed {
            case .grant: (.grant(amount, note: note), .creditsGrant)
            case .revoke: (.revoke(amount, note: note), .creditsRevoke)
            }
        return CreditEntryReport(
            try await administration.stores.credits.adjust(
                adjustment, accountID: account.id, in: administration.context(action, "\(account.name) \(amount.value)")))
    }
}

/// Tells how an account stands with its credits.
package struct ShowCredits: AdministrationOperation {
    private let accountName: String

    package init(accountName: String) {
        self.accountName = accountName
    }

    /// - Throws: `invalid`, `notFound` for an account that is not there.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> CreditReport {
        let account = try await administration.creditedAccount(accountName)
        return CreditReport(account, try await administration.stores.credits.standing(accountID: account.id))
    }
}

/// Lists an account's ledger, the newest entries first.
package struct ListCredits: ContinuedOperation {
    /// An entry.
    package typealias Row = CreditEntryReport
    /// Where it stands.
    package typealias Place = CreditPlace

    private let accountName: String
    private let place: CreditPlace?
    private let limit: Int

    /// - Parameter place: that of the entry which the list follows; nil for the newest.
    package init(accountName: String, after place: CreditPlace? = nil, limit: Int) {
        self.accountName = accountName
        self.place = place
        self.limit = Limits.administrationRows(limit)
    }

    /// - Throws: `invalid`, `notFound` for an account that is not there.
    package func perform(
        in administration: Administration, progress: @escaping ProgressHandler
    ) async throws(Failure) -> OperatorPage<CreditEntryReport, CreditPlace> {
        let account = try await administration.creditedAccount(accountName)
        let found = try await administration.stores.credits.entries(before: place?.number, limit: limit + 1, accountID: account.id)
        return OperatorPage(found, limit: limit) { CreditPlace(number: $0.number) }.map(CreditEntryReport.init)
    }

    package func continued(after place: CreditPlace, limit: Int) -> ListCredits {
        ListCredits(accountName: accountName, after: place, limit: limit)
    }
}

extension Administration {
    /// The account that a command about credits names.
    /// - Throws: `invalid`, `notFound`.
    func creditedAccount(_ name: String) async throws(Failure) -> Account {
        try await stores.accounts.account(named: try Account.normalName(name, field: .own("ACCOUNT")))
    }
}

/// Where in an account's ledger an entry stands.
package struct CreditPlace: Sendable, Codable, Equatable, LosslessStringConvertible {
    /// Counts the entries of the account.
    package let number: Int

    package init(number: Int) {
        self.number = number
    }

    /// Reads what `description` wrote.
    package init?(_ text: String) {
        guard let number = Int(text), number > 0 else { return nil }
        self.number = number
    }

    /// As operators write it.
    package var description: String { String(number) }
}

/// The credits of an account as an operator's program sees them.
package struct CreditReport: Sendable, Codable, Equatable {
    /// The account's name.
    package let account: String
    /// What there is; never below 0.
    package let balance: Int
    /// Below which balance credits are bought; nil where none ever are.
    package let threshold: Int?
    /// How many at a time.
    package let amount: Int?
    /// Whether any are at present.
    package let status: SmartBalance.Status?
    /// Why none are.
    package let pausedReason: String?

    init(_ account: Account, _ standing: CreditStanding) {
        self.account = account.name
        balance = standing.balance
        threshold = standing.smartBalance?.threshold.value
        amount = standing.smartBalance?.amount.value
        status = standing.smartBalance?.status
        pausedReason = standing.smartBalance?.pausedReason
    }
}

/// An entry of a ledger as an operator's program sees it.
package struct CreditEntryReport: Sendable, Codable, Equatable {
    /// The entry's id.
    package let id: Identifier
    /// By how much the balance changed.
    package let amount: Int
    /// Why.
    package let kind: CreditEntryKind
    /// The item whose training it is about.
    package let itemID: Identifier?
    /// What was written to it.
    package let note: String?
    /// The balance with it.
    package let balanceAfter: Int
    /// RFC 3339.
    package let at: String

    init(_ entry: CreditEntry) {
        id = entry.id
        amount = entry.amount
        kind = entry.kind
        itemID = entry.itemID
        note = entry.note
        balanceAfter = entry.balanceAfter
        at = entry.at.text
    }
}
