import Foundation
import Personas

/// Personas and styles as rows.
struct SQLPikzonalityStore: PikzonalityStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    let scans: any SQLScanner
    let steps: ItemSteps

    func insert(
        _ new: NewPikzonality, costing prices: CreditPrices?, in context: WriteContext<StartedItem>
    ) async throws(Failure) -> StartedItem {
        try await writer.write(in: context, of: new.accountID) { db in
            guard let usage = try StoredBytes.usage(new.accountID, db) else { throw Failure.accountMissing }
            let item = try store(new, at: context.now, requestID: context.requestID, db)
            // After the name, as everywhere; each failure undoes the item.
            try usage.requireRoom(forImageBytes: new.references.reduce(0) { $0 + $1.byteCount })
            let remaining = try charge(item, costing: prices, at: context.now, requestID: context.requestID, db)
            return StartedItem(item, creditsRemaining: remaining)
        }
    }

    /// Charges the training of an item that was stored, within its operation. One that came trained costs nothing.
    /// - Returns: what its account has left; nil where there are no prices.
    /// - Throws: `insufficientCredits`.
    func charge(
        _ item: Pikzonality, costing prices: CreditPrices?, at now: Timestamp, requestID: String?, _ db: any SQLTransaction
    ) throws -> Int? {
        let price = prices.map { item.status == .processing ? $0[item.mode] : 0 }
        return try steps.credits.charge(price, for: item, at: now, requestID: requestID, db)
    }

    /// Stores a new item with all that belongs to it, within an operation. A name or id that cannot be given is found out before anything is written.
    /// - Throws: `nameReserved`, `nameTaken`, `externalIDTaken`.
    func store(_ new: NewPikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws -> Pikzonality {
        try Self.requireUnreserved(new.details.name, db)
        let tokens = new.references.map { _ in RandomToken.random() }
        let portrait = new.outcome == .completed ? RandomToken.random() : nil
        let item = Pikzonality(new, at: now, referenceTokens: ReferenceTokens(tokens), portraitToken: portrait)
        try Self.translatingConflict(item, db) { try ItemRow.insert(item, requestID: requestID, db) }
        for (position, (image, token)) in zip(new.references, tokens).enumerated() {
            try ImageLinks.insert(image, token: token, position: position, itemID: new.id, db)
        }
        if let portrait, let image = new.portrait ?? new.references.first {
            try ImageLinks.insert(image, token: portrait, position: ImageLinks.portraitPosition, itemID: new.id, db)
        }
        if new.outcome == nil {
            try JobRow.insert(for: new.id, at: now, db)
        }
        try Outbox.append(.created, item, at: now, requestID: requestID, db)
        return item
    }

    func find(_ id: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> Pikzonality {
        try Self.require(try await readers.read { connection in try ItemRow.find(id, connection) }, mode: mode, accountID: accountID)
    }

    func findNow(_ id: Identifier, mode: Mode?, accountID: Identifier) throws(Failure) -> Pikzonality? {
        guard let found = try readers.readNow({ connection in try ItemRow.find(id, connection) }) else { return nil }
        return try Self.require(found, mode: mode, accountID: accountID)
    }

    func page(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) async throws(Failure) -> [Pikzonality] {
        let plan = PagePlan(filter, sort: sort, after: after, limit: limit, accountID: accountID)
        guard plan.mayWalkFar else { return try await readers.read(plan.items) }
        return try await scans.scan(for: accountID, plan.items)
    }

    func pageNow(
        _ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) throws(Failure) -> [Pikzonality]? {
        let plan = PagePlan(filter, sort: sort, after: after, limit: limit, accountID: accountID)
        return plan.mayWalkFar ? nil : try readers.readNow(plan.items)
    }

    func update(
        _ id: Identifier, mode: Mode?, accountID: Identifier, change: PikzonalityChange, if precondition: Precondition,
        in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality {
        let (item, isChanged) = try await writer.write(in: context, of: accountID, recording: { item, _ in item }) {
            db -> (Pikzonality, Bool) in
            let item = try Self.owned(id, mode: mode, accountID: accountID, db)
            let changed = try item.changed(by: change, at: context.now)
            if let changed {
                if changed.name.key != item.name.key { try Self.requireUnreserved(changed.name, db) }
                try Self.translatingConflict(changed, db) { try ItemRow.update(changed, from: item, db) }
                if changed.details != item.details {
                    try RevisionRows.keep(item, becoming: changed, requestID: context.requestID, db)
                }
                try Outbox.append(.updated, changed, from: item, at: context.now, requestID: context.requestID, db)
            }
            // Only now is it known that nothing else stands against the change, which the failure undoes.
            try precondition.require(item)
            return (changed ?? item, changed != nil)
        }
        if isChanged { steps.changes.notify(ItemChange(id, isSettled: false)) }
        return item
    }

    func delete(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition, endingTraining endsTraining: Bool,
        in context: WriteContext<Mode>
    ) async throws(Failure) -> Mode {
        let mode = try await writer.write(in: context, of: accountID) { db in
            let item = try Self.owned(id, mode: mode, accountID: accountID, db)
            guard endsTraining || item.status != .processing else { throw Failure.stillProcessing(item.mode) }
            try precondition.require(item)
            try ItemRemoval.remove(item, at: context.now, requestID: context.requestID, db)
            return item.mode
        }
        steps.changes.notify(ItemChange(id, isSettled: true))
        return mode
    }

    func availability(
        of name: Name?, externalID: String?, mode: Mode, accountID: Identifier
    ) async throws(Failure) -> NameAvailability {
        try await readers.read { connection in
            if let name {
                let reserved = "SELECT 1 FROM reserved_name WHERE name_key = ?"
                if try connection.finds(reserved, [name.key]) { return .reserved }
                if let holder = try Self.holder(of: name, mode, accountID, connection) { return .taken(holder) }
            }
            let holder = try externalID.flatMap { try Self.holder(ofExternalID: $0, mode, accountID, connection) }
            return holder.map(NameAvailability.externalIDTaken) ?? .free
        }
    }

    func holders(of name: Name, externalID: String?, mode: Mode, accountID: Identifier) async throws(Failure) -> ItemHolders {
        try await readers.read { connection in
            ItemHolders(
                ofName: try Self.holder(of: name, mode, accountID, connection),
                ofExternalID: try externalID.flatMap { try Self.holder(ofExternalID: $0, mode, accountID, connection) })
        }
    }

    func counts(accountID: Identifier) async throws(Failure) -> ItemCounts {
        try await readers.read { connection in try Self.counts(accountID, connection) }
    }

    func countsNow(accountID: Identifier) throws(Failure) -> ItemCounts? {
        try readers.readNow { connection in try Self.counts(accountID, connection) }
    }

    func usage(accountID: Identifier) async throws(Failure) -> AccountUsage {
        try await readers.read { connection in try StoredBytes.usage(accountID, connection) } ?? AccountUsage()
    }

    func usageNow(accountID: Identifier) throws(Failure) -> AccountUsage? {
        try readers.readNow { connection in try StoredBytes.usage(accountID, connection) ?? AccountUsage() }
    }

    func operatorItems(
        _ filter: PikzonalityFilter, after place: ItemPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<OperatorItem, ItemPlace> {
        let walk = OperatorWalk(filter, after: place, limit: limit)
        return try await scans.scan(walk.page)
    }

    func operatorItem(_ id: Identifier) async throws(Failure) -> OperatorItemDetails {
        try await readers.read { connection in
            try connection.atOneMoment {
                guard let item = try OperatorWalk.item(id, connection) else {
                    guard let trashed = try TrashRows.details(of: id, connection) else { throw Failure.notFound }
                    return trashed
                }
                return OperatorItemDetails(
                    item: item, job: try JobRow.latest(of: id, connection).map { ($0.job, $0.createdAt) },
                    references: try ImageLinks.references(of: id, connection), portrait: try ImageLinks.portrait(of: id, connection))
            }
        }
    }

    /// What was found, if it is what was asked for.
    static func require(_ found: Pikzonality?, mode: Mode?, accountID: Identifier) throws(Failure) -> Pikzonality {
        guard let found, found.accountID == accountID, mode == nil || found.mode == mode else { throw .notFound }
        return found
    }

    /// An item of an account, or of any for an operator, that is about to be changed: nobody else changes anything of its account meanwhile.
    static func owned(_ id: Identifier, mode: Mode?, accountID: Identifier?, _ db: any SQLTransaction) throws -> Pikzonality {
        try db.lock {
            try accountID ?? db.first("SELECT account_id FROM pikzonality WHERE id = ?", [id]) { try $0.identifier(0) }
        }
        guard let item = try ItemRow.find(id, db), accountID == nil || item.accountID == accountID, mode == nil || item.mode == mode else {
            throw Failure.notFound
        }
        return item
    }

    /// Makes sure that a name may be given.
    static func requireUnreserved(_ name: Name, _ db: any SQLTransaction) throws {
        if try db.finds("SELECT 1 FROM reserved_name WHERE name_key = ?", [name.key]) { throw Failure.nameReserved }
    }

    /// Writes the row of an item, and tells who has its name or its owner's own id already.
    ///
    /// The table has two uniquenesses beside its key: a violation means that the name is taken or, where it is not, the owner's own id.
    static func translatingConflict(_ item: Pikzonality, _ db: any SQLTransaction, _ body: () throws -> Void) throws {
        if try db.unlessTaken(body) != nil { return }
        // Of what does not change the item itself is the holder.
        let holder = try holder(of: item.name, item.mode, item.accountID, db)
        if let holder, holder != item.id { throw Failure.nameTaken(item.mode, holder) }
        guard let externalID = item.details.externalID,
            let holder = try self.holder(ofExternalID: externalID, item.mode, item.accountID, db), holder != item.id
        else { throw Failure.unexpected("An item has nothing that stands against it, and cannot be stored") }
        throw Failure.externalIDTaken(item.mode, holder)
    }

    /// The item that has a name.
    private static func holder(
        of name: Name, _ mode: Mode, _ accountID: Identifier, _ connection: any SQLConnection
    ) throws -> Identifier? {
        try connection.first(
            "SELECT id FROM pikzonality WHERE account_id = ? AND mode = ? AND name_key = ?",
            [accountID, mode.rawValue, name.key], row: { try $0.identifier(0) })
    }

    /// The item that has an id of its owner's own.
    private static func holder(
        ofExternalID externalID: String, _ mode: Mode, _ accountID: Identifier, _ connection: any SQLConnection
    ) throws -> Identifier? {
        try connection.first(
            "SELECT id FROM pikzonality WHERE account_id = ? AND mode = ? AND external_id = ?",
            [accountID, mode.rawValue, externalID], row: { try $0.identifier(0) })
    }

    private static let countsOfAccount = FixedQuery("SELECT mode, status, count FROM item_count WHERE account_id = ?")

    private static let trashOfAccount = FixedQuery("SELECT mode, count FROM trash_count WHERE account_id = ?")

    private static func counts(_ accountID: Identifier, _ connection: any SQLConnection) throws -> ItemCounts {
        var counts = ItemCounts()
        try connection.walk(countsOfAccount) {
            $0.bind(accountID)
        } row: { row in
            counts[try row.word(0, of: ItemRow.modes), try row.word(1, of: ItemRow.statuses)] = Int(row.integer(2))
            return true
        }
        try connection.walk(trashOfAccount) {
            $0.bind(accountID)
        } row: { row in
            counts.trash[try row.word(0, of: ItemRow.modes)] = Int(row.integer(1))
            return true
        }
        return counts
    }
}
