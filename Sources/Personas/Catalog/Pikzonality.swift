/// Which kind of pikzonality an item is. One type serves both: no rule is written twice.
package enum Mode: String, Sendable, CaseIterable, Codable {
    /// A person's likeness.
    case persona
    /// A look.
    case style
}

/// Where an item stands. Old clients loop for ever on any fourth word.
package enum Status: String, Sendable, CaseIterable, Codable {
    /// The training job has not ended.
    case processing
    /// The training job ended well.
    case completed
    /// The training job ended badly; the item says why.
    case failed
}

/// A persona or a style, as the service remembers it.
package struct Pikzonality: Sendable, Equatable {
    /// Time-ordered, so that rows made together lie together.
    package let id: Identifier
    /// The owner; no other account learns that the item exists.
    package let accountID: Identifier
    /// Persona or style; never changes.
    package let mode: Mode
    /// What its owner sets.
    package private(set) var details: PikzonalityDetails
    /// Follows the training job.
    package internal(set) var status: Status
    /// 0 to 100, never decreasing, 100 exactly when completed.
    package internal(set) var progress: Int
    /// Tokens of the reference images in their order; public only once completed.
    package internal(set) var referenceTokens: ReferenceTokens
    /// Token of the portrait, set on completion.
    package private(set) var portraitToken: RandomToken?
    /// Why training failed; set exactly when failed.
    package internal(set) var error: TrainingError?
    /// When the create call was taken in.
    package let createdAt: Timestamp
    /// When anything that a client can see last changed.
    package private(set) var updatedAt: Timestamp
    /// Counts every change that a client can see; what entity tags are made of.
    package private(set) var version: Int
    /// What becomes of it when its training ends; nil where it stays, and for all that is in training no more.
    package internal(set) var settlement: Settlement?

    /// The name among its details, without which no item is told apart.
    package var name: Name { details.name }

    package init(
        id: Identifier, accountID: Identifier, mode: Mode, details: PikzonalityDetails, status: Status, progress: Int,
        referenceTokens: ReferenceTokens, portraitToken: RandomToken?, error: TrainingError?, createdAt: Timestamp, updatedAt: Timestamp,
        version: Int, settlement: Settlement? = nil
    ) {
        self.id = id
        self.accountID = accountID
        self.mode = mode
        self.details = details
        self.status = status
        self.progress = progress
        self.referenceTokens = referenceTokens
        self.portraitToken = portraitToken
        self.error = error
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.version = version
        self.settlement = settlement
    }
}

/// What a client wants to become of an item in training once that has ended.
package enum Settlement: String, Sendable, CaseIterable, Codable {
    /// It is to go for good.
    case deleted
    /// It is to go into the trash.
    case trash
}

/// An item about to be stored, together with its training job.
package struct NewPikzonality: Sendable {
    /// The item's id.
    package let id: Identifier
    /// The owner.
    package let accountID: Identifier
    /// Persona or style.
    package let mode: Mode
    /// The checked details.
    package let details: PikzonalityDetails
    /// The stored reference images in their order.
    package let references: [StoredImage]
    /// How training has ended already; nil, as for every item of a client, queues a training job.
    package let outcome: TrainingOutcome?
    /// The stored portrait of one that is trained; nil for the first reference image.
    package let portrait: StoredImage?
    /// When it was created where it comes from; nil for one that is created now. Later than now it is taken for now.
    package let createdAt: Timestamp?
    /// What is to become of one in training when that ends; nil, as for every item of a client, where it stays.
    package let settlement: Settlement?

    package init(
        id: Identifier, accountID: Identifier, mode: Mode, details: PikzonalityDetails, references: [StoredImage],
        outcome: TrainingOutcome? = nil, portrait: StoredImage? = nil, createdAt: Timestamp? = nil, settlement: Settlement? = nil
    ) {
        self.id = id
        self.accountID = accountID
        self.mode = mode
        self.details = details
        self.references = references
        self.outcome = outcome
        self.portrait = portrait
        self.createdAt = createdAt
        self.settlement = settlement
    }
}

