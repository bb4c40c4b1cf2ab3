/// A persona or a style that its owner has put away, and may have back until a moment.
package struct TrashedItem: Sendable, Equatable {
    /// The item as it was, and as it comes back.
    package let item: Pikzonality
    /// When it was put away.
    package let trashedAt: Timestamp
    /// From when it is gone for good.
    package let purgeAt: Timestamp

    package init(item: Pikzonality, trashedAt: Timestamp, purgeAt: Timestamp) {
        self.item = item
        self.trashedAt = trashedAt
        self.purgeAt = purgeAt
    }
}

/// Where in the trash an item stands, of which the newest comes first: what a page continues after.
package struct TrashPlace: Sendable, Codable, Equatable, LosslessStringConvertible {
    /// When the item was put away.
    package let trashedAt: Timestamp
    /// The item's id, which breaks ties.
    package let id: Identifier

    package init(trashedAt: Timestamp, id: Identifier) {
        self.trashedAt = trashedAt
        self.id = id
    }

    /// That of an item.
    package init(_ trashed: TrashedItem) {
        self.init(trashedAt: trashed.trashedAt, id: trashed.item.id)
    }

    /// Reads what `description` wrote.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 2, let milliseconds = Int64(parts[0]), let id = Identifier(parts[1]) else { return nil }
        self.init(trashedAt: Timestamp(milliseconds: milliseconds), id: id)
    }

    /// As operators write it.
    package var description: String { "\(trashedAt.milliseconds).\(id.text)" }
}

/// Remembers what is in the trash. Each call is one transaction; a write that returned is on disk.
///
/// Names, the owners' own ids and images' links count for items outside alone; bytes and quotas for all.
package protocol TrashStore: Sendable {
    /// Puts an item whose training has ended into the trash.
    /// - Parameter precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Returns: the item there.
    /// - Throws: `notFound`, `stillProcessing`, `preconditionFailed`.
    func put(
        _ id: Identifier, mode: Mode?, accountID: Identifier, if precondition: Precondition, in context: WriteContext<TrashedItem>
    ) async throws(Failure) -> TrashedItem
    /// At most `limit` items after a place, the newest first, of one account and mode or of all.
    func page(mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier?) async throws(Failure) -> [TrashedItem]
    /// Takes an item out of the trash: to the byte what it was, under the same links, but for what is changed.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - change: what it is given anew.
    ///   - precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Returns: the item as it is from then on.
    /// - Throws: `notFound`, `nameReserved`, `nameTaken`, `externalIDTaken`, `preconditionFailed`.
    func restore(
        _ id: Identifier, accountID: Identifier?, change: PikzonalityChange, if precondition: Precondition,
        in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality
    /// Removes an item from the trash for good; image bytes that nothing needs any more are queued for removal with it.
    /// - Parameters:
    ///   - accountID: nil for an operator, who reaches every account.
    ///   - precondition: compared with the item in the same transaction, as the last of all checks.
    /// - Returns: the mode of what was removed.
    /// - Throws: `notFound`, `preconditionFailed`.
    func purge(
        _ id: Identifier, accountID: Identifier?, if precondition: Precondition, in context: WriteContext<Mode>
    ) async throws(Failure) -> Mode
    /// Removes what has been in the trash long enough, at most `limit` items in one transaction.
    /// - Returns: how many went; fewer than `limit` once nothing is left.
    func purgeExpired(at now: Timestamp, limit: Int) async throws(Failure) -> Int
    /// Items of all accounts for an operator, or of one, the newest first, with their accounts' names.
    func operatorItems(
        mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier?
    ) async throws(Failure) -> OperatorPage<OperatorTrashedItem, TrashPlace>
}

/// An item in the trash as an operator sees it.
package struct OperatorTrashedItem: Sendable, Equatable {
    /// The item.
    package let trashed: TrashedItem
    /// The name of the account that owns it.
    package let accountName: String

    package init(trashed: TrashedItem, accountName: String) {
        self.trashed = trashed
        self.accountName = accountName
    }
}
