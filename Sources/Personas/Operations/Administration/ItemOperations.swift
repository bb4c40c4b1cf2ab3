/// Lists the newest items of all accounts.
package struct ListItems: AdministrationOperation {
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [ItemReport] {
        try await administration.stores.pikzonalities.newest(limit: Limits.administrationRows(limit)).map(ItemReport.init)
    }
}

/// Shows one item of any account.
package struct ShowItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ItemReport {
        ItemReport(try await administration.stores.pikzonalities.operatorItem(try Identifier(argument: id)))
    }
}

/// Deletes one item of any account.
package struct DeleteItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`, `stillProcessing`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let mode = try await administration.catalog.delete(try Identifier(argument: id), mode: nil, accountID: nil)
        return Confirmation(message: mode == .persona ? "Persona deleted" : "Style deleted")
    }
}
