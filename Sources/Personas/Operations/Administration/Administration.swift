/// The ports that operators work on.
package protocol AdministrationStores: Sendable {
    /// Accounts.
    var accounts: any AccountStore { get }
    /// API keys.
    var keys: any APIKeyStore { get }
    /// Reserved names.
    var names: any ReservedNameStore { get }
    /// Blocked terms.
    var terms: any BlockedTermStore { get }
    /// Whether maintenance is on.
    var maintenance: any MaintenanceStore { get }
    /// What operators changed.
    var audit: any AuditStore { get }
    /// Personas and styles.
    var pikzonalities: any PikzonalityStore { get }
    /// Ledgers of credits.
    var credits: any CreditStore { get }
    /// What those who pay have asked for.
    var smartBalances: any SmartBalanceStore { get }
    /// What is in the trash.
    var trash: any TrashStore { get }
    /// Endpoints of webhooks.
    var webhooks: any WebhookStore { get }
    /// What has their secrets sealed with another key.
    var secretsKeyRotation: any SecretsKeyRotation { get }
    /// How the schema stands.
    var schema: any SchemaStore { get }
    /// Backups; nil where the store has none of its own, because what it stands on has its own ways to be backed up.
    var backups: (any BackupStore)? { get }
    /// Whether what is stored agrees with itself.
    var integrity: any IntegrityStore { get }
    /// How much is stored.
    var usage: any StoreUsage { get }
    /// What waits to be done.
    var queueDepths: any QueueDepthStore { get }
    /// What became of items.
    var events: any EventStore { get }
    /// Told of that.
    var feed: EventFeed { get }
    /// What tells this life of the store from every other.
    var epoch: any EpochStore { get }
    /// The processes that serve from this store, where there may be several.
    var companions: any Companions { get }
}

/// Where operators' use cases are carried out: each `AdministrationOperation` is one, and finds here what it works on.
package struct Administration: Sendable {
    /// The ports.
    let stores: any AdministrationStores
    /// The use cases of personas and styles, whose rules hold for operators, too.
    let catalog: Catalog
    /// Those of the trash.
    let trash: Trash
    /// What takes away the bytes of images that nothing needs.
    let collector: BlobCollector
    /// Archives of accounts.
    let archives: Archives
    /// Told when bytes are to be removed.
    let signals: WorkSignals
    /// How long leases last, and how many a job gets.
    let leases: LeasePolicy
    /// Whether this process serves.
    let presence: ServerPresence
    /// Where the time comes from.
    let clock: WallClock
    /// In whose name operations are carried out; nil for what the service does by itself, of which the audit says nothing.
    private var author: Operator?

    /// Ties the use cases to their ports.
    package init(
        stores: any AdministrationStores, catalog: Catalog, collector: BlobCollector, archives: Archives, signals: WorkSignals,
        leases: LeasePolicy = LeasePolicy(), presence: ServerPresence, clock: WallClock
    ) {
        self.stores = stores
        self.leases = leases
        self.catalog = catalog
        trash = Trash(store: stores.trash, policy: ContentPolicy(terms: stores.terms), signals: signals, clock: clock)
        self.collector = collector
        self.archives = archives
        self.signals = signals
        self.presence = presence
        self.clock = clock
    }

    /// The same use cases in the name of an operator: whatever they change, the audit tells.
    package func acting(as author: Operator) -> Administration {
        var administration = self
        administration.author = author
        return administration
    }

    /// What the audit is to say of a write; nil for what the service does by itself.
    /// - Parameter targets: what was changed, told from what the write came to.
    func note<Value: Sendable>(
        _ action: AuditAction, targets: @escaping @Sendable (Value) -> [String]
    ) -> AuditNote<Value>? {
        author.map { AuditNote(action, by: $0, targets: targets) }
    }

    /// What goes with a write that may change several things.
    /// - Parameter targets: what was changed, told from what the write came to.
    func context<Value: Sendable>(
        _ action: AuditAction, at now: Timestamp? = nil, targets: @escaping @Sendable (Value) -> [String]
    ) -> WriteContext<Value> {
        WriteContext(at: now ?? clock.now, audit: note(action, targets: targets))
    }

    /// What goes with a write that changes one thing.
    /// - Parameter target: its name or id.
    func context<Value: Sendable>(_ action: AuditAction, at now: Timestamp? = nil, _ target: String) -> WriteContext<Value> {
        context(action, at: now) { _ in [target] }
    }

    /// Tells the audit of what was done where no transaction of the database could hold the entry. It stays done when that fails, which is reported:
    /// a full database must not stand in the way of a backup.
    func tell(_ action: AuditAction, _ target: String) async {
        let context: WriteContext<Void> = context(action, target)
        guard let note = context.audit else { return }
        do throws(Failure) {
            try await stores.audit.add(in: context)
        } catch {
            note.report(note.entries(of: (), at: context.now), lost: error)
        }
    }

    /// Carries out what an operator asks for.
    /// - Parameter progress: told how far operations have come that take long.
    /// - Throws: whatever the use case throws.
    package func perform<Operation: AdministrationOperation>(
        _ operation: Operation, progress: @escaping ProgressHandler = { _ in }
    ) async throws(Failure) -> Operation.Reply {
        try await operation.perform(in: self, progress: progress)
    }

    /// Goes through a list page by page, until its end or until the body has seen enough.
    /// - Parameter body: says whether it wants more.
    package func walk<Operation: PagedOperation>(
        _ first: Operation, _ body: ([Operation.Row]) async throws(Failure) -> Bool
    ) async throws(Failure) {
        var operation: Operation? = first
        while let current = operation {
            let page = try await perform(current)
            operation = try await body(page) ? current.next(after: page) : nil
        }
    }
}

extension Account {
    /// The form in which accounts are named.
    /// - Parameter field: what stands for the name where it is asked for.
    /// - Throws: `invalid` for what can be no account's name.
    static func normalName(_ raw: String, field: InputField = .account) throws(Failure) -> String { try label(raw, field: field) }

    /// The form in which a name is compared with those of accounts; a text that can be no account's name stays, and finds none.
    static func comparableName(_ raw: String) -> String { (try? checkedLabel(raw, field: .account)) ?? raw }

    /// An account's name or a key's label in the form in which it is stored.
    /// - Throws: `invalid`.
    static func label(_ raw: String, field: InputField) throws(Failure) -> String {
        do {
            return try checkedLabel(raw, field: field)
        } catch {
            throw .invalid([error])
        }
    }
}

extension Identifier {
    /// An id as an operator writes it.
    /// - Throws: `invalid`.
    init(argument text: String) throws(Failure) {
        guard let id = Identifier(text) else { throw .invalid([Violation(.id, "must be a UUID")]) }
        self = id
    }
}

/// That something was done, and what: the reply where nothing is left to show.
package struct Confirmation: Sendable, Codable, Equatable {
    /// What was done, in words for a person.
    package let message: String
}
