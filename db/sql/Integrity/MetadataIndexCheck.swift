import Personas

/// Whether the index of labels leads to the items that have them.
enum MetadataIndexCheck {
    /// Items that are looked at by one statement.
    static let itemsAtOnce = 1_000

    /// What lists find an item by.
    private struct Entry: Hashable {
        let tag: [UInt8]
        let createdAt: Int64
        let nameKey: String
    }

    /// An item with the entries that it has to have, and those that it has.
    private struct Item {
        let id: Identifier
        let expected: Set<Entry>
        var found: Set<Entry> = []
    }

    /// Items that lists do not find by their labels, or find by other ones or in another place, of so many behind one.
    /// - Returns: them, and the last item that was looked at; nil once there are no more.
    static func entries(after last: Identifier?, _ connection: any SQLConnection) throws -> (findings: [Finding], last: Identifier?) {
        var items: [Item] = []
        // One statement, which sees one moment.
        try connection.query(
            """
            SELECT item.id, item.account_id, item.mode, item.metadata, item.created_at, item.name_key, entry.tag, entry.created_at,
                entry.name_key
            FROM (SELECT id, account_id, mode, metadata, created_at, name_key FROM pikzonality
                WHERE id > ? AND (metadata IS NOT NULL OR EXISTS (SELECT 1 FROM metadata_entry WHERE pikzonality_id = pikzonality.id))
                ORDER BY id LIMIT ?) AS item
            LEFT JOIN metadata_entry AS entry ON entry.pikzonality_id = item.id ORDER BY item.id
            """, [last ?? .nilUUID, itemsAtOnce]
        ) { row in
            let id = try row.identifier(0)
            if items.last?.id != id { items.append(try item(id, row)) }
            if !row.isNull(6) { items[items.count - 1].found.insert(entry(Array(row.bytes(6)), row, 7)) }
        }
        let findings = items.filter { $0.found != $0.expected }.map {
            Finding(.metadataDisagrees, $0.id.text, "Lists by metadata do not find the item as it is")
        }
        return (findings, items.count == itemsAtOnce ? items.last?.id : nil)
    }

    /// All such items, some at a time.
    static func all(asking ask: any Asking, found: ([Finding]) -> Void) async throws(Failure) {
        var last: Identifier?
        repeat {
            let start = last
            let part = try await ask.about { try entries(after: start, $0) }
            found(part.findings)
            last = part.last
        } while last != nil
    }

    private static func item(_ id: Identifier, _ row: SQLRow) throws -> Item {
        let tags = MetadataIndex.tags(
            of: Metadata(stored: row.bytes(3)), mode: try row.value(2, as: Mode.self), accountID: try row.identifier(1))
        return Item(id: id, expected: Set(tags.map { entry($0.bytes, row, 4) }))
    }

    /// An entry whose moment and name are in two columns of a row.
    private static func entry(_ tag: [UInt8], _ row: SQLRow, _ column: Int32) -> Entry {
        Entry(tag: tag, createdAt: row.integer(column), nameKey: row.text(column + 1) ?? "")
    }
}
