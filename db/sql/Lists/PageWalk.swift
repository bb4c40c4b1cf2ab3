import Personas

/// The query of one page of a list in which nothing is searched for: a walk along an index that has filter and order, on which each item's row is found.
///
/// A list of both modes merges one walk per mode, because an index serves one mode at a time. No sort is ever needed, as the plans' test shows.
struct PageWalk {
    let filter: PikzonalityFilter
    let sort: PikzonalitySort
    let after: PikzonalityPosition?
    let limit: Int
    let accountID: Identifier

    /// The rows of the page in their order, as `ItemRow` expects them.
    func run(on connection: any SQLConnection, row: (SQLRow) throws -> Void) throws {
        try connection.walk(query(in: connection.dialect), bind) {
            try row($0)
            return true
        }
    }

    /// The items of the page in their order.
    func items(_ connection: any SQLConnection) throws -> [Pikzonality] {
        var items: [Pikzonality] = []
        items.reserveCapacity(limit)
        try run(on: connection) { items.append(try ItemRow.decode($0)) }
        return items
    }

    /// The query of the page's shape. There are few shapes, and so their texts are made once.
    func query(in dialect: SQLDialect) -> FixedQuery {
        let sortNumber = PikzonalitySort.allCases.firstIndex(of: sort) ?? 0
        let queries = dialect.endsEachWalk ? Self.endingEachWalk : Self.queries
        return queries[sortNumber * 8 + (filter.mode == nil ? 0 : 4) + (filter.status == nil ? 0 : 2) + (after == nil ? 0 : 1)]
    }

    private static let queries = texts(in: .sqlite)
    private static let endingEachWalk = texts(in: .postgres)

    private static func texts(in dialect: SQLDialect) -> [FixedQuery] {
        PikzonalitySort.allCases.flatMap { sort in
            [false, true].flatMap { isOneMode in
                [false, true].flatMap { hasStatus in
                    [false, true].map { FixedQuery(text(sort, isOneMode: isOneMode, hasStatus: hasStatus, isContinued: $0, dialect)) }
                }
            }
        }
    }

    private static func text(
        _ sort: PikzonalitySort, isOneMode: Bool, hasStatus: Bool, isContinued: Bool, _ dialect: SQLDialect
    ) -> String {
        let direction = sort.isDescending ? "DESC" : "ASC"
        let key = sort.isByName ? "name_key" : "created_at"
        let parameters = (isOneMode ? 1 : 0, hasStatus ? 1 : 0)
        let status = hasStatus ? " AND status = ?\(3 + parameters.0)" : ""
        let first = 3 + parameters.0 + parameters.1
        let continued = isContinued ? " AND (\(key), id) \(sort.isDescending ? "<" : ">") (?\(first), ?\(first + 1))" : ""
        let modes = isOneMode ? ["?3"] : Mode.allCases.map { "'\($0.rawValue)'" }
        // A merge orders by what is selected, which a name's key is for it alone.
        let columns = ItemRow.columns + (sort.isByName && !isOneMode ? ", \(key)" : "")
        let walks = modes.map { "SELECT \(columns) FROM pikzonality WHERE account_id = ?1 AND mode = \($0)\(status)\(continued)" }
        return dialect.merging(walks, order: "\(key) \(direction), id \(direction)", limit: "?2")
    }

    /// Gives the places of the text their values, in the order of their numbers.
    private func bind(_ parameters: inout SQLParameters) {
        parameters.bind(accountID)
        parameters.bind(Int64(limit))
        if let mode = filter.mode { parameters.bind(mode.rawValue) }
        if let status = filter.status { parameters.bind(status.rawValue) }
        guard let after else { return }
        if sort.isByName { parameters.bind(after.nameKey) } else { parameters.bind(after.createdAt.milliseconds) }
        parameters.bind(after.id)
    }
}
