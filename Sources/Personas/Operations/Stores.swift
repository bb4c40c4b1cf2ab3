/// Everything that the service remembers: all ports, whichever engines stand behind them.
package protocol Stores: AdministrationStores {
    /// Training jobs.
    var jobs: any TrainingJobStore { get }
    /// What was given to fal.
    var falRequests: any FalRequestStore { get }
    /// Credits that are to be bought.
    var topUps: any TopUpStore { get }
    /// Records under idempotency keys.
    var idempotency: any IdempotencyStore { get }
    /// How items were before they were changed.
    var revisions: any RevisionStore { get }
    /// What became of each event on its way to endpoints of webhooks.
    var deliveryLog: any DeliveryLogStore { get }
    /// The same for whoever delivers.
    var deliveries: any DeliveryStore { get }
    /// What the secrets of endpoints are sealed with.
    var secrets: any SecretSealing { get }
    /// Items on their way into archives and out of them.
    var archives: any ArchiveStore { get }
    /// Room for archives on their way in.
    var spools: any ArchiveSpools { get }
    /// Told of every change of an item that is on disk.
    var changes: ItemChanges { get }
    /// Told where an item has gone by itself, by the end of its training, so that image bytes may have become superfluous.
    var removals: WakeSignal { get }
    /// What everything here is dated by: the clock that all processes share.
    var clock: WallClock { get }
    /// Images as rows.
    var images: any ImageIndex { get }
    /// Image bytes.
    var blobs: any BlobStore { get }

    /// Whether secrets can be sealed and opened with what there is.
    /// - Throws: `configuration` where the setting of the key is wrong.
    func hasSecretsKey() async throws(Failure) -> Bool
    /// Applies the pending migrations, and takes into memory what is answered from there.
    /// - Parameter author: who has asked for it; nil where that is a part of a start. The audit says what it tells of.
    /// - Returns: the names of those applied now.
    /// - Throws: `schemaMismatch` when an applied migration was changed, or the database is from a newer binary.
    func migrate(for author: Operator?) async throws(Failure) -> [String]
    /// Takes into memory what is answered from there. The schema has to be the one of this version; `migrate` does both.
    func load() async throws(Failure)
    /// Closes every connection. No call may be under way or follow.
    func close()
}

extension Stores {
    /// Applies the pending migrations as a part of a start.
    package func migrate() async throws(Failure) -> [String] { try await migrate(for: nil) }
}
