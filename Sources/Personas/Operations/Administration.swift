/// What an operator can ask for, as one value that travels whole: a command runs it in its own process or sends it to the running server,
/// and nobody can tell the difference.
package enum AdministrationRequest: Sendable, Codable {
    /// Creates an account.
    case createAccount(name: String)
    /// Lists the accounts.
    case listAccounts
    /// Shows one account.
    case showAccount(name: String)
    /// Suspends or resumes an account.
    case setSuspended(Bool, accountName: String)
    /// Gives or takes API access.
    case setAPIAccess(Bool, accountName: String)
    /// Deletes an account and everything it owns.
    case deleteAccount(name: String)
    /// Issues a key.
    case createKey(accountName: String, label: String?, scopes: Set<Scope>)
    /// Lists keys, of one account or all.
    case listKeys(accountName: String?)
    /// Disables, enables or deletes a key.
    case setKeyState(APIKey.State, id: String)
    /// Reserves names.
    case reserveNames([String])
    /// Releases names.
    case releaseNames([String])
    /// Lists the reserved names.
    case listNames
    /// Turns maintenance on or off.
    case setMaintenance(isOn: Bool, retryAfterSeconds: Int?)
    /// Tells whether maintenance is on.
    case showMaintenance
    /// Lists the newest items of all accounts.
    case listItems(limit: Int)
    /// Shows one item of any account.
    case showItem(id: String)
    /// Deletes one item of any account.
    case deleteItem(id: String)
    /// Loads a seed whose images are filled in.
    case seed(SeedDocument)
    /// Lists the migrations.
    case listMigrations
    /// Writes a backup into a folder, named by its absolute path.
    case backup(directory: String)
    /// Looks whether what is stored agrees with itself, and removes what nothing needs if asked to.
    case check(isRepairing: Bool)

    /// Whether it may take minutes, so that whoever waits is to be shown how far it has come.
    package var isLong: Bool {
        switch self {
        case .backup, .check: true
        default: false
        }
    }
}

/// The answer to an `AdministrationRequest`.
package enum AdministrationReply: Sendable, Codable {
    /// One account.
    case account(AccountReport)
    /// Accounts.
    case accounts([AccountReport])
    /// A key with its secret, shown this once.
    case issuedKey(IssuedKey)
    /// One key.
    case key(KeyReport)
    /// Keys.
    case keys([KeyReport])
    /// Names.
    case names([NameReport])
    /// Whether maintenance is on.
    case maintenance(MaintenanceReport)
    /// One item.
    case item(ItemReport)
    /// Items.
    case items([ItemReport])
    /// What a seed changed.
    case seeded(SeedReport)
    /// Migrations.
    case migrations([MigrationReport])
    /// It was done, and this was it.
    case done(String)
    /// A backup.
    case backedUp(BackupReport)
    /// What a check found.
    case checked(IntegrityReport)
}

