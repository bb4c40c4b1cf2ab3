/// An entry of a seed, by its list and its place there.
package struct SeedEntry: Sendable, Codable, Hashable {
    /// The lists of a seed, by the names that people write.
    package enum List: String, Sendable, Codable, CaseIterable {
        /// Accounts to be there.
        case accounts
        /// Keys to be there.
        case keys
        /// Names to be reserved.
        case reservedNames = "reserved_names"
        /// Terms to be blocked.
        case blockedTerms = "blocked_terms"
        /// Personas to be there.
        case personas
        /// Styles to be there.
        case styles
    }

    /// The list.
    package let list: List
    /// The place in it, from 0.
    package let index: Int

    package init(_ list: List, _ index: Int) {
        self.list = list
        self.index = index
    }
}

/// Something that keeps a seed from being loaded.
package struct SeedProblem: Sendable, Codable, Equatable {
    /// What is wrong.
    package enum Reason: Sendable, Codable, Equatable {
        /// The entry breaks a rule that it would break as a request, too.
        case failure(Failure)
        /// The account of this name is neither stored nor in the seed.
        case accountMissing(String)
        /// An entry before this one is the same account's key or item of the same name, and says something else of it.
        case saysOtherwise(than: SeedEntry)
        /// An entry before this one has the same id of the owner's own.
        case externalIDRepeated(from: SeedEntry)
    }

    /// The entry at fault.
    package let entry: SeedEntry
    /// What is wrong with it.
    package let reason: Reason

    package init(entry: SeedEntry, reason: Reason) {
        self.entry = entry
        self.reason = reason
    }

    /// The member of the entry that is at fault, by the name that people write; nil where that is the entry as a whole.
    package var member: String? {
        switch reason {
        case .failure(.invalid(let violations)): violations.first?.field.seedName
        case .failure(.blockedContent(let field)): field.seedName
        case .failure(.nameReserved): "name"
        case .failure(.externalIDTaken), .externalIDRepeated: InputField.externalID.seedName
        case .accountMissing: InputField.account.seedName
        case .failure, .saysOtherwise: nil
        }
    }
}

extension InputField {
    /// What the field is called in a seed, whose images are named by one member alone.
    package var seedName: String { self == .imageBase64s ? "images" : plainName }
}

/// What a seed meets in the store, as far as its entries touch it.
package struct SeedSurroundings: Sendable {
    /// The names of accounts that are there, as bytes.
    var accountNames: Set<[UInt8]>
    /// The keys of the names that are reserved.
    var reservedNames: Set<String>
    /// The terms that are blocked.
    var blockedTerms: BlockedTerms
    /// Keys and items that are there already, so that loading the seed passes over them, whatever the rules say by now.
    var present: Set<SeedEntry>
    /// Which other item has the owner's own id that an entry wants.
    var externalIDHolders: [SeedEntry: Identifier]

    /// Those of a new store, in which nothing but names is reserved.
    package init(reserving names: [String]) {
        (accountNames, blockedTerms, present, externalIDHolders) = ([], BlockedTerms([]), [], [:])
        reservedNames = Set(names.compactMap { try? Name(normalising: $0).key })
    }
}

