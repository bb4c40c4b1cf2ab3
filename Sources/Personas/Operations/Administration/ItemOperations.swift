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
        let item = try await catalog.create(
            draft, mode: mode, accountID: account.id, holding: .unlimited(for: account.id), outcome: outcome)
        return OperatorItem(item: item, accountName: account.name)
    }
}

/// Lists the newest items of all accounts.
package struct ListItems: AdministrationOperation {
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [ItemReport] {
        try await administration.stores.pikzonalities.newest(limit: Limits.administrationRows(limit)).map(ItemReport.init)
    }
}

/// Shows one item of any account.
package struct ShowItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> ItemReport {
        ItemReport(try await administration.stores.pikzonalities.operatorItem(try Identifier(argument: id)))
    }
}

/// Deletes one item of any account.
package struct DeleteItem: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    package static let leavesImages = true

    /// - Throws: `invalid`, `notFound`, `stillProcessing`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let mode = try await administration.catalog.delete(try Identifier(argument: id), mode: nil, accountID: nil)
        return Confirmation(message: mode == .persona ? "Persona deleted" : "Style deleted")
    }
}