/// The use cases of operators.
package struct Administration: Sendable {
    private let accounts: any AccountStore
    private let keys: any APIKeyStore
    private let names: any ReservedNameStore
    private let terms: any BlockedTermStore
    private let maintenance: any MaintenanceStore
    private let items: any PikzonalityStore
    private let schema: any SchemaStore
    private let catalog: Catalog
    private let signals: WorkSignals
    private let backups: any BackupStore
    private let integrity: any IntegrityStore

    /// Ties the use cases to their ports.
    package init(
        accounts: any AccountStore, keys: any APIKeyStore, names: any ReservedNameStore, terms: any BlockedTermStore,
        maintenance: any MaintenanceStore, items: any PikzonalityStore, schema: any SchemaStore, catalog: Catalog, signals: WorkSignals,
        backups: any BackupStore, integrity: any IntegrityStore
    ) {
        self.accounts = accounts
        self.keys = keys
        self.names = names
        self.terms = terms
        self.maintenance = maintenance
        self.items = items
        self.schema = schema
        self.catalog = catalog
        self.signals = signals
        self.backups = backups
        self.integrity = integrity
    }

    /// Carries out what an operator asks for.
    /// - Parameter progress: told how far requests have come that take long.
    /// - Throws: `invalid`, `notFound`, `conflict`, `stillProcessing` and whatever the use case behind it throws.
    package func perform(
        _ request: AdministrationRequest, progress: @escaping ProgressHandler = { _ in }
    ) async throws(Failure) -> AdministrationReply {
        switch request {
        case .createAccount(let name): return .account(AccountReport(try await createAccount(name)))
        case .listAccounts: return .accounts(try await accounts.accounts().map(AccountReport.init))
        case .showAccount(let name): return .account(AccountReport(try await accounts.account(named: Self.normalName(name))))
        case .setSuspended(let value, let name):
            return .account(AccountReport(try await accounts.setSuspended(value, accountNamed: Self.normalName(name))))
        case .setAPIAccess(let value, let name):
            return .account(AccountReport(try await accounts.setAPIAccess(value, accountNamed: Self.normalName(name))))
        case .deleteAccount(let name):
            try await accounts.delete(accountNamed: Self.normalName(name), at: .now)
            signals.removals.notify()
            return .done("Account \(Self.normalName(name)) deleted")
        case .createKey(let account, let label, let scopes):
            return .issuedKey(try await issueKey(accountName: account, label: label, scopes: scopes))
        case .listKeys(let account): return .keys(try await keys.keys(accountName: account.map(Self.normalName)).map(KeyReport.init))
        case .setKeyState(let state, let id): return .key(try await setKeyState(state, id: id))
        case .reserveNames(let texts):
            try await names.reserve(try normalised(texts), at: .now)
            return .names(try await names.reservedNames().map(NameReport.init))
        case .releaseNames(let texts):
            let count = try await names.release(try normalised(texts))
            return .done("\(count) \(count == 1 ? "name" : "names") released")
        case .listNames: return .names(try await names.reservedNames().map(NameReport.init))
        case .setMaintenance(let isOn, let seconds): return .maintenance(try await setMaintenance(isOn, retryAfterSeconds: seconds))
        case .showMaintenance: return .maintenance(MaintenanceReport(maintenance.maintenance))
        case .listItems(let limit):
            return .items(try await items.newest(limit: max(1, min(limit, Limits.administrationRowsMax))).map(ItemReport.init))
        case .showItem(let id): return .item(ItemReport(try await items.operatorItem(try identifier(id))))
        case .deleteItem(let id):
            let mode = try await catalog.delete(try identifier(id), mode: nil, accountID: nil)
            return .done("\(mode == .persona ? "Persona" : "Style") deleted")
        case .seed(let document): return .seeded(try await load(document))
        case .listMigrations: return .migrations(try await schema.migrations())
        case .backup(let directory):
            // Whatever was deleted meanwhile had to wait for the backup.
            defer { signals.removals.notify() }
            return .backedUp(try await backups.backup(to: directory, progress: progress))
        case .check(let isRepairing):
            return .checked(try await integrity.check(isRepairing: isRepairing, at: .now, progress: progress))
        }
    }

    private func createAccount(_ raw: String) async throws(Failure) -> Account {
        let account = Account(
            id: .timeOrdered(at: .now), name: try label(raw, field: .name), isSuspended: false, hasAPIAccess: true, createdAt: .now)
        try await accounts.insert(account)
        return account
    }

    private func issueKey(accountName: String, label raw: String?, scopes: Set<Scope>) async throws(Failure) -> IssuedKey {
        let account = try await accounts.account(named: Self.normalName(accountName))
        var label: String?
        if let raw { label = try self.label(raw, field: .label) }
        let secret = APIKeySecret.random()
        let key = APIKey(
            id: .timeOrdered(at: .now), accountID: account.id, prefix: secret.prefix, label: label, scopes: scopes, state: .active,
            createdAt: .now)
        try await keys.insert(key, secret: secret)
        return IssuedKey(key, secret: secret, accountName: account.name)
    }

    private func setKeyState(_ state: APIKey.State, id: String) async throws(Failure) -> KeyReport {
        let key = try await keys.setState(state, of: try identifier(id))
        let listed = try await keys.keys(accountName: nil).first { $0.key.id == key.id }
        return KeyReport(key: key, accountName: listed?.accountName)
    }

    private func setMaintenance(_ isOn: Bool, retryAfterSeconds: Int?) async throws(Failure) -> MaintenanceReport {
        let seconds = retryAfterSeconds ?? Maintenance.retryAfterSecondsDefault
        guard (1...Maintenance.retryAfterSecondsMax).contains(seconds) else {
            throw .invalid([Violation(.retryAfter, "must be from 1 to \(Maintenance.retryAfterSecondsMax) seconds")])
        }
        try await maintenance.set(Maintenance(isOn: isOn, retryAfterSeconds: seconds))
        return MaintenanceReport(maintenance.maintenance)
    }

    private func load(_ document: SeedDocument) async throws(Failure) -> SeedReport {
        var report = SeedReport()
        // Everything is compared in the form in which it is stored, or a second run would find it missing.
        var known = Set(try await accounts.accounts().map(\.name))
        for entry in document.accounts ?? [] where known.insert(try label(entry.name, field: .name)).inserted {
            _ = try await createAccount(entry.name)
            report.accounts += 1
        }
        for entry in document.keys ?? [] {
            let name = try label(entry.label, field: .label)
            let issued = try await keys.keys(accountName: Self.normalName(entry.account))
            guard !issued.contains(where: { $0.key.label == name && $0.key.state != .deleted }) else { continue }
            report.keys.append(try await issueKey(accountName: entry.account, label: name, scopes: entry.scopes ?? APIKey.defaultScopes))
        }
        var reserved = Set(try await names.reservedNames().map(\.key))
        let missing = try normalised(document.reservedNames ?? []).filter { reserved.insert($0.key).inserted }
        if !missing.isEmpty { try await names.reserve(missing, at: .now) }
        report.reservedNames = missing.count
        var blocked = Set(terms.blockedTerms)
        let newTerms = (document.blockedTerms ?? []).filter { !$0.isEmpty && blocked.insert(ContentPolicy.comparable($0)).inserted }
        if !newTerms.isEmpty { try await terms.block(newTerms) }
        report.blockedTerms = newTerms.count
        for entry in document.personas ?? [] where try await create(entry, mode: .persona) { report.personas += 1 }
        for entry in document.styles ?? [] where try await create(entry, mode: .style) { report.styles += 1 }
        return report
    }

    /// Creates a seed's item unless one of its name is there. Returns whether it did.
    private func create(_ entry: SeedDocument.ItemEntry, mode: Mode) async throws(Failure) -> Bool {
        let account = try await accounts.account(named: Self.normalName(entry.account))
        let draft = CreateDraft(
            name: .value(entry.name), imageURLs: .absent, imageBase64s: .value((entry.imageBase64s ?? []).map { ArraySlice($0.utf8) }),
            specialInstructions: entry.specialInstructions.map(JSONField.value) ?? .absent)
        do throws(Failure) {
            _ = try await catalog.create(
                draft, mode: mode, accountID: account.id, holding: .unlimited(for: account.id), outcome: entry.outcome)
            return true
        } catch .nameTaken {
            return false
        }
    }

    /// The form in which accounts are named; a text that can be no account's name stays, and finds none.
    private static func normalName(_ raw: String) -> String { (try? Account.checkedLabel(raw, field: .account)) ?? raw }

    private func label(_ raw: String, field: InputField) throws(Failure) -> String {
        do {
            return try Account.checkedLabel(raw, field: field)
        } catch {
            throw .invalid([error])
        }
    }

    private func normalised(_ texts: [String]) throws(Failure) -> [Name] {
        var names: [Name] = []
        for text in texts {
            do {
                names.append(try Name(normalising: text))
            } catch {
                throw .invalid([error.quoting(text)])
            }
        }
        return names
    }

    private func identifier(_ text: String) throws(Failure) -> Identifier {
        guard let id = Identifier(text) else { throw .invalid([Violation(.id, "must be a UUID")]) }
        return id
    }
}
