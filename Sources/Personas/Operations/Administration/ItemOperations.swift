/// Creates an item for an account, as its owner would.
package struct CreateItem: AdministrationOperation {
    private let accountName: String
    private let mode: Mode
    private let name: String
    private let specialInstructions: String?
    private let externalID: String?
    private let metadata: [String: String]
    private let imageBase64s: [String]

    /// Takes the images as base64, in their order.
    package init(
        accountName: String, mode: Mode, name: String, specialInstructions: String?, externalID: String? = nil,
        metadata: [String: String] = [:], imageBase64s: [String]
    ) {
        self.accountName = accountName
        self.mode = mode
        self.name = name
        self.specialInstructions = specialInstructions
        self.externalID = externalID
        self.metadata = metadata
        self.imageBase64s = imageBase64s
    }

    package static let leavesTraining = true

    /// Those of an item whose name turned out to be taken.
    package static let leavesImages = true

    /// - Throws: `notFound` for an account that is not there, and what `Catalog.create` throws.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ItemReport {
        let details = DetailsDraft(
            name: name, specialInstructions: specialInstructions, externalID: externalID, metadata: metadata.isEmpty ? nil : metadata)
        return ItemReport(
            try await administration.create(CreateDraft(details, imageBase64s: imageBase64s), mode: mode, accountName: accountName))
    }
}

extension CreateDraft {
    /// What an operator's command makes of an item.
    init(_ details: DetailsDraft, imageBase64s: [String]) {
        self.init(details: details, imageURLs: .absent, imageBase64s: .value(imageBase64s.map { ArraySlice($0.utf8) }))
    }
}

extension DetailsDraft {
    /// What an item's owner would send, as a command or a seed has it: what is nil is not sent.
    init(name: String, specialInstructions: String?, externalID: String?, metadata: [String: String]?) {
        self.init(
            name: .value(name), specialInstructions: specialInstructions.map(JSONField.value) ?? .absent,
            externalID: externalID.map(JSONField.value) ?? .absent,
            metadata: metadata.map { .value($0.map { MetadataMemberDraft(key: $0.key, value: .value($0.value)) }) } ?? .absent)
    }
}

extension Administration {
    /// Creates an item in the name of an account. Nothing of it counts towards what the account may have in memory, because no client sent it.
    /// - Parameter outcome: how training has ended already; nil queues a training job.
    /// - Throws: `notFound` for an account that is not there, and what `Catalog.create` throws.
    func create(
        _ draft: CreateDraft, mode: Mode, accountName: String, outcome: TrainingOutcome? = nil
    ) async throws(Failure) -> OperatorItem {
        let account = try await stores.accounts.account(named: try Account.normalName(accountName))
        let started = try await catalog.create(
            draft, mode: mode, accountID: account.id, holding: .unlimited(for: account.id), outcome: outcome,
            audit: note(.create) { [$0.item.id.text] })
        return OperatorItem(item: started.item, accountName: account.name)
    }
}

/// Lists items of all accounts, or of one, newest first.
package struct ListItems: ContinuedOperation {
    /// An item.
    package typealias Row = ItemReport
    /// Where it stands.
    package typealias Place = ItemPlace

    private let accountName: String?
    private let mode: Mode?
    private let status: Status?
    private let search: String?
    private let place: ItemPlace?
    private let limit: Int

    /// - Parameters:
    ///   - search: a part of the name, ignoring case.
    ///   - place: that of the item which the list follows; nil for the newest.
    package init(
        accountName: String? = nil, mode: Mode? = nil, status: Status? = nil, search: String? = nil, after place: ItemPlace? = nil,
        limit: Int
    ) {
        self.accountName = accountName
        self.mode = mode
        self.status = status
        self.search = search
        self.place = place
        self.limit = Limits.administrationRows(limit)
    }

    /// - Throws: `notFound` for an account that is not there.
    package func perform(
        in administration: Administration, progress: @escaping ProgressHandler
    ) async throws(Failure) -> OperatorPage<ItemReport, ItemPlace> {
        let items = administration.stores.pikzonalities
        let wanted: String?
        do {
            wanted = try PikzonalityFilter.checkedSearch(search, field: .own("search"))
        } catch {
            throw .invalid([error])
        }
        let filter = PikzonalityFilter(mode: mode, status: status, search: wanted)
        guard let accountName else {
            return try await items.operatorItems(filter, after: place, limit: limit).map(ItemReport.init)
        }
        let account = try await administration.stores.accounts.account(named: Account.normalName(accountName))
        let found = try await items.page(
            filter, sort: .newestFirst, after: place.map(PikzonalityPosition.init), limit: limit + 1, accountID: account.id)
        return OperatorPage(found, limit: limit, place: ItemPlace.init).map {
            ItemReport(OperatorItem(item: $0, accountName: account.name))
        }
    }

    package func continued(after place: ItemPlace, limit: Int) -> ListItems {
        ListItems(accountName: accountName, mode: mode, status: status, search: search, after: place, limit: limit)
    }
}

