import Personas

/// The query of one page of a search: a walk along an index that covers filter and order, then one look-up per item. See `PageWalk` for other pages.
///
/// The walk is a query of its own that touches the index alone, so that a search passes over what does not match without reading rows. A
/// list of both modes merges one walk per mode, because an index serves one mode at a time.
struct PageQuery {
    let sql: String
    let arguments: [SQLArgument]

    init(
        search: String, filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier
    ) {
        let direction = sort.isDescending ? "DESC" : "ASC"
        let key = sort.isByName ? "name_key" : "created_at"
        var condition = "account_id = ? AND mode = ?"
        var shared: [SQLArgument] = []
        if let status = filter.status {
            condition += " AND status = ?"
            shared.append(.text(status.rawValue))
        }
        if let after {
            condition += " AND (\(key), id) \(sort.isDescending ? "<" : ">") (?, ?)"
            shared.append(sort.isByName ? .text(after.nameKey) : .integer(after.createdAt.milliseconds))
            shared.append(.identifier(after.id))
        }
        condition += " AND instr(name_key, ?) > 0"
        shared.append(.text(search.lowercased()))
        shared.append(.integer(Int64(limit)))
        let walk = """
            SELECT * FROM (SELECT id AS found_id, \(key) AS found_key FROM pikzonality WHERE \(condition)
            ORDER BY \(key) \(direction), id \(direction) LIMIT ?)
            """
        let modes = filter.mode.map { [$0] } ?? Mode.allCases
        sql = """
            SELECT \(ItemRow.columns) FROM (\(modes.map { _ in walk }.joined(separator: " UNION ALL ")))
            CROSS JOIN pikzonality ON pikzonality.id = found_id
            ORDER BY found_key \(direction), found_id \(direction) LIMIT ?
            """
        arguments = modes.flatMap { [.identifier(accountID), .text($0.rawValue)] + shared } + [.integer(Int64(limit))]
    }
}
