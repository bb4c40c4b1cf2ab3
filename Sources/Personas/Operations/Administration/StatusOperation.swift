/// One look at everything that an operator wants to know of the service. It changes nothing.
package struct ShowStatus: AdministrationOperation {
    /// Asks for the state of this moment.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> StatusReport {
        let stores = administration.stores
        let schema = StatusReport.Schema(try await stores.schema.migrations())
        let disk = stores.usage.disk()
        var report = StatusReport(server: administration.presence.report, schema: schema, disk: disk)
        // What another version has left or changed cannot be read by this one's statements.
        guard schema.isCurrent else { return report }
        if stores.companions.isShared { report.companions = try await stores.companions.all() }
        report.stored = StatusReport.Stored(
            contents: try await stores.usage.contents(), images: try await stores.usage.images(),
            maintenance: MaintenanceReport(stores.maintenance.maintenance),
            queue: StatusReport.Queue(try await stores.queueDepths.queueDepths(), waitingWrites: stores.usage.waitingWrites),
            lastBackup: try await stores.backups?.lastBackup())
        return report
    }
}

/// The service as an operator's program sees it at one moment.
package struct StatusReport: Sendable, Codable, Equatable {
    /// How the database's schema stands to the one that the answering process works with.
    package struct Schema: Sendable, Codable, Equatable {
        /// Migrations that were applied as they are known.
        package let applied: Int
        /// Names of those that were not applied yet.
        package let pending: [String]
        /// Names of those that were applied in another form.
        package let changed: [String]
        /// Names of those that are known to another version only.
        package let unknown: [String]

        /// Whether the database can be worked with as it is.
        package var isCurrent: Bool { pending.isEmpty && changed.isEmpty && unknown.isEmpty }

        /// What a list of all migrations says.
        package init(_ migrations: [MigrationReport]) {
            func names(_ state: MigrationReport.State) -> [String] { migrations.filter { $0.state == state }.map(\.name) }
            applied = names(.applied).count
            (pending, changed, unknown) = (names(.pending), names(.changed), names(.unknown))
        }
    }

    /// Work that waits to be done.
    package struct Queue: Sendable, Codable, Equatable {
        /// Training jobs that wait for a worker, counted up to `QueueDepths.countMax`.
        package let jobsQueued: Int
        /// Training jobs in a worker's hands, counted as far.
        package let jobsLeased: Int
        /// Image files that may have to be removed, counted as far.
        package let imageRemovals: Int
        /// Writes that wait for the next transaction.
        package let waitingWrites: Int
        /// Deliveries to webhooks that wait for their first or next attempt.
        package let deliveries: Int
        /// Webhooks that are disabled.
        package let webhooksDisabled: Int

        /// What was counted at one moment.
        package init(_ depths: QueueDepths, waitingWrites: Int) {
            jobsQueued = depths.queuedJobs
            jobsLeased = depths.leasedJobs
            imageRemovals = depths.imageRemovals
            self.waitingWrites = waitingWrites
            deliveries = depths.webhooks.pending
            webhooksDisabled = depths.webhooks.disabled.values.reduce(0, +)
        }
    }

    /// What only a database with the right schema tells.
    package struct Stored: Sendable, Codable, Equatable {
        /// Accounts and items.
        package let contents: StoreContents
        /// Images.
        package let images: ImageVolume
        /// Whether clients are turned away.
        package let maintenance: MaintenanceReport
        /// What waits.
        package let queue: Queue
        /// The newest backup of these data; nil where there is none, or where the store knows of none.
        package let lastBackup: BackupRecord?

        package init(
            contents: StoreContents, images: ImageVolume, maintenance: MaintenanceReport, queue: Queue, lastBackup: BackupRecord?
        ) {
            self.contents = contents
            self.images = images
            self.maintenance = maintenance
            self.queue = queue
            self.lastBackup = lastBackup
        }
    }

    /// The server that has answered; nil where no server holds the data.
    package let server: ServerReport?
    /// How the schema stands.
    package let schema: Schema
    /// What the data take of the disk.
    package let disk: DiskUse
    /// All processes that serve from a store that several may share; nil where it cannot be shared.
    package var companions: [CompanionReport]?
    /// The rest; nil where the schema is not the one of the answering process.
    package var stored: Stored?

    package init(server: ServerReport?, schema: Schema, disk: DiskUse, stored: Stored? = nil) {
        self.server = server
        self.schema = schema
        self.disk = disk
        self.stored = stored
    }
}
