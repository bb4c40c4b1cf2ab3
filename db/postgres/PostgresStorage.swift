package import CoreMetrics
import Foundation
package import Personas
import Synchronization

/// Everything that the service remembers, in a PostgreSQL database and a store of objects that any number of processes share.
package final class PostgresStorage: Stores {
    /// What to open, and how.
    package struct Configuration: Sendable {
        /// The text that names the database; see `PostgresSettings`.
        package var database: String
        /// The file of the key that secrets are sealed with, the same for all processes.
        package var secretsKeyFile: String
        /// A folder for archives on their way in, which have no name there once they are open.
        package var spoolFolder: String
        /// Operations at once, each with a connection.
        package var writers = PostgresWriter.threads
        /// Look-ups at once, each with a connection.
        package var readers = PostgresReader.threads
        /// Searches that wait for their turn; further ones are refused.
        package var searchesWaitingMax = 64
        /// Writes that wait for a connection, and as many for others of their account; further ones are refused.
        package var writesWaitingMax = 2_048
        /// Days for which an item stays in the trash.
        package var trashDays = Limits.trashDaysKept
        /// Whether somebody can be asked to buy credits, so that charges ask for top-ups.
        package var asksForTopUps = false
        /// Where counts and measurements go.
        package var metrics: any MetricsFactory = NOOPMetricsHandler.instance
        /// Where the time of day comes from; nil for the database's own clock, which all processes share.
        package var clock: WallClock?

        /// Takes the database and the files that it needs beside it.
        package init(database: String, secretsKeyFile: String, spoolFolder: String) {
            self.database = database
            self.secretsKeyFile = secretsKeyFile
            self.spoolFolder = spoolFolder
        }
    }

    package let pikzonalities: any PikzonalityStore
    package let jobs: any TrainingJobStore
    package let falRequests: any FalRequestStore
    package let accounts: any AccountStore
    package let keys: any APIKeyStore
    package let names: any ReservedNameStore
    package let credits: any CreditStore
    package let smartBalances: any SmartBalanceStore
    package let topUps: any TopUpStore
    package let idempotency: any IdempotencyStore
    package let audit: any AuditStore
    package let events: any EventStore
    package let trash: any TrashStore
    package let revisions: any RevisionStore
    package let webhooks: any WebhookStore
    package let deliveryLog: any DeliveryLogStore
    package let deliveries: any DeliveryStore
    package let archives: any ArchiveStore
    package let images: any ImageIndex
    package let blobs: any BlobStore
    package let usage: any StoreUsage
    package let feed = EventFeed()
    package let changes = ItemChanges()
    package let removals = WakeSignal()
    /// The database's, as it is known here, unless the configuration names another.
    package let clock: WallClock
    /// Those who work on the same database.
    package var companions: any Companions { PostgresCompanions(pulse: pulse, reader: reader) }
    package var terms: any BlockedTermStore { termCache }
    package var maintenance: any MaintenanceStore { maintenanceCache }
    package var epoch: any EpochStore { epochCache }
    package var secrets: any SecretSealing { secretsKey }
    package var secretsKeyRotation: any SecretsKeyRotation {
        SQLSecretsKeyRotation(writer: writer, key: secretsKey, turn: maintenanceTurn)
    }
    package var spools: any ArchiveSpools { fileSpools }
    package var queueDepths: any QueueDepthStore { SQLQueueDepthStore(scans: reader) }
    package var schema: any SchemaStore { migrator }
    package var integrity: any IntegrityStore {
        PostgresCheck(reader: reader, writer: writer, blobs: blobs, sealing: secretsKey, clock: clock)
    }
    /// The database and the store of objects have ways of their own to be backed up.
    package var backups: (any BackupStore)? { nil }

    private let writer: PostgresWriter
    private let reader: PostgresReader
    private let migrator: PostgresMigrator
    private let pulse: PostgresPulse
    private let serverClock = ServerClock()
    private let maintenanceCache: SQLMaintenanceStore
    private let termCache: SQLBlockedTermStore
    private let epochCache: SQLEpochStore
    private let secretsKey: SecretsKeyFile
    private let fileSpools: FileSpools
    private let maintenanceTurn = AsyncMutex()
    private let sealed: SealedSecretsLook

    /// What a database is called in messages: where it is and who asks, never a password.
    /// - Throws: `configuration` where the text cannot be read, or libpq is not there.
    package static func words(for database: String) throws(Failure) -> String { try PostgresSettings(database).description }

    /// Takes what is needed to connect. Connections are made when there is something to do on them; nothing is migrated yet.
    /// - Parameter blobs: where the bytes of images lie.
    /// - Throws: `configuration` where the text that names the database cannot be read, or libpq is not there.
    package init(_ configuration: Configuration, blobs: any BlobStore) throws(Failure) {
        let settings = try PostgresSettings(configuration.database)
        let metrics = StoreMetrics(factory: configuration.metrics)
        let (feed, clock) = (feed, configuration.clock ?? serverClock.wallClock)
        let pulse = PostgresPulse(settings: settings, clock: serverClock, metrics: configuration.metrics)
        self.pulse = pulse
        self.clock = clock
        let writer = PostgresWriter(
            settings: settings, threads: configuration.writers, waitingMax: configuration.writesWaitingMax, metrics: metrics
        ) { events in
            // Each entry of a ledger has its event, so that none is counted which is not on disk, or twice.
            for event in events { if case .credits(let entry) = event.subject { metrics.count(entry) } }
            let accountIDs = Set(events.map(\.accountID))
            feed.announce(accountIDs)
            pulse.tell(Bell(accounts: accountIDs))
        }
        let reader = PostgresReader(
            settings: settings, threads: configuration.readers, scansWaitingMax: configuration.searchesWaitingMax, metrics: metrics)
        self.writer = writer
        self.reader = reader
        self.blobs = blobs
        let migrator = PostgresMigrator(settings: settings, reader: reader, clock: clock, pulse: pulse)
        self.migrator = migrator
        maintenanceCache = SQLMaintenanceStore(writer: writer, readers: reader, feed: feed)
        termCache = SQLBlockedTermStore(writer: writer, readers: reader)
        epochCache = SQLEpochStore(readers: reader)
        let steps = ItemSteps(
            changes: changes, removals: removals, trashDays: configuration.trashDays,
            asksForTopUps: configuration.asksForTopUps)
        let items = SQLPikzonalityStore(writer: writer, readers: reader, scans: reader, steps: steps)
        pikzonalities = items
        archives = SQLArchiveStore(writer: writer, readers: reader, items: items)
        credits = SQLCreditStore(writer: writer, readers: reader, rows: steps.credits)
        smartBalances = SQLSmartBalanceStore(writer: writer, readers: reader)
        topUps = SQLTopUpStore(writer: writer, readers: reader, rows: steps.credits)
        jobs = SQLTrainingJobStore(writer: writer, readers: reader, metrics: metrics, steps: steps, isShared: true)
        falRequests = SQLFalRequestStore(writer: writer, readers: reader)
        idempotency = PostgresIdempotencyStore(writer: writer, reader: reader)
        let keys = SQLAPIKeyStore(writer: writer, readers: reader, feed: feed) { pulse.isFresh }
        self.keys = keys
        accounts = SQLAccountStore(writer: writer, readers: reader, keys: keys, changes: changes)
        names = SQLReservedNameStore(writer: writer, readers: reader)
        audit = SQLAuditStore(writer: writer, readers: reader)
        events = SQLEventStore(writer: writer, readers: reader)
        trash = SQLTrashStore(writer: writer, readers: reader, scans: reader, steps: steps)
        revisions = SQLRevisionStore(readers: reader)
        webhooks = SQLWebhookStore(writer: writer, readers: reader)
        deliveryLog = SQLDeliveryLogStore(writer: writer, readers: reader)
        images = PostgresImageIndex(writer: writer, reader: reader, clock: clock)
        usage = PostgresStoreUsage(reader: reader, writer: writer)
        fileSpools = FileSpools(folder: configuration.spoolFolder)
        let sealed = SealedSecretsLook()
        self.sealed = sealed
        secretsKey = SecretsKeyFile(path: configuration.secretsKeyFile) { () throws(Failure) in sealed.hasSecrets }
        deliveries = SQLDeliveryStore(writer: writer, readers: reader, sealing: secretsKey)
        attachPulse(forgetting: keys, looking: migrator)
    }

    /// Says what the pulse reads anew when it has missed something, and who is told of what other processes have done.
    private func attachPulse(forgetting keys: SQLAPIKeyStore, looking migrator: PostgresMigrator) {
        let pulse = pulse
        let (maintenance, terms, epoch) = (maintenanceCache, termCache, epochCache)
        changes.forward { pulse.tell(Bell($0)) }
        pulse.attach(
            PostgresPulse.Memory {
                keys.forget()
            } load: { () throws(Failure) in
                try await maintenance.load()
                try await terms.load()
                try await epoch.load()
            } isSchemaReady: {
                try migrator.isReady(on: $0)
            }, BellReceivers(feed: feed, changes: changes))
    }
}