extension Pikzonality {
    /// A new item, as it stands once it is stored.
    package init(_ new: NewPikzonality, at now: Timestamp, referenceTokens: ReferenceTokens, portraitToken: RandomToken?) {
        let (status, progress, error): (Status, Int, TrainingError?) =
            switch new.outcome {
            case nil: (.processing, 0, nil)
            case .completed: (.completed, 100, nil)
            case .failed(let reason): (.failed, 0, reason)
            }
        self.init(
            id: new.id, accountID: new.accountID, mode: new.mode, details: new.details, status: status, progress: progress,
            referenceTokens: referenceTokens, portraitToken: portraitToken, error: error,
            createdAt: min(new.createdAt ?? now, now), updatedAt: now, version: 1, settlement: new.settlement)
    }

    /// The item as a change leaves it; nil when that is how it is already. Its time never goes back, whatever the clock does.
    /// - Throws: `invalid` when the item would break a rule that the change alone does not.
    package func changed(by change: PikzonalityChange, at now: Timestamp) throws(Failure) -> Pikzonality? {
        var changed = self
        changed.details = try change.applied(to: details)
        changed.settlement = try change.applied(to: settlement)
        if changed.details == details, changed.settlement == settlement { return nil }
        changed.updatedAt = max(updatedAt, now)
        changed.version += 1
        return changed
    }

    /// The item once training has come so far; nil where it had before.
    package func progressed(to progress: Int, at now: Timestamp) -> Pikzonality? {
        progress > self.progress ? trained(at: now) { $0.progress = progress } : nil
    }

    /// The item once training has ended well.
    package func completed(portrait: RandomToken, at now: Timestamp) -> Pikzonality {
        trained(at: now) { item in
            item.status = .completed
            item.progress = 100
            item.portraitToken = portrait
        }
    }

    /// The item once training has ended badly.
    package func failed(_ error: TrainingError, at now: Timestamp) -> Pikzonality {
        trained(at: now) { item in
            item.status = .failed
            item.error = error
        }
    }

    /// The item as it is told of while it is in the trash, where its links lead nowhere.
    package var withoutLinks: Pikzonality {
        var item = self
        item.referenceTokens = ReferenceTokens([])
        item.portraitToken = nil
        return item
    }

    /// The item after a change other than one of its owner's details.
    func trained(at now: Timestamp, _ change: (inout Pikzonality) -> Void) -> Pikzonality {
        var changed = self
        change(&changed)
        changed.updatedAt = max(updatedAt, now)
        changed.version += 1
        return changed
    }
}

/// The order of a list.
package enum PikzonalitySort: Sendable, CaseIterable {
    /// Newest first.
    case newestFirst
    /// Oldest first.
    case oldestFirst
    /// By name, ignoring case.
    case name
    /// By name backwards.
    case nameDescending

    /// Whether names are compared, rather than times.
    package var isByName: Bool { self == .name || self == .nameDescending }
    /// Whether the largest comes first.
    package var isDescending: Bool { self == .newestFirst || self == .nameDescending }
}

/// Which items a list shows.
package struct PikzonalityFilter: Sendable, Equatable {
    /// Only this mode, if any.
    package var mode: Mode?
    /// Only this status, if any.
    package var status: Status?
    /// Only items whose name holds this text, ignoring case.
    package var search: String?
    /// Only the item that the owner's program calls so, if any.
    package var externalID: String?
    /// Only items that have all of these labels; at most `Limits.metadataFiltersMax`, no two with one key.
    package var metadata: [MetadataMember]

    /// Shows everything until its members are set.
    package init(
        mode: Mode? = nil, status: Status? = nil, search: String? = nil, externalID: String? = nil, metadata: [MetadataMember] = []
    ) {
        self.mode = mode
        self.status = status
        self.search = search
        self.externalID = externalID
        self.metadata = metadata
    }
}

