/// What looking at a whole seed has found.
package struct SeedFindings: Sendable, Codable, Equatable {
    /// What is wrong with it; nothing of a seed is to be loaded that has any.
    package let problems: [SeedProblem]
    /// Which entries are keys that are not there yet, each told apart by account and label.
    package let missingKeys: [Int]
}

/// Looks at a whole seed amid what is stored, and changes nothing. Its images are not looked at, and need not be filled in.
package struct CheckSeed: AdministrationOperation {
    private let document: SeedDocument

    package init(_ document: SeedDocument) {
        self.document = document
    }

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> SeedFindings {
        var surroundings = SeedSurroundings(reserving: [])
        surroundings.reservedNames = Set(try await administration.stores.names.reservedNames().map(\.key))
        surroundings.blockedTerms = administration.stores.terms.blockedTerms
        let accounts = try await accounts(in: administration)
        surroundings.accountNames = Set(accounts.keys)
        let missingKeys = try await lookForKeys(accounts, administration, &surroundings)
        for mode in Mode.allCases { try await lookForItems(mode, accounts, administration, &surroundings) }
        return SeedFindings(problems: SeedCheck.problems(of: document, amid: surroundings), missingKeys: missingKeys)
    }

    /// The stored ones among the accounts that the seed names, by their names as bytes.
    private func accounts(in administration: Administration) async throws(Failure) -> [[UInt8]: Account] {
        let items = (document.personas ?? []) + (document.styles ?? [])
        let names = (document.accounts ?? []).map(\.name) + (document.keys ?? []).map(\.account) + items.map(\.account)
        var accounts: [[UInt8]: Account] = [:]
        var asked: Set<[UInt8]> = []
        for name in names.map(Account.comparableName) where asked.insert(Array(name.utf8)).inserted {
            do throws(Failure) {
                accounts[Array(name.utf8)] = try await administration.stores.accounts.account(named: name)
            } catch .notFound {
                continue
            }
        }
        return accounts
    }

    /// Returns the keys that are neither stored nor named by an entry before.
    private func lookForKeys(
        _ accounts: [[UInt8]: Account], _ administration: Administration, _ surroundings: inout SeedSurroundings
    ) async throws(Failure) -> [Int] {
        var labels: [[UInt8]: Set<[UInt8]>] = [:]
        var missing: [Int] = []
        for (index, key) in (document.keys ?? []).enumerated() {
            let account = Array(Account.comparableName(key.account).utf8)
            if labels[account] == nil {
                var stored: Set<[UInt8]> = []
                if let name = accounts[account]?.name {
                    try await administration.walk(ListKeys(accountName: name)) { page in
                        stored.formUnion(page.filter { $0.state != .deleted }.compactMap { $0.label.map { Array($0.utf8) } })
                        return true
                    }
                }
                labels[account] = stored
            }
            let label = (try? Account.checkedLabel(key.label, field: .label)) ?? key.label
            if labels[account]?.insert(Array(label.utf8)).inserted ?? false {
                missing.append(index)
            } else {
                surroundings.present.insert(SeedEntry(.keys, index))
            }
        }
        return missing
    }

    private func lookForItems(
        _ mode: Mode, _ accounts: [[UInt8]: Account], _ administration: Administration, _ surroundings: inout SeedSurroundings
    ) async throws(Failure) {
        for (index, item) in ((mode == .persona ? document.personas : document.styles) ?? []).enumerated() {
            guard let account = accounts[Array(Account.comparableName(item.account).utf8)], let name = try? Name(normalising: item.name)
            else {
                continue
            }
            let holders = try await administration.stores.pikzonalities.holders(
                of: name, externalID: item.externalID, mode: mode, accountID: account.id)
            let entry = SeedEntry(SeedEntry.List(mode), index)
            if holders.ofName != nil { surroundings.present.insert(entry) }
            surroundings.externalIDHolders[entry] = holders.ofExternalID
        }
    }
}
