import Personas

/// One way through the items of an account and mode: which of them, in which order, from where on. There is an index for each.
struct PageWalk {
    let sort: PikzonalitySort
    let condition: String
    let arguments: [SQLArgument]

    /// The column that is compared first; the id breaks ties.
    var key: String { sort.isByName ? "name_key" : "created_at" }
    /// Both in their direction.
    var order: String { "\(key) \(direction), id \(direction)" }
    var direction: String { sort.isDescending ? "DESC" : "ASC" }

    init(mode: Mode, status: Status?, sort: PikzonalitySort, after: PikzonalityPosition?, accountID: Identifier) {
        self.sort = sort
        var condition = "account_id = ? AND mode = ?"
        var arguments: [SQLArgument] = [.identifier(accountID), .text(mode.rawValue)]
        if let status {
            condition += " AND status = ?"
            arguments.append(.text(status.rawValue))
        }
        if let after {
            condition += " AND (\(sort.isByName ? "name_key" : "created_at"), id) \(sort.isDescending ? "<" : ">") (?, ?)"
            arguments.append(sort.isByName ? .text(after.nameKey) : .integer(after.createdAt.milliseconds))
            arguments.append(.identifier(after.id))
        }
        self.condition = condition
        self.arguments = arguments
    }
}

/// The query of one page without a search: a walk along an index that covers filter and order, then one look-up per item.
///
/// The walk is a query of its own that touches the index alone. A list of both modes merges one walk per mode, because an index serves one mode
/// at a time.
struct PageQuery {
    let sql: String
    let arguments: [SQLArgument]
    private let limit: Int

    /// - Parameter filter: without a search, which is `NameSearch`'s.
    init(filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier) {
        let walks = (filter.mode.map { [$0] } ?? Mode.allCases).map {
            PageWalk(mode: $0, status: filter.status, sort: sort, after: after, accountID: accountID)
        }
        let direction = walks[0].direction
        let parts = walks.map { walk in
            """
            SELECT * FROM (SELECT id AS found_id, \(walk.key) AS found_key FROM pikzonality WHERE \(walk.condition)
            ORDER BY \(walk.order) LIMIT ?)
            """
        }
        sql = """
            SELECT \(ItemRow.columns) FROM (\(parts.joined(separator: " UNION ALL ")))
            CROSS JOIN pikzonality ON pikzonality.id = found_id
            ORDER BY found_key \(direction), found_id \(direction) LIMIT ?
            """
        arguments = walks.flatMap { $0.arguments + [.integer(Int64(limit))] } + [.integer(Int64(limit))]
        self.limit = limit
    }

    /// The items of the page.
    func items(_ connection: ReadConnection) throws -> [Pikzonality] {
        var items: [Pikzonality] = []
        items.reserveCapacity(limit)
        try connection.query(sql, arguments) { items.append(try ItemRow.decode($0)) }
        return items
    }
}