/// Where in the lists of items by time an item stands, of one account or of all.
package struct ItemPlace: Sendable, Codable, Equatable, LosslessStringConvertible {
    fileprivate let createdAt: Timestamp
    /// The item's id, whose order is that of time.
    package let id: Identifier

    /// That of an item.
    package init(_ item: Pikzonality) {
        createdAt = item.createdAt
        id = item.id
    }

    /// Reads what `description` wrote.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 2, let milliseconds = Int64(parts[0]), let id = Identifier(parts[1]) else { return nil }
        createdAt = Timestamp(milliseconds: milliseconds)
        self.id = id
    }

    /// As operators write it.
    package var description: String { "\(createdAt.milliseconds).\(id.text)" }
}

extension PikzonalityPosition {
    fileprivate init(_ place: ItemPlace) {
        self.init(nameKey: "", createdAt: place.createdAt, id: place.id)
    }
}

/// Shows one item of any account.
package struct ShowItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ItemDetails {
        ItemDetails(
            try await administration.stores.pikzonalities.operatorItem(try Identifier(argument: id)),
            attemptsMax: administration.leases.attemptsMax)
    }
}

/// Deletes one item of any account.
package struct DeleteItem: AdministrationOperation {
    private let id: String
    private let isForced: Bool

    /// - Parameter isForced: whether it goes while its training runs, too.
    package init(id: String, isForced: Bool = false) {
        self.id = id
        self.isForced = isForced
    }

    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`, `stillProcessing`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let id = try Identifier(argument: id)
        let mode = try await administration.catalog.delete(
            id, mode: nil, accountID: nil, endingTraining: isForced,
            audit: administration.note(isForced ? .deleteForce : .delete) { _ in [id.text] })
        return Confirmation(message: mode == .persona ? "Persona deleted" : "Style deleted")
    }
}

/// Cancels the training of one item of any account.
package struct CancelItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// Those of an item that was to go when its training ends.
    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`, `notProcessing`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let item = try await administration.catalog.cancel(
            try Identifier(argument: id), mode: nil, accountID: nil, audit: administration.note(.cancel) { [$0.id.text] })
        let subject = item.mode == .persona ? "Persona" : "Style"
        let message =
            switch item.settlement {
            case nil: "\(subject) cancelled"
            case .deleted: "\(subject) cancelled and deleted, as its owner wished"
            case .trash: "\(subject) cancelled and moved to the trash, as its owner wished"
            }
        return Confirmation(message: message)
    }
}

/// Has one item of any account trained anew that has failed.
package struct RetryItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    package static let leavesTraining = true

    /// - Throws: `invalid`, `notFound`, `notFailed`, `insufficientCredits`, `topUpFailed`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let started = try await administration.catalog.retry(
            try Identifier(argument: id), mode: nil, accountID: nil, audit: administration.note(.retry) { [$0.item.id.text] })
        return Confirmation(message: started.item.mode == .persona ? "Persona queued anew" : "Style queued anew")
    }
}
