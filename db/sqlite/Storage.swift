package import CoreMetrics
import Foundation
import GRDB
import NIOCore
package import Personas

/// Everything that the service remembers, in one folder; see `DataFolder`. Its opener holds the folder's lock; see `DataFolderLock`.
package final class Storage: Stores {
    /// Where and how to open.
    package struct Configuration: Sendable {
        /// The data folder.
        package var directory: String
        /// Read-only connections for look-ups and lists.
        package var readers: Int
        /// Further ones for reads on event loops, one for each loop of the group that the whole process shares.
        package var immediateReaders = NIOSingletons.groupLoopCountSuggestion
        /// Threads that write, check and copy media files. Many more than cores, because they wait for the disk most of the time.
        package var mediaThreads: Int
        /// Searches that wait for their turn; further ones are refused.
        package var searchesWaitingMax = 64
        /// Writes that wait for the next commit; further ones are refused.
        package var writesWaitingMax = 2_048
        /// Bytes of the database's file that readers look at in place instead of copying its pages; 0 for none.
        ///
        /// What is looked at in place saves a system call for each page that a reader does not remember. But where the disk then fails to deliver one, the
        /// system ends the process with SIGBUS, while a failed copy is an error of one request.
        package var mappedBytesMax = 0
        /// How long a count of all images is told before they are counted anew, by how long it took: so that to ask without end has one done for no more
        /// than a two-hundredth of the time.
        package var imageCountPause: @Sendable (_ counting: Duration) -> Duration = { max(.seconds(10), $0 * 200) }
        /// The file of the key that secrets are sealed with; nil for the one in the data folder.
        package var secretsKeyFile: String?
        /// The version of the service that backups name.
        package var version: String?
        /// Days for which an item stays in the trash.
        package var trashDays = Limits.trashDaysKept
        /// Whether somebody can be asked to buy credits, so that charges ask for top-ups.
        package var asksForTopUps = false
        /// Where counts and measurements go.
        package var metrics: any MetricsFactory
        /// Where the time of day comes from.
        package var clock = WallClock.system

        /// Takes a folder; the defaults suit two to eight cores.
        package init(directory: String, readers: Int = 4, mediaThreads: Int = 16, metrics: any MetricsFactory = NOOPMetricsHandler.instance)
        {
            self.directory = directory
            self.readers = readers
            self.mediaThreads = mediaThreads
            self.metrics = metrics
        }
    }

    /// Personas and styles.
    package let pikzonalities: any PikzonalityStore
    /// Training jobs.
    package let jobs: any TrainingJobStore
    /// What was given to fal.
    package let falRequests: any FalRequestStore
    /// Accounts.
    package let accounts: any AccountStore
    /// API keys.
    package let keys: any APIKeyStore
    /// Reserved names.
    package let names: any ReservedNameStore
    /// Ledgers of credits.
    package let credits: any CreditStore
    /// What those who pay have asked for.
    package let smartBalances: any SmartBalanceStore
    /// Credits that are to be bought.
    package let topUps: any TopUpStore
    /// Records under idempotency keys.
    package let idempotency: any IdempotencyStore
    /// What operators changed.
    package let audit: any AuditStore
    /// What became of items.
    package let events: any EventStore
    /// What is in the trash.
    package let trash: any TrashStore
    /// How items were before they were changed.
    package let revisions: any RevisionStore
    /// Endpoints that are told of events.
    package let webhooks: any WebhookStore
    /// What became of each event on its way to them.
    package let deliveryLog: any DeliveryLogStore
    /// The same for whoever delivers.
    package let deliveries: any DeliveryStore
    /// What their secrets are sealed with.
    package var secrets: any SecretSealing { secretsKey }
    /// Whether secrets can be sealed and opened with what there is.
    /// - Throws: `configuration` where the setting of the key is wrong.
    package func hasSecretsKey() async throws(Failure) -> Bool { try secretsKey.isUsable() }
    /// Has them sealed with another key.
    package var secretsKeyRotation: any SecretsKeyRotation {
        SQLSecretsKeyRotation(writer: imageIndex.writer, key: secretsKey, turn: maintenanceTurn)
    }
    /// Items on their way into archives and out of them.
    package let archives: any ArchiveStore
    /// Room for archives on their way in.
    package var spools: any ArchiveSpools { fileSpools }
    /// Told of every event that is on disk.
    package let feed = EventFeed()
    /// Blocked terms.
    package var terms: any BlockedTermStore { termCache }
    /// Whether maintenance is on.
    package var maintenance: any MaintenanceStore { maintenanceCache }
    /// What tells this life of the database from every other.
    package var epoch: any EpochStore { epochCache }
    /// Told of every change of an item that is on disk.
    package let changes = ItemChanges()
    /// Told where an item has gone by itself, by the end of its training, so that image bytes may have become superfluous.
    package let removals = WakeSignal()
    /// Images as rows.
    package var images: any ImageIndex { imageIndex }
    /// Image bytes.
    package var blobs: any BlobStore { blobFiles }
    /// Backups of the folder.
    package var backups: (any BackupStore)? {
        DataFolderBackup(
            folder: folder, pins: imageIndex.pins, pool: blobFiles.pool, clock: clock, turn: maintenanceTurn,
            last: LastBackup(folder: folder, epoch: epochCache), includesSecretsKey: includesSecretsKey, version: version)
    }
    /// Whether what is stored agrees with itself.
    package var integrity: any IntegrityStore {
        DataFolderCheck(
            folder: folder, index: imageIndex, pool: blobFiles.pool, clock: clock, openedAt: openedAt, turn: maintenanceTurn,
            sealing: secretsKey)
    }
    /// How the schema stands.
    package var schema: any SchemaStore { migrator }
    /// What waits to be done.
    package var queueDepths: any QueueDepthStore { SQLQueueDepthStore(scans: scans) }
    /// How much is stored.
    package let usage: any StoreUsage

    private let queue: DatabaseQueue
    private let readers: ReadPool
    private let scans: ScanPool
    private let migrator: Migrator
    private let maintenanceCache: SQLMaintenanceStore
    private let epochCache: SQLEpochStore
    private let termCache: SQLBlockedTermStore
    private let imageIndex: SQLiteImageIndex
    private let blobFiles: FileBlobStore
    private let fileSpools: FileSpools
    /// The clock that its configuration names.
    package let clock: WallClock
    /// None: the folder's lock keeps others away.
    package let companions: any Companions = NoCompanions()
    private let openedAt: Timestamp
    private let folder: DataFolder
    private let version: String?
    private let includesSecretsKey: Bool
    private let secretsKey: SecretsKeyFile
    /// Lets backups and checks have the data folder one at a time.
    private let maintenanceTurn = AsyncMutex()

    /// The names of the migrations that bring a database to the schema of this version.
    package static var migrationNames: [String] { Migration.all.map(\.name) }

    /// How migrations stand in the database of a folder, of which nothing is changed. To be called while no process writes to it; see
    /// `DataFolderLock.holdOff`.
    package static func migrations(in directory: String) throws(Failure) -> [MigrationReport] {
        do {
            return try Migrator.migrations(in: DataFolder(directory))
        } catch {
            throw Failure(storage: error)
        }
    }

    /// Opens the folder's database and media, making what is missing. Nothing is migrated yet.
    /// - Throws: `unexpected` when the database cannot be opened or does not promise durability, `configuration` where the folder was moved.
    package static func open(_ configuration: Configuration) throws(Failure) -> Storage {
        do {
            return try Storage(configuration)
        } catch {
            throw Failure(storage: error)
        }
    }

    private init(_ configuration: Configuration) throws {
        folder = DataFolder(configuration.directory)
        clock = configuration.clock
        version = configuration.version
        includesSecretsKey = configuration.secretsKeyFile == nil
        openedAt = clock.now
        SQLiteSettings.apply()
        try folder.requireNotMoved()
        try PendingRestore.finish(in: folder)
        let path = folder.database
        queue = try Self.writingConnection(path: path)
        readers = try ReadPool(
            path: path, count: configuration.readers, immediateCount: configuration.immediateReaders,
            mappedBytesMax: configuration.mappedBytesMax)
        let metrics = StoreMetrics(factory: configuration.metrics)
        let writer = GroupWriter(
            queue: queue, waitingMax: configuration.writesWaitingMax, metrics: metrics, events: PendingEvents(feed: feed, metrics: metrics))
        let searchReaders = try ReadPool(path: path, count: ScanPool.threads, mappedBytesMax: configuration.mappedBytesMax)
        migrator = Migrator(writer: writer, readers: readers, clock: clock, migrations: Migration.all)
        maintenanceCache = SQLMaintenanceStore(writer: writer, readers: readers, feed: feed)
        epochCache = SQLEpochStore(readers: readers)
        termCache = SQLBlockedTermStore(writer: writer, readers: readers)
        imageIndex = SQLiteImageIndex(writer: writer, readers: readers, pins: ImagePins())
        blobFiles = try FileBlobStore(folder: folder.media, threads: configuration.mediaThreads)
        // After all that may fail: a pool of threads must be shut down, and no caller can do so with a storage that did not open.
        scans = ScanPool(readers: searchReaders, waitingMax: configuration.searchesWaitingMax, metrics: metrics)
        usage = SQLiteStoreUsage(folder: folder, scans: scans, writer: writer, pause: configuration.imageCountPause)
        let steps = ItemSteps(
            changes: changes, removals: removals, trashDays: configuration.trashDays,
            asksForTopUps: configuration.asksForTopUps)
        let items = SQLPikzonalityStore(writer: writer, readers: readers, scans: scans, steps: steps)
        pikzonalities = items
        archives = SQLArchiveStore(writer: writer, readers: readers, items: items)
        fileSpools = FileSpools(folder: folder.media.incoming)
        credits = SQLCreditStore(writer: writer, readers: readers, rows: steps.credits)
        smartBalances = SQLSmartBalanceStore(writer: writer, readers: readers)
        topUps = SQLTopUpStore(writer: writer, readers: readers, rows: steps.credits)
        jobs = SQLTrainingJobStore(writer: writer, readers: readers, metrics: metrics, steps: steps)
        falRequests = SQLFalRequestStore(writer: writer, readers: readers)
        idempotency = SQLiteIdempotencyStore(writer: writer, readers: readers)
        let keys = SQLAPIKeyStore(writer: writer, readers: readers, feed: feed)
        self.keys = keys
        accounts = SQLAccountStore(writer: writer, readers: readers, keys: keys, changes: changes)
        names = SQLReservedNameStore(writer: writer, readers: readers)
        audit = SQLAuditStore(writer: writer, readers: readers)
        events = SQLEventStore(writer: writer, readers: readers)
        trash = SQLTrashStore(writer: writer, readers: readers, scans: scans, steps: steps)
        revisions = SQLRevisionStore(readers: readers)
        let webhooks = SQLWebhookStore(writer: writer, readers: readers)
        self.webhooks = webhooks
        secretsKey = SecretsKeyFile(path: configuration.secretsKeyFile ?? folder.secretsKey) { [readers] () throws(Failure) in
            try readers.lend(SQLWebhookStore.hasSecrets)
        }
        deliveryLog = SQLDeliveryLogStore(writer: writer, readers: readers)
        deliveries = SQLDeliveryStore(writer: writer, readers: readers, sealing: secretsKey)
    }

    /// Applies the pending migrations.
    /// - Parameter author: who has asked for it; nil where that is a part of a start. The audit says what it tells of.
    /// - Returns: the names of those applied now.
    /// - Throws: `schemaMismatch` when an applied migration was changed, or the database is from a newer binary.
    package func migrate(for author: Operator?) async throws(Failure) -> [String] {
        let applied = try await migrator.migrate(for: author)
        try await load()
        return applied
    }

    /// Takes into memory what is answered from there. The schema has to be the one of this version; `migrate` does both.
    package func load() async throws(Failure) {
        try await maintenanceCache.load()
        try await epochCache.load()
        try await termCache.load()
    }

    /// Closes every connection, which folds the write-ahead log into the database. No call may be under way or follow.
    package func close() {
        scans.close()
        readers.close()
        blobFiles.close()
        fileSpools.close()
        try? queue.close()
    }

    /// Opens the writing connection and makes sure that its commits wait for the disk.
    private static func writingConnection(path: String) throws -> DatabaseQueue {
        var configuration = GRDB.Configuration()
        configuration.label = "personas.writer"
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(5)
        configuration.foreignKeysEnabled = true
        // As many pages as a reader may keep. With the 2 MB that SQLite takes, a group of creates in a large store reads pages again that it has read
        // just before, and writes those early that it is to change once more.
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = -8000")
            try GroupWriter.prepare(db)
        }
        // The file holds people's likenesses: no other user of the machine may read it, nor the log beside it, which inherits the mode.
        let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // SQLite would open what it may not write to all the same, and every write would fail.
        guard descriptor >= 0 else { throw PosixFile.CallFailed("open", path) }
        Foundation.close(descriptor)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { db in
            // GRDB sets NORMAL when it turns the log on, which loses commits in a power cut; so FULL comes after, and is read back.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2, try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal" else {
                throw Failure.unexpected("The database does not promise durability: synchronous is not FULL or the journal is not WAL")
            }
        }
        return queue
    }
}