/// Looks at a whole seed before anything of it is written, by the rules by which its entries are stored. Images are named there and not looked at.
///
/// What is said twice in the same words is said once, because loading a seed again changes nothing either. What is said twice in different words is
/// wrong, because only one of them could be followed.
package struct SeedCheck {
    /// A key or an item as it is told apart.
    private struct Title: Hashable {
        let list: SeedEntry.List
        let account: [UInt8]
        let name: [UInt8]
    }

    private let document: SeedDocument
    private let surroundings: SeedSurroundings
    private var accountNames: Set<[UInt8]> = []
    private var found: [SeedProblem] = []

    private init(_ document: SeedDocument, _ surroundings: SeedSurroundings) {
        self.document = document
        self.surroundings = surroundings
    }

    /// Everything that is wrong with a seed, by list and entry.
    package static func problems(of document: SeedDocument, amid surroundings: SeedSurroundings) -> [SeedProblem] {
        var check = SeedCheck(document, surroundings)
        check.accounts()
        check.keys()
        let reserved = check.reservedNames()
        let terms = check.blockedTerms()
        check.items(document.personas ?? [], .persona, reserved: reserved, blocked: terms)
        check.items(document.styles ?? [], .style, reserved: reserved, blocked: terms)
        return check.found
    }

    private mutating func accounts() {
        accountNames = surroundings.accountNames
        for (index, entry) in (document.accounts ?? []).enumerated() {
            do throws(Violation) {
                accountNames.insert(Array(try Account.checkedLabel(entry.name, field: .name).utf8))
            } catch {
                add(error, to: SeedEntry(.accounts, index))
            }
        }
    }

    private mutating func keys() {
        var seen: [Title: (entry: SeedEntry, scopes: Set<Scope>)] = [:]
        for (index, key) in (document.keys ?? []).enumerated() {
            let entry = SeedEntry(.keys, index)
            let account = requiredAccount(key.account, of: entry)
            let scopes = key.scopes ?? APIKey.defaultScopes
            if scopes.isEmpty { add(Violation("scopes", "must not be empty"), to: entry) }
            do throws(Violation) {
                let title = Title(list: .keys, account: account, name: Array(try Account.checkedLabel(key.label, field: .label).utf8))
                if let first = seen[title] {
                    if first.scopes != scopes { add(.saysOtherwise(than: first.entry), to: entry) }
                } else {
                    seen[title] = (entry, scopes)
                }
            } catch {
                add(error, to: entry)
            }
        }
    }

    /// Looks at the names, and returns the keys of all that will be reserved once the seed is loaded.
    private mutating func reservedNames() -> Set<String> {
        var reserved = surroundings.reservedNames
        for (index, text) in (document.reservedNames ?? []).enumerated() {
            do throws(Violation) {
                reserved.insert(try Name(normalising: text).key)
            } catch {
                add(error.quoting(text), to: SeedEntry(.reservedNames, index))
            }
        }
        return reserved
    }

    /// Looks at the terms, and returns all that will be blocked once the seed is loaded.
    private mutating func blockedTerms() -> BlockedTerms {
        var terms = surroundings.blockedTerms.all
        for (index, text) in (document.blockedTerms ?? []).enumerated() {
            do throws(Violation) {
                terms.append(try BlockedTerm(text))
            } catch {
                add(error.quoting(text), to: SeedEntry(.blockedTerms, index))
            }
        }
        return BlockedTerms(terms)
    }

    private mutating func items(_ items: [SeedDocument.ItemEntry], _ mode: Mode, reserved: Set<String>, blocked terms: BlockedTerms) {
        let list = SeedEntry.List(mode)
        var names: [Title: (entry: SeedEntry, content: (PikzonalityChange, [String], TrainingOutcome?))] = [:]
        var externalIDs: [Title: SeedEntry] = [:]
        for (index, item) in items.enumerated() {
            let entry = SeedEntry(list, index)
            let account = requiredAccount(item.account, of: entry)
            let change = checkedForm(of: item, entry)
            guard let name = change.name else { continue }
            let title = Title(list: list, account: account, name: Array(name.key.utf8))
            if let first = names[title] {
                if first.content != (change, item.images, item.outcome) { add(.saysOtherwise(than: first.entry), to: entry) }
                continue
            }
            names[title] = (entry, (change, item.images, item.outcome))
            if let externalID = change.externalID ?? nil {
                let title = Title(list: list, account: account, name: Array(externalID.utf8))
                if let first = externalIDs.updateValue(entry, forKey: title) { add(.externalIDRepeated(from: first), to: entry) }
            }
            if surroundings.present.contains(entry) { continue }
            do throws(Failure) {
                try ContentPolicy.check(change.texts, against: terms)
            } catch {
                add(.failure(error), to: entry)
            }
            if reserved.contains(name.key) { add(.failure(.nameReserved), to: entry) }
            if let holder = surroundings.externalIDHolders[entry] { add(.failure(.externalIDTaken(mode, holder)), to: entry) }
        }
    }

    /// Tells which rules of form an item breaks, and returns what of its details breaks none, because other rules have to be looked at as well.
    private mutating func checkedForm(of item: SeedDocument.ItemEntry, _ entry: SeedEntry) -> PikzonalityChange {
        let draft = item.draft(imageBase64s: item.images.map { _ in "" })
        do throws(Failure) {
            _ = try draft.checked(acceptingPlainHTTP: false)
        } catch {
            if case .invalid(let violations) = error { for violation in violations { add(violation, to: entry) } }
        }
        var told: [Violation] = []
        return draft.details.checked(requiringName: true, isNew: true, &told)
    }

    /// The name of an entry's account in the form in which it is compared, told of where there is no such account.
    private mutating func requiredAccount(_ name: String, of entry: SeedEntry) -> [UInt8] {
        let account = Array(Account.comparableName(name).utf8)
        if !accountNames.contains(account) { add(.accountMissing(name), to: entry) }
        return account
    }

    private mutating func add(_ violation: Violation, to entry: SeedEntry) { add(.failure(.invalid([violation])), to: entry) }

    private mutating func add(_ reason: SeedProblem.Reason, to entry: SeedEntry) { found.append(SeedProblem(entry: entry, reason: reason)) }
}

extension SeedEntry.List {
    /// The list of the items of a mode.
    package init(_ mode: Mode) { self = mode == .persona ? .personas : .styles }
}
