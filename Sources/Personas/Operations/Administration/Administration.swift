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
    /// Personas and styles.
    var pikzonalities: any PikzonalityStore { get }
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
}

/// Where operators' use cases are carried out: each `AdministrationOperation` is one, and finds here what it works on.
package struct Administration: Sendable {
    /// The ports.
    let stores: any AdministrationStores
    /// The use cases of personas and styles, whose rules hold for operators, too.
    let catalog: Catalog
    /// What takes away the bytes of images that nothing needs.
    let collector: BlobCollector
    /// Told when bytes are to be removed.
    let signals: WorkSignals
    /// Whether this process serves.
    let presence: ServerPresence
    /// Where the time comes from.
    let clock: WallClock

    /// Ties the use cases to their ports.
    package init(
        stores: any AdministrationStores, catalog: Catalog, collector: BlobCollector, signals: WorkSignals, presence: ServerPresence,
        clock: WallClock
    ) {
        self.stores = stores
        self.catalog = catalog
        self.collector = collector
        self.signals = signals
        self.presence = presence
        self.clock = clock
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
    /// The form in which accounts are named; a text that can be no account's name stays, and finds none.
    static func normalName(_ raw: String) -> String { (try? checkedLabel(raw, field: .account)) ?? raw }

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
