import Personas

/// A page of the items of all accounts, newest first: a walk back along the key, whose order is that of time, on which each item is looked at.
///
/// No index knows of all accounts, because it would cost every create something that only operators ever ask for. So where few items fulfil the filter,
/// the walk ends after so many that it passed over, and the page says where the next one goes on.
struct OperatorWalk {
    /// Another number for tests, which have few items.
    var rowsPassedMax = Limits.operatorRowsPassedMax

    private let filter: PikzonalityFilter
    private let after: ItemPlace?
    private let limit: Int

    init(_ filter: PikzonalityFilter, after: ItemPlace?, limit: Int) {
        self.filter = filter
        self.after = after
        self.limit = limit
    }

    /// The page, as it is at one moment.
    func page(_ connection: any SQLConnection) throws -> OperatorPage<OperatorItem, ItemPlace> {
        try connection.atOneMoment {
            let found = try walk(connection)
            let items = try found.ids.compactMap { try Self.item($0, connection) }
            if items.count > limit { return OperatorPage(items, limit: limit) { ItemPlace($0.item) } }
            let last = try found.lastPassed.flatMap { try Self.item($0, connection) }
            return OperatorPage(rows: items, next: last.map { ItemPlace($0.item) })
        }
    }

    /// The items that fit, one more than the page has room for, or as many as the walk came upon, and then where it ended before the list did.
    private func walk(_ connection: any SQLConnection) throws -> (ids: [Identifier], lastPassed: Identifier?) {
        var ids: [Identifier] = []
        var (passed, last): (Int, Identifier?) = (0, nil)
        try connection.walk(
            """
            SELECT id, (?1 = '' OR mode = ?1) AND (?2 = '' OR status = ?2) AND (?3 = '' OR instr(name_key, ?3) > 0) FROM pikzonality
            WHERE id < ?4 ORDER BY id DESC LIMIT ?5
            """
        ) { parameters in
            parameters.bind(filter.mode?.rawValue ?? "")
            parameters.bind(filter.status?.rawValue ?? "")
            parameters.bind(filter.search?.lowercased() ?? "")
            parameters.bind(after?.id ?? .maxUUID)
            parameters.bind(Int64(rowsPassedMax))
        } row: { row in
            passed += 1
            last = try row.identifier(0)
            if row.integer(1) > 0, let id = last { ids.append(id) }
            return ids.count <= limit
        }
        return (ids, passed == rowsPassedMax ? last : nil)
    }

    /// One item with its account's name, nil if there is none.
    static func item(_ id: Identifier, _ connection: any SQLConnection) throws -> OperatorItem? {
        let sql = "SELECT \(ItemRow.columns), (SELECT name FROM account WHERE id = account_id) FROM pikzonality WHERE id = ?"
        return try connection.first(sql, [id]) { row in
            OperatorItem(item: try ItemRow.decode(row), accountName: row.text(ItemRow.columnCount) ?? "")
        }
    }
}
