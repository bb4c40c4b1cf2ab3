/// One page of a list.
package struct PikzonalityPage: Sendable, Equatable {
    /// The items in the order asked for.
    package let items: [Pikzonality]
    /// Whether more follow.
    package let hasMore: Bool

    /// Cuts a page off what was found, which is one item more where more follow.
    fileprivate init(_ found: [Pikzonality], limit: Int) {
        items = found.count > limit ? Array(found.prefix(limit)) : found
        hasMore = found.count > limit
    }
}

/// The use cases of personas and styles: rules and ownership above the ports. HTTP and the command line both call these.
package struct Catalog: Sendable {
    private let store: any PikzonalityStore
    private let images: ImageLibrary
    private let imageReader: ImageReader
    private let decoding: BodyDecoding
    private let policy: ContentPolicy
    private let signals: WorkSignals
    private let clock: WallClock
    private let credits: Credits?

    /// Ties the use cases to their ports.
    /// - Parameter credits: what trainings are paid for with; nil where they cost nothing.
    package init(
        store: any PikzonalityStore, images: ImageLibrary, fetcher: any ImageFetcher, decoding: BodyDecoding, policy: ContentPolicy,
        signals: WorkSignals, clock: WallClock, keepsImageMetadata: Bool, credits: Credits? = nil
    ) {
        self.store = store
        self.images = images
        self.imageReader = ImageReader(fetcher: fetcher, decoding: decoding, keepsMetadata: keepsImageMetadata)
        self.decoding = decoding
        self.policy = policy
        self.signals = signals
        self.clock = clock
        self.credits = credits
    }

    /// Takes in an item: form, content, name, quota, images, then credits, in this order. What is returned is on disk.
    ///
    /// Whether the quota has room is decided where the item is stored. It is looked at before that, so that for an account without room no image is
    /// downloaded, decoded or written: for as much as is known, before the images and after them. So it is with the credits, after the images. Where they
    /// are to be bought first, that is waited for once the images are on disk, so that whoever waits holds neither memory nor a connection to the store.
    /// - Parameters:
    ///   - memory: what the request holds, its images included.
    ///   - outcome: how training has ended already, for seeds; nil queues a training job.
    ///   - claim: the claim on the client's idempotency key, under which the item is recorded.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `invalid`, `blockedContent`, `nameReserved`, `nameTaken`, `externalIDTaken`, `quotaExceeded`, `badImages`, `tooManyRequests`,
    ///   `usedUp`, `insufficientCredits`, `topUpFailed`, `mediaNotStored`.
    package func create(
        _ draft: CreateDraft, mode: Mode, accountID: Identifier, holding memory: MemoryReservation, outcome: TrainingOutcome? = nil,
        claim: IdempotencyClaim<StartedItem>? = nil, audit: AuditNote<StartedItem>? = nil, requestID: String? = nil
    ) async throws(Failure) -> StartedItem {
        let formBytes = draft.formBytes(ofHeld: memory.heldBytes)
        let checked = try await decoding.perform(on: formBytes, for: accountID) { () throws(Failure) in
            try draft.checked(acceptingPlainHTTP: imageReader.acceptsPlainHTTP)
        }
        try policy.check(checked.texts)
        try await requireFree(checked.details.name, externalID: checked.details.externalID, mode: mode, accountID: accountID)
        let sanitized = try await checkedImages(checked.images, for: accountID, holding: memory)
        if outcome == nil { try await credits?.requireCoverable(mode, accountID: accountID) }
        let started = try await images.withStored(consume sanitized) { (references) async throws(Failure) in
            memory.close()
            return try await paying(for: accountID) { () async throws(Failure) in
                let now = clock.now
                return try await store.insert(
                    NewPikzonality(
                        id: .timeOrdered(at: now), accountID: accountID, mode: mode, details: checked.details, references: references,
                        outcome: outcome),
                    costing: credits?.prices, in: WriteContext(at: now, claim: claim, audit: audit, requestID: requestID))
            }
        }
        signals.jobs.notify()
        return started
    }

    /// Looks at an item as `create` does, in the same order, as far as it is given, and stores nothing.
    /// - Parameter memory: what the request holds, its images included.
    /// - Throws: what `create` throws before anything is stored, but for what is absent.
    package func validate(
        _ draft: CreateDraft, mode: Mode, accountID: Identifier, holding memory: MemoryReservation
    ) async throws(Failure) {
        let formBytes = draft.formBytes(ofHeld: memory.heldBytes)
        let given = try await decoding.perform(on: formBytes, for: accountID) { () throws(Failure) in
            try draft.checkedAsGiven(acceptingPlainHTTP: imageReader.acceptsPlainHTTP)
        }
        try policy.check(given.change.texts)
        try await requireFree(given.change.name, externalID: given.change.externalID ?? nil, mode: mode, accountID: accountID)
        if let images = given.images {
            _ = try await checkedImages(images, for: accountID, holding: memory)
        } else {
            try await store.usage(accountID: accountID).requireRoom(forImageBytes: nil)
        }
        try await credits?.requireCoverable(mode, accountID: accountID)
    }

    /// Does what costs something: at once, or after a top-up where somebody buys credits for the account.
    private func paying<Value>(for accountID: Identifier, _ body: () async throws(Failure) -> Value) async throws(Failure) -> Value {
        guard let topUps = credits?.topUps else { return try await body() }
        return try await topUps.paying(for: accountID, body)
    }

    /// The checked images of a create, for which the account's quota has room as things stand.
    private func checkedImages(
        _ given: CheckedImages, for accountID: Identifier, holding memory: MemoryReservation
    ) async throws(Failure) -> [SanitizedImage] {
        let before = try await store.usage(accountID: accountID)
        try before.requireRoom(forImageBytes: nil)
        let images = try await imageReader.images(given.sources, of: given.field, holding: memory)
        if before.quota.storedBytesMax != nil {
            // Read anew, because to fetch images takes long enough for the account to have deleted something.
            try await store.usage(accountID: accountID).requireRoom(forImageBytes: images.reduce(0) { $0 + $1.bytes.count })
        }
        return images
    }

    private func requireFree(_ name: Name?, externalID: String?, mode: Mode, accountID: Identifier) async throws(Failure) {
        switch try await store.availability(of: name, externalID: externalID, mode: mode, accountID: accountID) {
        case .free: break
        case .reserved: throw .nameReserved
        case .taken(let id): throw .nameTaken(mode, id)
        case .externalIDTaken(let id): throw .externalIDTaken(mode, id)
        }
    }

    /// One item of the caller.
    /// - Throws: `notFound`.
    package func item(_ id: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> Pikzonality {
        try await store.find(id, mode: mode, accountID: accountID)
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: `notFound`.
    package func itemNow(_ id: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> Pikzonality? {
        try store.findNow(id, mode: mode, accountID: accountID)
    }

    /// Changes an item, whatever its status.
    /// - Parameters:
    ///   - precondition: what the item has to be for that.
    ///   - memory: what the request holds.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `invalid`, `blockedContent`, `notFound`, `nameReserved`, `nameTaken`, `externalIDTaken`, `preconditionFailed`.
    package func update(
        _ id: Identifier, mode: Mode?, accountID: Identifier, draft: DetailsDraft, if precondition: Precondition = .none,
        holding memory: MemoryReservation, requestID: String? = nil
    ) async throws(Failure) -> Pikzonality {
        let change = try await decoding.perform(on: memory.heldBytes, for: accountID) { () throws(Failure) in try draft.checked() }
        try policy.check(change.texts)
        return try await store.update(
            id, mode: mode, accountID: accountID, change: change, if: precondition,
            in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// Removes an item. Its links are dead when this returns; its bytes leave the disk soon after.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: what the item has to be for that.
    ///   - endsTraining: whether an item in training goes, too. Its job is cancelled with it, and its worker's reports change nothing any more.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `notFound`, `stillProcessing`, `preconditionFailed`.
    package func delete(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition = .none,
        endingTraining endsTraining: Bool = false,
        audit: AuditNote<Mode>? = nil, requestID: String? = nil
    ) async throws(Failure) -> Mode {
        let mode = try await store.delete(
            id, mode: mode, accountID: accountID, if: precondition, endingTraining: endsTraining,
            in: WriteContext(at: clock.now, audit: audit, requestID: requestID))
        signals.removals.notify()
        return mode
    }

    /// Ends the training of an item that is wanted no more. Its worker is told with its next sign of life, and its reports change nothing any more.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: what the item has to be for that.
    ///   - claim: the claim on the client's idempotency key.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Returns: the item as its training has left it, even where it is gone with that.
    /// - Throws: `notFound`, `notProcessing`, `preconditionFailed`.
    package func cancel(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition = .none,
        claim: IdempotencyClaim<Pikzonality>? = nil, audit: AuditNote<Pikzonality>? = nil, requestID: String? = nil
    ) async throws(Failure) -> Pikzonality {
        try await store.cancel(
            id, mode: mode, accountID: accountID, if: precondition,
            in: WriteContext(at: clock.now, claim: claim, audit: audit, requestID: requestID))
    }

    /// Begins the training of an item anew that has failed, on the images that it has.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: what the item has to be for that.
    ///   - claim: the claim on the client's idempotency key.
    ///   - audit: what the audit is to say of it, where an operator asks.
    ///   - requestID: the id of the request, where a client asks.
    /// - Throws: `notFound`, `notFailed`, `preconditionFailed`, `insufficientCredits`, `topUpFailed`.
    package func retry(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition = .none,
        claim: IdempotencyClaim<StartedItem>? = nil, audit: AuditNote<StartedItem>? = nil, requestID: String? = nil
    ) async throws(Failure) -> StartedItem {
        func begin() async throws(Failure) -> StartedItem {
            try await store.retry(
                id, mode: mode, accountID: accountID, with: nil, costing: credits?.prices, if: precondition,
                in: WriteContext(at: clock.now, claim: claim, audit: audit, requestID: requestID))
        }
        // Operators reach items of accounts that they do not name. For them nothing is waited for.
        let started = if let accountID { try await paying(for: accountID, begin) } else { try await begin() }
        signals.jobs.notify()
        return started
    }

    /// The same for its owner, who may send other images with it: form, state, then images, in this order.
    ///
    /// The state is decided where the training begins anew. It is looked at before that, so that no image is downloaded, decoded or written for an item
    /// which has not failed; and so is the quota, for as much as is known.
    /// - Parameters:
    ///   - draft: the images as a create has them; on those that the item has where there are none. Nothing else of it counts.
    ///   - memory: what the request holds, its images included.
    /// - Throws: what the other one throws, and `invalid`, `quotaExceeded`, `badImages`, `tooManyRequests`, `usedUp`, `mediaNotStored`.
    package func retry(
        _ id: Identifier, mode: Mode?, accountID: Identifier, with draft: CreateDraft, if precondition: Precondition = .none,
        holding memory: MemoryReservation, claim: IdempotencyClaim<StartedItem>? = nil, requestID: String? = nil
    ) async throws(Failure) -> StartedItem {
        let formBytes = draft.formBytes(ofHeld: memory.heldBytes)
        let given = try await decoding.perform(on: formBytes, for: accountID) { () throws(Failure) in
            try draft.checkedImages(acceptingPlainHTTP: imageReader.acceptsPlainHTTP)
        }
        guard let given else {
            memory.close()
            return try await retry(id, mode: mode, accountID: accountID, if: precondition, claim: claim, requestID: requestID)
        }
        let failed = try await store.find(id, mode: mode, accountID: accountID)
        try failed.requireFailed()
        let images = try await imageReader.images(given.sources, of: given.field, holding: memory)
        try await store.usage(accountID: accountID).requireRoom(
            forImageBytes: images.reduce(0) { $0 + $1.bytes.count }, insteadOf: try await store.referenceBytes(of: id))
        try await credits?.requireCoverable(failed.mode, accountID: accountID)
        let started = try await self.images.withStored(consume images) { (references) async throws(Failure) in
            memory.close()
            return try await paying(for: accountID) { () async throws(Failure) in
                try await store.retry(
                    id, mode: mode, accountID: accountID, with: references, costing: credits?.prices, if: precondition,
                    in: WriteContext(at: clock.now, claim: claim, requestID: requestID))
            }
        }
        signals.jobs.notify()
        signals.removals.notify()
        return started
    }

    /// Has an item go when its training ends, or now where that has happened.
    /// - Parameters:
    ///   - precondition: what the item has to be for that.
    ///   - requestID: the id of the request.
    /// - Throws: `notFound`, `preconditionFailed`.
    package func settle(
        _ id: Identifier, mode: Mode?, accountID: Identifier, to settlement: Settlement, if precondition: Precondition = .none,
        requestID: String? = nil
    ) async throws(Failure) -> Settling {
        try await store.settle(
            id, mode: mode, accountID: accountID, to: settlement, if: precondition, in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// One page of the caller's items.
    package func page(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) async throws(Failure) -> PikzonalityPage {
        PikzonalityPage(try await store.page(filter, sort: sort, after: after, limit: limit + 1, accountID: accountID), limit: limit)
    }

    /// The same, where that needs no waiting; nil where it does.
    package func pageNow(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) throws(Failure) -> PikzonalityPage? {
        try store.pageNow(filter, sort: sort, after: after, limit: limit + 1, accountID: accountID).map {
            PikzonalityPage($0, limit: limit)
        }
    }

    /// How many items the caller has.
    package func counts(accountID: Identifier) async throws(Failure) -> ItemCounts { try await store.counts(accountID: accountID) }

    /// The same, where that needs no waiting; nil where it does.
    package func countsNow(accountID: Identifier) throws(Failure) -> ItemCounts? { try store.countsNow(accountID: accountID) }

    /// What the caller has of what there are quotas of, and how much it may have.
    package func usage(accountID: Identifier) async throws(Failure) -> AccountUsage { try await store.usage(accountID: accountID) }

    /// The same, where that needs no waiting; nil where it does.
    package func usageNow(accountID: Identifier) throws(Failure) -> AccountUsage? { try store.usageNow(accountID: accountID) }

    /// What is known of the image behind a media URL.
    /// - Throws: `notFound`.
    package func image(_ token: RandomToken) async throws(Failure) -> StoredImage {
        try await images.image(token)
    }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: `notFound`.
    package func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage? {
        try images.imageNow(token)
    }

    /// Opens an image behind a media URL for reading.
    /// - Throws: `notFound` where its bytes went away meanwhile.
    package func open(_ image: StoredImage) async throws(Failure) -> OpenImage {
        try await images.open(image)
    }
}
