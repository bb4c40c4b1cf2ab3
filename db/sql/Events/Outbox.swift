import Foundation
import Personas

/// Writes events: whatever changes something that a client can see calls this in the same operation.
enum Outbox {
    /// Progress of one item is told at most once in this time.
    private static let progressMilliseconds: Int64 = 1_000

    /// Events of an item that are looked at together in search of its progress: more than it nearly always has within that time.
    private static let passedAtOnce = 8

    private static let nextSequence = """
        INSERT INTO event_counter (account_id, last_sequence) VALUES (?, 1)
        ON CONFLICT (account_id) DO UPDATE SET last_sequence = event_counter.last_sequence + 1 RETURNING last_sequence
        """

    private static let heads = ["account_id", "sequence", "event_id", "kind", "at", "changed", "request_id"]
    private static let insertItem = insertion(heads + EventRow.itemColumns)
    private static let insertGone = insertion(heads + ["item_id", "mode"])
    private static let insertOther = insertion(heads + ["subject"])

    /// Tells of a change of an item.
    /// - Parameters:
    ///   - before: the item before the change; nil where it is told anew as a whole.
    ///   - requestID: the request that brought it about, if one of its owner did.
    static func append(
        _ kind: EventKind, _ item: Pikzonality, from before: Pikzonality? = nil, at now: Timestamp, requestID: String?,
        _ db: any SQLTransaction
    ) throws {
        if kind == .progress, try wasToldOfProgress(item.id, since: now.milliseconds - Self.progressMilliseconds, db) { return }
        // Links that lead nowhere any more are not told.
        let told = kind == .trashed ? item.withoutLinks : item
        let changed = before.map { ItemMember.changed(from: $0, to: told).map(\.rawValue) } ?? []
        try append(.item(item.mode, kind), .item(told), changed: changed, of: item.accountID, at: now, requestID: requestID, db)
    }

    /// Tells that an item is gone for good, and has nobody be told any more what it was like.
    static func appendDeleted(
        _ id: Identifier, _ mode: Mode, of accountID: Identifier, at now: Timestamp, requestID: String?, _ db: any SQLTransaction
    ) throws {
        try append(.item(mode, .deleted), .gone(id, mode), changed: [], of: accountID, at: now, requestID: requestID, db)
        try db.run("INSERT INTO event_reduction (item_id) VALUES (?) ON CONFLICT (item_id) DO NOTHING", [id])
    }

    /// Tells that an endpoint gets nothing any more.
    static func appendDisabled(
        _ notice: WebhookNotice, of accountID: Identifier, at now: Timestamp, requestID: String?, _ db: any SQLTransaction
    ) throws {
        try append(.webhookDisabled, .webhook(notice), changed: [], of: accountID, at: now, requestID: requestID, db)
    }

    /// Tells of an entry of a ledger.
    static func appendCredits(_ entry: CreditEntry, requestID: String?, _ db: any SQLTransaction) throws {
        try append(.credits(entry.kind), .credits(entry), changed: [], of: entry.accountID, at: entry.at, requestID: requestID, db)
    }

    /// Tells that no credits are bought any more.
    static func appendPaused(_ smartBalance: SmartBalance, of accountID: Identifier, at now: Timestamp, _ db: any SQLTransaction) throws {
        try append(.smartBalancePaused, .smartBalance(smartBalance), changed: [], of: accountID, at: now, requestID: nil, db)
    }

    private static func append(
        _ type: EventType, _ subject: Event.Subject, changed: [String], of accountID: Identifier, at now: Timestamp, requestID: String?,
        _ db: any SQLTransaction
    ) throws {
        guard let sequence = try db.first(Self.nextSequence, [accountID], row: { $0.integer(0) }) else {
            throw Failure.unexpected("An account has no count of its events")
        }
        let event = Event(
            id: .timeOrdered(at: now), accountID: accountID, sequence: sequence, type: type, at: now, subject: subject, changed: changed,
            requestID: requestID)
        let head: [(any SQLValue)?] = [
            accountID, sequence, event.id, EventRow.kind(of: type), now.milliseconds, changed.joined(separator: ","), requestID,
        ]
        switch subject {
        case .item(let item): try db.run(Self.insertItem, head + EventRow.itemValues(item))
        case .gone(let id, let mode): try db.run(Self.insertGone, head + [id, mode.rawValue])
        case .webhook(let notice): try db.run(Self.insertOther, head + [try EventRow.text(of: notice)])
        case .credits(let entry): try db.run(Self.insertOther, head + [try EventRow.text(of: entry)])
        case .smartBalance(let paused): try db.run(Self.insertOther, head + [try EventRow.text(of: paused)])
        }
        try DeliveryRows.queue(event, db)
        db.tell(event)
    }

    /// Whether an item's progress was told after a moment: a walk back over the item's events, which ends with the first from before it.
    private static func wasToldOfProgress(_ id: Identifier, since milliseconds: Int64, _ db: any SQLTransaction) throws -> Bool {
        let sql = "SELECT sequence, kind = 'progress', at FROM event WHERE item_id = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?"
        var last = Int64.max
        while true {
            let events = try db.all(sql, [id, last, passedAtOnce]) {
                (sequence: $0.integer(0), isProgress: $0.isTrue(1), at: $0.integer(2))
            }
            for event in events {
                guard event.at > milliseconds else { return false }
                if event.isProgress { return true }
            }
            guard events.count == passedAtOnce, let end = events.last else { return false }
            last = end.sequence
        }
    }

    private static func insertion(_ columns: [String]) -> String {
        "INSERT INTO event (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"
    }
}
