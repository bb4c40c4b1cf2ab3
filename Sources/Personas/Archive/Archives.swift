import Synchronization

/// The use cases of archives: an account's items and images leave the service as one file, and come into one.
package struct Archives: Sendable {
    /// Accounts whose archives are made at once: each takes some memory and a place on its connection for as long as its reader likes.
    package static let exportsMax = 32
    /// Accounts whose archives come in at once: each takes room on the disk.
    package static let importsMax = 8
    /// Archives that are verified at once, which takes a processor and the disk for as long as they are large.
    private static let verificationsMax = 2
    /// When to come back for a place.
    private static let retryAfterSeconds = 5

    let store: any ArchiveStore
    let images: ImageLibrary
    let items: any PikzonalityStore
    let policy: ContentPolicy
    let spools: any ArchiveSpools
    let format: any ArchiveFormat
    let signals: WorkSignals
    let clock: WallClock
    let keepsImageMetadata: Bool
    let credits: Credits?
    private let exports = AccountPlaces(max: exportsMax)
    private let imports = AccountPlaces(max: importsMax)
    private let verifications = AsyncSemaphore(count: verificationsMax)

    /// Ties the use cases to their ports.
    /// - Parameter credits: what pays for the trainings that begin with an import; nil where they cost nothing.
    package init(
        store: any ArchiveStore, images: ImageLibrary, items: any PikzonalityStore, policy: ContentPolicy,
        spools: any ArchiveSpools, format: any ArchiveFormat, signals: WorkSignals, clock: WallClock, keepsImageMetadata: Bool,
        credits: Credits? = nil
    ) {
        self.store = store
        self.images = images
        self.items = items
        self.policy = policy
        self.spools = spools
        self.format = format
        self.signals = signals
        self.clock = clock
        self.keepsImageMetadata = keepsImageMetadata
        self.credits = credits
    }

    /// A place for an export of an account, which has one at a time; it ends with the last reference.
    /// - Throws: `tooManyRequests` where the account has it already, `usedUp` where others have all.
    package func exportPlace(for accountID: Identifier) throws(Failure) -> AccountPlaces.Place {
        switch exports.enter(accountID) {
        case .place(let place): return place
        case .ownInUse: throw .tooManyRequests(.exports, retryAfterSeconds: Self.retryAfterSeconds)
        case .allInUse: throw .usedUp(.archives, retryAfterSeconds: Self.retryAfterSeconds)
        }
    }

    /// A place for an import into an account, which has one at a time; it ends with the last reference.
    /// - Throws: `idempotencyKeyInUse` where the one that runs has the same key, `tooManyRequests` where it has not, `usedUp` where others have all.
    package func importPlace(for accountID: Identifier, key: IdempotencyKey?) throws(Failure) -> AccountPlaces.Place {
        switch imports.enter(accountID, key: key) {
        case .place(let place): return place
        case .ownInUse(let running):
            if let key, running == key { throw .idempotencyKeyInUse }
            throw .tooManyRequests(.imports, retryAfterSeconds: Self.retryAfterSeconds)
        case .allInUse: throw .usedUp(.archives, retryAfterSeconds: Self.retryAfterSeconds)
        }
    }

    /// Hands out the archive of an account, as fast as the sink takes it.
    /// - Parameter progress: told how many items are done.
    /// - Throws: what the sink throws; `damaged` where an image is not what was stored.
    package func export(
        _ accountID: Identifier, progress: (Int) -> Void = { _ in }, to sink: ([UInt8]) async throws -> Void
    ) async throws {
        var export = ArchiveExport(
            accountID: accountID, store: store, images: images, format: format, sent: try spools.makeIndex(), makeDigest: spools.makeDigest)
        try await export.write(progress: progress, to: sink)
    }

    /// Room for an archive that is about to come in.
    /// - Parameter byteCount: its length, where that is known.
    /// - Throws: `storeBusy` where the disk has no room for it.
    package func makeSpool(for byteCount: Int? = nil) throws(Failure) -> any ArchiveSpool { try spools.makeSpool(for: byteCount) }

    /// Looks at the whole of an archive, of which nothing is created yet, and finds how far it has come under a key.
    /// - Parameter progress: told how many bytes were looked at.
    /// - Throws: `invalid` for a damaged one, `idempotencyKeyReused`, `accountMissing`, `cancelled`.
    package func verify(
        _ spool: any ArchiveSpool, for accountID: Identifier, key: IdempotencyKey?, requestID: String? = nil,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(Failure) -> ArchiveImport {
        guard await verifications.enter(accountID) == .admitted else { throw .cancelled }
        defer { verifications.leave(accountID) }
        let index = try spools.makeIndex()
        let cancellation = CancellationFlag()
        let verified = await withTaskCancellationHandler { () async -> Result<VerifiedArchive, Failure> in
            do throws(Failure) {
                return .success(
                    try await spool.perform { [format, spools] (file) throws(Failure) in
                        let verification = ArchiveVerification(format: format, images: index, makeDigest: spools.makeDigest)
                        return try verification.verify(file) { (offset) throws(Failure) in
                            if cancellation.isSet { throw .cancelled }
                            progress(offset)
                        }
                    })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            cancellation.set()
        }
        let archive = try verified.get()
        var record: ImportRecord?
        if let key {
            let now = clock.now
            record = try await store.begin(
                key, digest: spool.digest, accountID: accountID, since: IdempotencyRecord.oldest(at: now), at: now)
        }
        return ArchiveImport(archives: self, archive: archive, spool: spool, accountID: accountID, record: record, requestID: requestID)
    }

    /// Forgets imports whose keys mean nothing any more. Returns how many rows of them.
    package func forgetExpired() async throws(Failure) -> Int {
        let limit = 500
        var count = 0
        while true {
            let forgotten = try await store.forgetImports(before: IdempotencyRecord.oldest(at: clock.now), limit: limit)
            count += forgotten
            if forgotten < limit { return count }
        }
    }
}

/// Whether work on a thread that no task can interrupt is wanted no longer.
private final class CancellationFlag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// Places of which each account has one at a time.
package final class AccountPlaces: Sendable {
    /// How asking for a place ended.
    package enum Entry: Sendable {
        /// There is one.
        case place(Place)
        /// The account has its place already, for what it named by a key.
        case ownInUse(IdempotencyKey?)
        /// Others have all.
        case allInUse
    }

    /// A place, which is free again once it is left, or when the last reference to this is gone.
    package final class Place: Sendable {
        private let places: AccountPlaces
        private let accountID: Identifier
        private let isLeft = Atomic(false)

        fileprivate init(_ places: AccountPlaces, _ accountID: Identifier) {
            self.places = places
            self.accountID = accountID
        }

        deinit { leave() }

        /// Gives the place back before a client learns that there is nothing to come, who may ask for the next at once.
        package func leave() {
            if !isLeft.exchange(true, ordering: .relaxed) { places.leave(accountID) }
        }
    }

    private let max: Int
    private let taken = Mutex<[Identifier: IdempotencyKey?]>([:])

    /// - Parameter max: places in all.
    package init(max: Int) {
        self.max = max
    }

    /// Takes the place of an account.
    /// - Parameter key: what the account names by it what it does.
    package func enter(_ accountID: Identifier, key: IdempotencyKey? = nil) -> Entry {
        taken.withLock { taken in
            if let running = taken[accountID] { return .ownInUse(running) }
            guard taken.count < max else { return .allInUse }
            taken.updateValue(key, forKey: accountID)
            return .place(Place(self, accountID))
        }
    }

    private func leave(_ accountID: Identifier) { taken.withLock { _ = $0.removeValue(forKey: accountID) } }
}
