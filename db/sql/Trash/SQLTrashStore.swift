import Personas

/// The trash as rows.
struct SQLTrashStore: TrashStore {
    let writer: any SQLWriter
    let readers: any SQLReader
    let scans: any SQLScanner
    let steps: ItemSteps

    func put(
        _ id: Identifier, mode: Mode?, accountID: Identifier, if precondition: Precondition, in context: WriteContext<TrashedItem>
    ) async throws(Failure) -> TrashedItem {
        let trashed = try await writer.write(in: context, of: accountID) { db in
            let item = try SQLPikzonalityStore.owned(id, mode: mode, accountID: accountID, db)
            guard item.status != .processing else { throw Failure.stillProcessing(item.mode) }
            try precondition.require(item)
            return try steps.putIntoTrash(item, from: item, at: context.now, requestID: context.requestID, db)
        }
        steps.tell([ItemStep(trashed.item, .trashed)])
        return trashed
    }

    func page(mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier?) async throws(Failure) -> [TrashedItem] {
        try await readers.read { connection in
            var items: [TrashedItem] = []
            try TrashRows.page(mode: mode, after: after, limit: limit, accountID: accountID, connection) { item, _ in items.append(item) }
            return items
        }
    }

    func operatorItems(
        mode: Mode?, after: TrashPlace?, limit: Int, accountID: Identifier?
    ) async throws(Failure) -> OperatorPage<OperatorTrashedItem, TrashPlace> {
        let items = try await scans.scan { connection in
            var items: [OperatorTrashedItem] = []
            try TrashRows.page(mode: mode, after: after, limit: limit + 1, accountID: accountID, connection) { item, accountName in
                items.append(OperatorTrashedItem(trashed: item, accountName: accountName))
            }
            return items
        }
        return OperatorPage(items, limit: limit) { TrashPlace($0.trashed) }
    }

    func restore(
        _ id: Identifier, accountID: Identifier?, change: PikzonalityChange, if precondition: Precondition,
        in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality {
        try await writer.write(in: context, of: accountID) { db in
            let trashed = try Self.owned(id, accountID: accountID, db).item
            let item = try trashed.changed(by: change, at: context.now) ?? trashed
            if item.name.key != trashed.name.key { try SQLPikzonalityStore.requireUnreserved(item.name, db) }
            try SQLPikzonalityStore.translatingConflict(item, db) {
                try TrashRows.takeBack(trashed, as: item, requestID: context.requestID, db)
            }
            try Outbox.append(.restored, item, from: trashed.withoutLinks, at: context.now, requestID: context.requestID, db)
            // Only now is it known that nothing else stands against it, which the failure undoes.
            try precondition.require(trashed)
            return item
        }
    }

    func purge(
        _ id: Identifier, accountID: Identifier?, if precondition: Precondition, in context: WriteContext<Mode>
    ) async throws(Failure) -> Mode {
        try await writer.write(in: context, of: accountID) { db in
            let item = try Self.owned(id, accountID: accountID, db).item
            try precondition.require(item)
            try remove(item, at: context.now, requestID: context.requestID, db)
            return item.mode
        }
    }

    func purgeExpired(at now: Timestamp, limit: Int) async throws(Failure) -> Int {
        // Looking costs microseconds, a write transaction its turn at the writer.
        guard try await readers.read({ connection in try TrashRows.expired(at: now, limit: 1, connection) }).count > 0 else { return 0 }
        return try await writer.write { db in
            let expired = try TrashRows.expired(at: now, limit: limit, db).sorted { $0.item.accountID < $1.item.accountID }
            for trashed in expired {
                try db.lock(trashed.item.accountID)
                // Others may have purged or restored it meanwhile.
                guard let present = try TrashRows.find(trashed.item.id, db), present.purgeAt <= now else { continue }
                try remove(present.item, at: now, requestID: nil, db)
            }
            return expired.count
        }
    }

    private func remove(_ item: Pikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws {
        try TrashRows.remove(item.id, at: now, db)
        try Outbox.appendDeleted(item.id, item.mode, of: item.accountID, at: now, requestID: requestID, db)
    }

    /// An item of an account, or of any for an operator, that is about to be changed: nobody else changes anything of its account meanwhile.
    private static func owned(_ id: Identifier, accountID: Identifier?, _ db: any SQLTransaction) throws -> TrashedItem {
        try db.lock {
            try accountID ?? db.first("SELECT account_id FROM trash_item WHERE id = ?", [id]) { try $0.identifier(0) }
        }
        guard let trashed = try TrashRows.find(id, db), accountID == nil || trashed.item.accountID == accountID else {
            throw Failure.notFound
        }
        return trashed
    }
}
