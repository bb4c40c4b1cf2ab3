import Foundation
import Personas

/// Stores the steps of items' lives, and tells of them once they are on disk. However a training goes on, ends or begins anew, it is stored here.
struct ItemSteps: Sendable {
    /// Where trainings are charged and given back.
    var credits: CreditRows { CreditRows(asksForTopUps: asksForTopUps) }
    let changes: ItemChanges
    let removals: WakeSignal
    /// Days for which an item stays in the trash.
    let trashDays: Int
    /// Whether somebody can be asked to buy credits.
    let asksForTopUps: Bool

    /// Stores a job as a transition has left it, and what becomes of its item by that.
    /// - Parameters:
    ///   - portrait: the image that a job brings which ends well; nil for the first of the reference images.
    ///   - requestID: the request of the item's owner that brought it about, if one did.
    /// - Returns: what is to be told; nil where there is nothing that a client can see.
    func store(
        _ row: JobRow, portrait: StoredImage? = nil, at now: Timestamp, requestID: String? = nil, _ db: any SQLTransaction
    ) throws -> ItemStep? {
        try row.update(at: now, db)
        guard let itemID = row.itemID, let item = try ItemRow.find(itemID, db), let step = item.following(row.job, at: now) else {
            return nil
        }
        if step.kind == .deleted {
            // It lies on the disk already, and no row comes to name it.
            if let portrait { try ImageLinks.queueRemoval(of: portrait.key, at: now, db) }
        } else if let token = step.item.portraitToken {
            try Self.link(portrait, as: token, to: itemID, db)
        }
        if let isRefunded = row.job.isRefunded {
            try credits.settle(item, isRefunded: isRefunded, at: now, requestID: requestID, db)
        }
        try store(step, from: item, at: now, requestID: requestID, db)
        return step
    }

    /// Stores a step of an item.
    func store(_ step: ItemStep, from before: Pikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction) throws {
        switch step.kind {
        case .deleted:
            try ItemRemoval.remove(before, at: now, requestID: requestID, db)
        case .trashed:
            try ItemRow.updateTraining(step.item.settled, db)
            _ = try putIntoTrash(step.item.settled, from: before, at: now, requestID: requestID, db)
        default:
            try ItemRow.updateTraining(step.item, db)
            try Outbox.append(step.kind, step.item, from: before, at: now, requestID: requestID, db)
        }
    }

    /// Tells of steps. Only of what is committed, so not within a transaction.
    func tell(_ steps: some Sequence<ItemStep>) {
        for step in steps {
            changes.notify(ItemChange(step.item.id, isSettled: step.item.status != .processing))
            if step.kind == .deleted { removals.notify() }
        }
    }

    /// Ties an item to its portrait.
    private static func link(_ portrait: StoredImage?, as token: RandomToken, to itemID: Identifier, _ db: any SQLTransaction) throws {
        guard let image = try portrait ?? ImageLinks.references(of: itemID, db).first else {
            throw Failure.unexpected("An item has no reference images")
        }
        try ImageLinks.insert(image, token: token, position: ImageLinks.portraitPosition, itemID: itemID, db)
    }

    /// Moves an item whose training has ended into the trash.
    /// - Parameter before: the item as clients have last seen it.
    func putIntoTrash(
        _ item: Pikzonality, from before: Pikzonality, at now: Timestamp, requestID: String?, _ db: any SQLTransaction
    ) throws -> TrashedItem {
        let trashed = TrashedItem(item: item, trashedAt: now, purgeAt: now.adding(days: trashDays))
        try TrashRows.put(trashed, db)
        try Outbox.append(.trashed, item, from: before, at: now, requestID: requestID, db)
        return trashed
    }
}

extension TrainingJob {
    /// Whether what its training cost is given back; nil while it has not ended.
    fileprivate var isRefunded: Bool? {
        switch state {
        case .queued, .leased: nil
        case .completed: false
        case .failed, .cancelled: true
        }
    }
}
