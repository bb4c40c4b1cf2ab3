/// Loads a seed whose images are filled in. Everything is compared in the form in which it is stored, so that loading it again changes nothing.
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
        for entry in document.keys ?? [] {
            if let issued = try await create(entry, in: administration) { report.keys.append(issued) }
        }
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

    /// Issues a key unless the account has one of its label that was not deleted.
    private func create(_ entry: SeedDocument.KeyEntry, in administration: Administration) async throws(Failure) -> IssuedKey? {
        let label = try Account.label(entry.label, field: .label)
        var isThere = false
        try await administration.walk(ListKeys(accountName: entry.account)) { page in
            isThere = page.contains { $0.label == label && $0.state != .deleted }
            return !isThere
        }
        guard !isThere else { return nil }
        return try await administration.perform(
            CreateKey(accountName: entry.account, label: label, scopes: entry.scopes ?? APIKey.defaultScopes))
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
        do throws(Failure) {
            _ = try await administration.create(
                entry.details, mode: mode, imageBase64s: entry.imageBase64s ?? [], accountName: entry.account, outcome: entry.outcome)
            return true
        } catch .nameTaken {
            return false
        }
    }
}
