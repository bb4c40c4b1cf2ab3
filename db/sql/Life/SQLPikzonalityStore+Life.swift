import Foundation
import Personas

/// What owners ask for in the life of an item beyond changing and deleting it.
extension SQLPikzonalityStore {
    func cancel(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, if precondition: Precondition, in context: WriteContext<Pikzonality>
    ) async throws(Failure) -> Pikzonality {
        let step = try await writer.write(in: context, of: accountID, recording: \.item) { db in
            let item = try Self.owned(id, mode: mode, accountID: accountID, db)
            try item.requireProcessing()
            try precondition.require(item)
            guard var row = try JobRow.latest(of: id, db).flatMap({ try JobRow.owned($0.job.id, db) }) else {
                throw Failure.unexpected("An item in training has no job")
            }
            row.job.cancel()
            guard let step = try steps.store(row, at: context.now, requestID: context.requestID, db) else {
                throw Failure.unexpected("The job of an item in training had ended")
            }
            return step
        }
        steps.tell([step])
        return step.item
    }

    func retry(
        _ id: Identifier, mode: Mode?, accountID: Identifier?, with references: [StoredImage]?, costing prices: CreditPrices?,
        if precondition: Precondition, in context: WriteContext<StartedItem>
    ) async throws(Failure) -> StartedItem {
        let (started, step) = try await writer.write(in: context, of: accountID, recording: \.0) { db -> (StartedItem, ItemStep) in
            let item = try Self.owned(id, mode: mode, accountID: accountID, db)
            let tokens = references.map { ReferenceTokens($0.map { _ in RandomToken.random() }) }
            let step = try item.retried(with: tokens, at: context.now)
            if let references, let tokens { try Self.replaceImages(of: item, by: references, tokens, at: context.now, db) }
            // Only now is it known that nothing else stands against it, which the failure undoes.
            try precondition.require(item)
            let remaining = try steps.credits.charge(
                prices?[item.mode], for: item, at: context.now, requestID: context.requestID, db)
            try JobRow.leave(id, at: context.now, db)
            try JobRow.insert(for: id, at: context.now, db)
            try steps.store(step, from: item, at: context.now, requestID: context.requestID, db)
            return (StartedItem(step.item, creditsRemaining: remaining), step)
        }
        steps.tell([step])
        return started
    }

    func settle(
        _ id: Identifier, mode: Mode?, accountID: Identifier, to settlement: Settlement, if precondition: Precondition,
        in context: WriteContext<Settling>
    ) async throws(Failure) -> Settling {
        let (settling, step) = try await writer.write(in: context, of: accountID, recording: \.0) { db -> (Settling, ItemStep?) in
            let item = try Self.owned(id, mode: mode, accountID: accountID, db)
            try precondition.require(item)
            guard item.status == .processing else {
                if settlement == .trash {
                    let trashed = try steps.putIntoTrash(item, from: item, at: context.now, requestID: context.requestID, db)
                    return (.trashed(trashed), ItemStep(item, .trashed))
                }
                let step = ItemStep(item, .deleted)
                try steps.store(step, from: item, at: context.now, requestID: context.requestID, db)
                return (.deleted(item.mode), step)
            }
            let step = ItemStep(item.settling(to: settlement, at: context.now), .updated)
            guard step.item.version != item.version else {
                // Another place to go to is nothing that a client can see, and so no event.
                try ItemRow.updateTraining(step.item, db)
                return (.later(item.mode), nil)
            }
            try steps.store(step, from: item, at: context.now, requestID: context.requestID, db)
            return (.later(item.mode), step)
        }
        if let step { steps.tell([step]) }
        return settling
    }

    func referenceBytes(of id: Identifier) async throws(Failure) -> Int {
        try await readers.read { connection in try Self.referenceBytes(of: id, connection) }
    }

    /// Puts images in the place of those that an item has, whose links are dead from then on.
    /// - Throws: `quotaExceeded` where the account has no room for what they have more.
    private static func replaceImages(
        of item: Pikzonality, by references: [StoredImage], _ tokens: ReferenceTokens, at now: Timestamp, _ db: any SQLTransaction
    ) throws {
        guard let usage = try StoredBytes.usage(item.accountID, db) else { throw Failure.accountMissing }
        try usage.requireRoom(
            forImageBytes: references.reduce(0) { $0 + $1.byteCount }, insteadOf: try referenceBytes(of: item.id, db))
        try ImageLinks.queueRemoval(ofItemsWhere: "id = ?", [item.id], at: now, db)
        try db.run("DELETE FROM image_link WHERE pikzonality_id = ?", [item.id])
        for (position, (image, token)) in zip(references, tokens).enumerated() {
            try ImageLinks.insert(image, token: token, position: position, itemID: item.id, db)
        }
    }

    private static func referenceBytes(of id: Identifier, _ connection: any SQLConnection) throws -> Int {
        let sql = """
            SELECT CAST(coalesce(sum(byte_count), 0) AS BIGINT) FROM image_link JOIN media USING (digest)
            WHERE pikzonality_id = ? AND position >= 0
            """
        return try connection.first(sql, [id], row: { Int($0.integer(0)) }) ?? 0
    }
}