extension PikzonalityFilter {
    /// Checks what somebody looks for in names. An empty text looks for nothing.
    /// - Parameter field: what the adapter calls it.
    /// - Throws: the rule that is broken.
    package static func checkedSearch(_ text: String?, field: InputField) throws(Violation) -> String? {
        guard let text, !text.isEmpty else { return nil }
        guard !text.holdsNull else { throw Violation(field, "must not hold the character U+0000") }
        return text
    }
}

/// Where in an order an item stands: what a page continues after.
package struct PikzonalityPosition: Sendable, Equatable {
    /// The item's name key, where names are compared.
    package let nameKey: String
    /// The item's moment of creation, where times are compared.
    package let createdAt: Timestamp
    /// The item's id, which breaks ties.
    package let id: Identifier

    package init(nameKey: String, createdAt: Timestamp, id: Identifier) {
        self.nameKey = nameKey
        self.createdAt = createdAt
        self.id = id
    }
}

/// Remembers personas and styles. Each call is one transaction; a write that returned is on disk, and `ItemChanges` was told of it.
package protocol PikzonalityStore: Sendable {
    /// Stores an item, its images' links, its queued job and the charge for its training together, if the quota of the account has room for it and its
    /// credits cover it in the same transaction.
    /// - Parameter prices: what trainings cost; nil where they cost nothing. One that has ended already costs nothing either way.
    /// - Returns: the item as stored.
    /// - Throws: `nameReserved`, `nameTaken`, `externalIDTaken`, `quotaExceeded`, `insufficientCredits`, in this order; `accountMissing` when the
    ///   account was deleted meanwhile.
    func insert(
        _ new: NewPikzonality, costing prices: CreditPrices?, in context: WriteContext<StartedItem>
    ) async throws(Failure) -> StartedItem
    /// One item of an account; of any mode when `mode` is nil.
    /// - Throws: `notFound`.
    func find(_ id: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> Pikzonality
    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: `notFound`.
    func findNow(_ id: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> Pikzonality?
    /// At most `limit` items after a position, in the order of `sort`.
    func page(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) async throws(Failure) -> [Pikzonality]
    /// The same, where that needs no waiting; nil where it does, as a search may.
    func pageNow(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) throws(Failure) -> [Pikzonality]?
    /// Changes an item. A change that leaves everything as it was does not count as one.
    /// - Parameter precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Returns: the item as it is afterwards.
    /// - Throws: `notFound`, `nameReserved`, `nameTaken`, `externalIDTaken`, `preconditionFailed`; `invalid` when the item would break a rule
    ///   that the change alone does not.
    func update(
        _ id: Identifier, mode: Mode?, accountID: Identifier, change: PikzonalityChange, if precondition: Precondition,
        in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality
    /// Removes an item with its links and its ended job; image bytes that nothing needs any more are queued for removal with it.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: compared with the item in the same transaction, as the last of all checks.
    ///   - endsTraining: whether an item in training is removed as well; its job is cancelled then, and stays for its worker to be told.
    /// - Returns: the mode of what was removed.
    /// - Throws: `notFound`, `stillProcessing`, `preconditionFailed`.
    func delete(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition, endingTraining endsTraining: Bool,
        in context: WriteContext<Mode>
    ) async throws(Failure) -> Mode
    /// Ends the training of an item that its owner wants no more: its job is cancelled, and stays for its worker to be told. An item that was to go
    /// when its training ends goes with it.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Returns: the item as its training has left it, whether or not it is still there.
    /// - Throws: `notFound`, `notProcessing`, `preconditionFailed`.
    func cancel(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition, in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality
    /// Begins the training of an item anew that has failed, with a new job. No worker's report on a job before it changes anything any more.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - references: the images to train on from now on, whose links take the place of the old ones if the quota of the account has room for them;
    ///     nil for those that it has.
    ///   - prices: what trainings cost, which is charged in the same transaction; nil where they cost nothing.
    ///   - precondition: compared with the item in the same transaction, as the last of all checks but that of the credits.
    /// - Returns: the item as it is afterwards.
    /// - Throws: `notFound`, `notFailed`, `quotaExceeded`, `preconditionFailed`, `insufficientCredits`.
    func retry(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, with references: [StoredImage]?, costing prices: CreditPrices?,
        if precondition: Precondition, in context: WriteContext<StartedItem>
    ) async throws(Failure) -> StartedItem
    /// Has an item go when its training ends, in the transaction of that end. What is in training no more goes at once. Of several such wishes the last
    /// one counts.
    /// - Parameter precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Throws: `notFound`, `preconditionFailed`.
    func settle(
        _ id: Identifier, mode: Mode?, accountID: Identifier, to settlement: Settlement, if precondition: Precondition,
        in context: WriteContext<Settling>
    ) async throws(Failure) -> Settling
    /// How many bytes the reference images of an item have together; 0 where there is no such item.
    func referenceBytes(of id: Identifier) async throws(Failure) -> Int
    /// Whether a name, and the owner's own id, may be given to a new item, as far as they are known.
    func availability(of name: Name?, externalID: String?, mode: Mode, accountID: Identifier) async throws(Failure) -> NameAvailability
    /// Which items have a name and the owner's own id, reserved or not.
    func holders(of name: Name, externalID: String?, mode: Mode, accountID: Identifier) async throws(Failure) -> ItemHolders
    /// How many items an account has, by mode and status: as quickly of many as of few.
    func counts(accountID: Identifier) async throws(Failure) -> ItemCounts
    /// The same, where that needs no waiting; nil where it does.
    func countsNow(accountID: Identifier) throws(Failure) -> ItemCounts?
    /// What an account has of what there are quotas of, and how much it may have; nothing of an account that is gone.
    func usage(accountID: Identifier) async throws(Failure) -> AccountUsage
    /// The same, where that needs no waiting; nil where it does.
    func usageNow(accountID: Identifier) throws(Failure) -> AccountUsage?
    /// Items of all accounts for an operator, newest first, with their accounts' names. Of the filter mode, status and text count.
    ///
    /// One call passes over `Limits.operatorRowsPassedMax` items at most, so there may be fewer than `limit` on a page that others follow.
    func operatorItems(
        _ filter: PikzonalityFilter, after place: ItemPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<OperatorItem, ItemPlace>
    /// One item of any account for an operator, with what stands behind it.
    /// - Throws: `notFound`.
    func operatorItem(_ id: Identifier) async throws(Failure) -> OperatorItemDetails
}

/// An item as an operator sees it.
package struct OperatorItem: Sendable, Equatable {
    /// The item.
    package let item: Pikzonality
    /// The name of the account that owns it.
    package let accountName: String

    /// Pairs an item with its account's name.
    package init(item: Pikzonality, accountName: String) {
        self.item = item
        self.accountName = accountName
    }
}

/// An item with its job and its images, as an operator sees it.
package struct OperatorItemDetails: Sendable {
    /// The item.
    package let item: OperatorItem
    /// Its training job; nil for one that came trained, from a seed.
    package let job: (job: TrainingJob, createdAt: Timestamp)?
    /// The reference images in their order.
    package let references: [StoredImage]
    /// The portrait, once there is one.
    package let portrait: StoredImage?
    /// The item as it lies in the trash; nil for one that does not.
    package let trashed: TrashedItem?

    /// Puts together what belongs to one item.
    package init(
        item: OperatorItem, job: (job: TrainingJob, createdAt: Timestamp)?, references: [StoredImage], portrait: StoredImage?,
        trashed: TrashedItem? = nil
    ) {
        self.trashed = trashed
        self.item = item
        self.job = job
        self.references = references
        self.portrait = portrait
    }
}
