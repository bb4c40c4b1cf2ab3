/// Lists what is in the trash of all accounts, or of one, the newest first.
package struct ListTrash: ContinuedOperation {
    /// An item.
    package typealias Row = TrashReport
    /// Where it stands.
    package typealias Place = TrashPlace

    private let accountName: String?
    private let mode: Mode?
    private let place: TrashPlace?
    private let limit: Int

    /// - Parameter place: that of the item which the list follows; nil for the newest.
    package init(accountName: String? = nil, mode: Mode? = nil, after place: TrashPlace? = nil, limit: Int) {
        self.accountName = accountName
        self.mode = mode
        self.place = place
        self.limit = Limits.administrationRows(limit)
    }

    /// - Throws: `notFound` for an account that is not there.
    package func perform(
        in administration: Administration, progress: @escaping ProgressHandler
    ) async throws(Failure) -> OperatorPage<TrashReport, TrashPlace> {
        var accountID: Identifier?
        if let accountName { accountID = try await administration.stores.accounts.account(named: Account.normalName(accountName)).id }
        return try await administration.stores.trash.operatorItems(mode: mode, after: place, limit: limit, accountID: accountID)
            .map(TrashReport.init)
    }

    package func continued(after place: TrashPlace, limit: Int) -> ListTrash {
        ListTrash(accountName: accountName, mode: mode, after: place, limit: limit)
    }
}

/// Takes an item of any account out of the trash.
package struct RestoreTrashedItem: AdministrationOperation {
    private let id: String
    private let name: String?
    private let externalID: String?

    /// - Parameters:
    ///   - name: what it is called from then on; nil for what it was called.
    ///   - externalID: what its owner's own program calls it from then on; nil for what it was called.
    package init(id: String, name: String? = nil, externalID: String? = nil) {
        self.id = id
        self.name = name
        self.externalID = externalID
    }

    /// - Throws: `invalid`, `blockedContent`, `notFound`, `nameReserved`, `nameTaken`, `externalIDTaken`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let id = try Identifier(argument: id)
        let draft = DetailsDraft(
            name: name.map(JSONField.value) ?? .absent, specialInstructions: .absent,
            externalID: externalID.map(JSONField.value) ?? .absent)
        let item = try await administration.trash.restore(
            id, accountID: nil, change: try draft.checked(), audit: administration.note(.trashRestore) { _ in [id.text] })
        return Confirmation(message: item.mode == .persona ? "Persona restored" : "Style restored")
    }
}

/// Removes an item of any account from the trash for good.
package struct PurgeTrashedItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let id = try Identifier(argument: id)
        let mode = try await administration.trash.purge(
            id, accountID: nil, audit: administration.note(.trashPurge) { _ in [id.text] })
        return Confirmation(message: mode == .persona ? "Persona deleted" : "Style deleted")
    }
}

/// Since when and until when an item lies in the trash, as an operator's program sees it.
package struct TrashTimes: Sendable, Codable, Equatable {
    /// When it was put away: RFC 3339.
    package let deletedAt: String
    /// From when it is gone for good: RFC 3339.
    package let purgeAt: String

    init(_ trashed: TrashedItem) {
        deletedAt = trashed.trashedAt.text
        purgeAt = trashed.purgeAt.text
    }
}

/// An item in the trash as an operator's program sees it.
package struct TrashReport: Sendable, Codable, Equatable {
    /// The item's id.
    package let id: Identifier
    /// The name of its account.
    package let account: String
    /// Persona or style.
    package let mode: Mode
    /// The item's name.
    package let name: String
    /// When it was put away: RFC 3339.
    package let deletedAt: String
    /// From when it is gone for good: RFC 3339.
    package let purgeAt: String

    init(_ found: OperatorTrashedItem) {
        id = found.trashed.item.id
        account = found.accountName
        mode = found.trashed.item.mode
        name = found.trashed.item.name.text
        deletedAt = found.trashed.trashedAt.text
        purgeAt = found.trashed.purgeAt.text
    }
}
