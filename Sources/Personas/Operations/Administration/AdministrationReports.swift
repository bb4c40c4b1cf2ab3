/// An account as an operator's program sees it.
package struct AccountReport: Sendable, Codable, Equatable {
    /// The account's id.
    package let id: Identifier
    /// The account's name.
    package let name: String
    /// Whether an operator has suspended it.
    package let suspended: Bool
    /// Whether its keys may use the API.
    package let apiAccess: Bool
    /// How many items it has and may have.
    package let items: UsageReport
    /// How many bytes its images have and may have.
    package let storedBytes: UsageReport
    /// RFC 3339.
    package let createdAt: String

    init(_ account: Account, _ usage: AccountUsage) {
        id = account.id
        name = account.name
        suspended = account.isSuspended
        apiAccess = account.hasAPIAccess
        items = UsageReport(itemsOf: usage)
        storedBytes = UsageReport(storedBytesOf: usage)
        createdAt = account.createdAt.text
    }
}

/// How much of something an account has and may have, as an operator's program sees it.
package struct UsageReport: Sendable, Codable, Equatable {
    /// How much it has.
    package let used: Int
    /// How much it may have; nil for any number.
    package let limit: Int?

    init(itemsOf usage: AccountUsage) { (used, limit) = (usage.items, usage.quota.itemsMax) }

    init(storedBytesOf usage: AccountUsage) { (used, limit) = (usage.storedBytes, usage.quota.storedBytesMax) }

    /// Whether it has more than it may have now.
    package var isExceeded: Bool { limit.map { used > $0 } ?? false }
}

/// The quota of an account as an operator's program sees it.
package struct QuotaReport: Sendable, Codable, Equatable {
    /// The account's name.
    package let account: String
    /// How many items it has and may have.
    package let items: UsageReport
    /// How many bytes its images have and may have.
    package let storedBytes: UsageReport

    init(_ account: Account, _ usage: AccountUsage) {
        self.account = account.name
        items = UsageReport(itemsOf: usage)
        storedBytes = UsageReport(storedBytesOf: usage)
    }
}

/// A reserved name as an operator's program sees it.
package struct NameReport: Sendable, Codable, Equatable {
    /// The name.
    package let name: String

    init(_ name: Name) {
        self.name = name.text
    }
}

/// What a reservation of names changed, as an operator's program sees it.
package struct ReservationReport: Sendable, Codable, Equatable {
    /// The names that became reserved.
    package let reserved: [String]
    /// Those of the names that were reserved before.
    package let alreadyReserved: [String]

    init(_ names: [Name], reserved: [Name]) {
        let keys = Set(reserved.map(\.key))
        self.reserved = reserved.map(\.text)
        alreadyReserved = names.filter { !keys.contains($0.key) }.map(\.text)
    }
}

/// What a release of names changed, as an operator's program sees it.
package struct ReleaseReport: Sendable, Codable, Equatable {
    /// How many were released, in words for a person.
    package let message: String
    /// The names that are free now.
    package let released: [String]
    /// Those of the names that were not reserved.
    package let notReserved: [String]

    init(_ names: [Name], released: [Name]) {
        let keys = Set(released.map(\.key))
        message = "\(released.count) \(released.count == 1 ? "name" : "names") released"
        self.released = released.map(\.text)
        notReserved = names.filter { !keys.contains($0.key) }.map(\.text)
    }
}

/// Maintenance as an operator's program sees it.
package struct MaintenanceReport: Sendable, Codable, Equatable {
    /// Whether clients are turned away.
    package let on: Bool
    /// What they are told to wait.
    package let retryAfter: Int

    /// What a state in force is told as.
    package init(_ maintenance: Maintenance) {
        on = maintenance.isOn
        retryAfter = maintenance.retryAfterSeconds
    }
}

/// A stored item as an operator's program sees it.
package struct ItemReport: Sendable, Codable, Equatable {
    /// The item's id.
    package let id: Identifier
    /// The name of its account.
    package let account: String
    /// Persona or style.
    package let mode: Mode
    /// The item's name.
    package let name: String
    /// Where it stands.
    package let status: Status
    /// 0 to 100.
    package let progress: Int
    /// Words for the trainer.
    package let specialInstructions: String?
    /// What the owner's own program calls the item.
    package let externalID: String?
    /// The owner's own labels.
    package let metadata: [String: String]
    /// Why training failed.
    package let error: TrainingError?
    /// What becomes of it when its training ends; nil where it stays.
    package let settlesTo: Settlement?
    /// RFC 3339.
    package let createdAt: String
    /// RFC 3339.
    package let updatedAt: String

    init(_ found: OperatorItem) {
        id = found.item.id
        account = found.accountName
        mode = found.item.mode
        name = found.item.name.text
        status = found.item.status
        progress = found.item.progress
        specialInstructions = found.item.details.specialInstructions
        externalID = found.item.details.externalID
        metadata = Dictionary(found.item.details.metadata.members.map { ($0.key, $0.value) }) { first, _ in first }
        error = found.item.error
        settlesTo = found.item.settlement
        createdAt = found.item.createdAt.text
        updatedAt = found.item.updatedAt.text
    }
}

/// A migration as an operator's program sees it.
package struct MigrationReport: Sendable, Codable, Equatable {
    /// What a comparison with the files that this binary carries says.
    package enum State: String, Sendable, Codable {
        /// In the database as it is in the binary.
        case applied
        /// In the binary, not yet in the database.
        case pending
        /// In both, with different text.
        case changed
        /// In the database, unknown to the binary.
        case unknown
    }

    /// The name of the file, without its ending.
    package let name: String
    /// What a comparison with the binary says.
    package let state: State
    /// RFC 3339, once applied.
    package let appliedAt: String?
    /// SHA-256 of the text in hexadecimal: as applied, or as it would be.
    package let hash: String

    /// A migration as it stands; one that is pending was never applied.
    package init(name: String, state: State, appliedAt: Timestamp?, hash: String) {
        self.name = name
        self.state = state
        self.appliedAt = appliedAt?.text
        self.hash = hash
    }
}

/// How the stored schema differs from the one that the binary knows.
package enum SchemaMismatch: Sendable, Codable, Equatable {
    /// A migration was changed after it was applied.
    case changed(migration: String)
    /// A migration is unknown: the database belongs to a newer version.
    case unknown(migration: String)
    /// Migrations have yet to be applied.
    case pending(migrations: [String])
}

/// Tells how the stored schema stands to the one that the binary knows.
package protocol SchemaStore: Sendable {
    /// All migrations in their order.
    func migrations() async throws(Failure) -> [MigrationReport]
    /// Whether the store answers and no migration is pending or changed.
    func isReady() async -> Bool
    /// The same, where that needs no waiting; nil where it does.
    func isReadyNow() -> Bool?
}