extension PostgresStorage {
    /// Whether secrets can be sealed and opened with what there is.
    package func hasSecretsKey() async throws(Failure) -> Bool {
        try await lookForSecrets()
        return try secretsKey.isUsable()
    }

    /// Applies the pending migrations, or waits for another process that does, and takes into memory what is answered from there.
    package func migrate(for author: Operator?) async throws(Failure) -> [String] {
        let applied = try await migrator.migrate(for: author)
        try await load()
        return applied
    }

    /// Takes into memory what is answered from there.
    package func load() async throws(Failure) {
        try await setClock()
        try await maintenanceCache.load()
        try await epochCache.load()
        try await termCache.load()
        try await lookForSecrets()
    }

    /// Ends the threads with their connections. No call may be under way or follow.
    package func close() {
        writer.close()
        // After what it has to tell of.
        pulse.close()
        reader.close()
        fileSpools.close()
    }

    /// Has the clock follow the server's from now on, before the first beat already, and in a process that never beats.
    private func setClock() async throws(Failure) {
        let clock = serverClock
        try await reader.read { db in
            let asked = ServerClock.steadyMilliseconds()
            guard let time = try db.first("SELECT \(PulseLink.now)", [], row: { $0.timestamp(0) }) else { return }
            clock.adjust(to: time, asked: asked, heard: ServerClock.steadyMilliseconds())
        }
    }

    private func lookForSecrets() async throws(Failure) {
        sealed.found(try await reader.read(SQLWebhookStore.hasSecrets))
    }
}

/// Whether anything was sealed when that was looked at last; until then it counts as so, lest a key be made beside the one that is missing.
private final class SealedSecretsLook: Sendable {
    private let found = Mutex(true)

    var hasSecrets: Bool { found.withLock { $0 } }

    func found(_ hasSecrets: Bool) { found.withLock { $0 = hasSecrets } }
}
