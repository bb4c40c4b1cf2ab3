/// Loads a seed whose images are filled in, all but its keys, which come last and one by one (`PrepareKey`). Everything is compared in the form in
/// which it is stored, so that loading it again changes nothing.
package struct LoadSeed: AdministrationOperation {
    private let document: SeedDocument

    package init(_ document: SeedDocument) {
        self.document = document
    }

    /// Those of an item whose name turned out to be taken.
    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound` for an account that is not there, and what `Catalog.create` throws but for a name that is taken.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> SeedReport {
        var report = SeedReport()
        for entry in document.accounts ?? [] where try await create(entry, in: administration) { report.accounts += 1 }
        report.reservedNames = try await reserveNames(administration)
        report.blockedTerms = try await blockTerms(administration)
        for entry in document.personas ?? [] where try await create(entry, .persona, in: administration) { report.personas += 1 }
        for entry in document.styles ?? [] where try await create(entry, .style, in: administration) { report.styles += 1 }
        return report
    }

    /// Creates an account unless one of its name is there. Returns whether it did.
    private func create(_ entry: SeedDocument.AccountEntry, in administration: Administration) async throws(Failure) -> Bool {
        do throws(Failure) {
            _ = try await administration.perform(CreateAccount(name: entry.name))
            return true
        } catch .accountNameTaken {
            return false
        }
    }

    private func reserveNames(_ administration: Administration) async throws(Failure) -> Int {
        let names = administration.stores.names
        var reserved = Set(try await names.reservedNames().map(\.key))
        let missing = try Name.normalised(document.reservedNames ?? []).filter { reserved.insert($0.key).inserted }
        if !missing.isEmpty { _ = try await names.reserve(missing, in: administration.context(.namesReserve) { $0.map(\.text) }) }
        return missing.count
    }

    private func blockTerms(_ administration: Administration) async throws(Failure) -> Int {
        try await administration.perform(BlockTerms(document.blockedTerms ?? [])).changed.count
    }

    /// Creates an item unless one of its name is there. Returns whether it did.
    private func create(_ entry: SeedDocument.ItemEntry, _ mode: Mode, in administration: Administration) async throws(Failure) -> Bool {
        let account = try await administration.stores.accounts.account(named: try Account.normalName(entry.account))
        // Looked for first, because by now its name may be reserved, or hold a blocked term.
        if let name = try? Name(normalising: entry.name),
            try await administration.stores.pikzonalities.holders(of: name, externalID: nil, mode: mode, accountID: account.id).ofName
                != nil
        {
            return false
        }
        do throws(Failure) {
            _ = try await administration.create(
                entry.draft(imageBase64s: entry.imageBase64s ?? []), mode: mode, accountName: entry.account, outcome: entry.outcome)
            return true
        } catch .nameTaken {
            return false
        }
    }
}
