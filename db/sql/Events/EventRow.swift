import Foundation
import Personas

/// The row of one event.
enum EventRow {
    /// The columns that hold how an item was.
    static let itemColumns = ItemRow.snapshotColumns.map { $0 == "id" ? "item_id" : $0 }

    /// What `decode` expects, in its order.
    static let columns = """
        \(ItemRow.columns(of: "event", id: "item_id")), event.sequence, event.event_id, event.kind, event.at, event.changed, event.request_id,
        event.subject, event.name IS NULL OR EXISTS (SELECT 1 FROM event_reduction WHERE event_reduction.item_id = event.item_id)
        """

    /// The values of `itemColumns`.
    static func itemValues(_ item: Pikzonality) -> [(any SQLValue)?] { ItemRow.snapshot(of: item) }

    /// What is stored of what an event tells of that is no item.
    static func text(of subject: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(subject), as: UTF8.self)
    }

    /// The word for a type, which is told apart from those of other modes by the column of the mode.
    static func kind(of type: EventType) -> String {
        if case .item(_, let kind) = type { return kind.rawValue }
        return type.text
    }

    /// Reads a row whose columns are `columns`.
    static func decode(_ row: SQLRow, accountID: Identifier) throws -> Event {
        let own = ItemRow.columnCount
        let subject: Event.Subject
        let type: EventType
        if let itemID = Identifier(bytes: row.bytes(0)) {
            let mode = try row.word(2, of: ItemRow.modes)
            subject = row.integer(own + 7) == 1 ? .gone(itemID, mode) : .item(try ItemRow.decode(row))
            type = .item(mode, try row.word(own + 2, of: kinds))
        } else {
            (type, subject) = try other(kind: try row.requiredText(own + 2), Data(try row.requiredText(own + 6).utf8))
        }
        let changed = row.text(own + 4) ?? ""
        return Event(
            id: try row.identifier(own + 1), accountID: accountID, sequence: row.integer(own), type: type, at: row.timestamp(own + 3),
            subject: subject, changed: changed.utf8.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) },
            requestID: row.text(own + 5))
    }

    /// What is told of that is no item.
    private static func other(kind: String, _ stored: Data) throws -> (EventType, Event.Subject) {
        switch EventType(kind) {
        case .webhookDisabled?: return (.webhookDisabled, .webhook(try JSONDecoder().decode(WebhookNotice.self, from: stored)))
        case .credits(let kind)?: return (.credits(kind), .credits(try JSONDecoder().decode(CreditEntry.self, from: stored)))
        case .smartBalancePaused?:
            return (.smartBalancePaused, .smartBalance(try JSONDecoder().decode(SmartBalance.self, from: stored)))
        case .item?, .webhookTest?, nil: throw Failure.unexpected("An event is of an unknown kind")
        }
    }

    private static let kinds = StoredWords<EventKind>()
}
