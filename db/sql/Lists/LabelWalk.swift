import Personas

/// The query of one page of the items that have one label, where nothing else is asked for: a walk along the index of labels in the order of the page, on
/// which each item's row is found.
///
/// As a `PageWalk` does, one of both modes merges one walk per mode and sorts nothing.
struct LabelWalk {
    let label: MetadataMember
    let mode: Mode?
    let sort: PikzonalitySort
    let after: PikzonalityPosition?
    let limit: Int
    let accountID: Identifier

    /// Nil where a page of the filter is more than such a walk.
    init?(_ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier) {
        guard filter.status == nil, filter.search?.isEmpty ?? true, filter.externalID == nil, filter.metadata.count == 1 else {
            return nil
        }
        label = filter.metadata[0]
        mode = filter.mode
        self.sort = sort
        self.after = after
        self.limit = limit
        self.accountID = accountID
    }

    /// The items of the page in their order.
    func items(_ connection: any SQLConnection) throws -> [Pikzonality] {
        var items: [Pikzonality] = []
        try connection.walk(query(in: connection.dialect), bind) {
            items.append(try ItemRow.decode($0))
            return true
        }
        return items
    }

    /// The query of the page's shape.
    func query(in dialect: SQLDialect) -> FixedQuery {
        let sortNumber = PikzonalitySort.allCases.firstIndex(of: sort) ?? 0
        let queries = dialect.endsEachWalk ? Self.endingEachWalk : Self.queries
        return queries[sortNumber * 4 + (mode == nil ? 0 : 2) + (after == nil ? 0 : 1)]
    }

    private static let queries = texts(in: .sqlite)
    private static let endingEachWalk = texts(in: .postgres)

    private static func texts(in dialect: SQLDialect) -> [FixedQuery] {
        PikzonalitySort.allCases.flatMap { sort in
            [false, true].flatMap { isOneMode in
                [false, true].map { FixedQuery(text(sort, isOneMode: isOneMode, isContinued: $0, dialect)) }
            }
        }
    }

    private static func text(_ sort: PikzonalitySort, isOneMode: Bool, isContinued: Bool, _ dialect: SQLDialect) -> String {
        let walks = (isOneMode ? [3] : [3, 4]).map { tag in
            // The account stands in the tag; it is asked for once more lest anything but the owner's items be shown, whatever the index says.
            """
            SELECT \(ItemRow.columns), entry.\(sort.column) AS place, entry.pikzonality_id AS item
            FROM metadata_entry AS entry CROSS JOIN pikzonality
            WHERE pikzonality.id = entry.pikzonality_id AND pikzonality.account_id = ?1 AND entry.tag = ?\(tag)\
            \(isContinued ? " AND (entry.\(sort.column), entry.pikzonality_id) \(sort.isDescending ? "<" : ">") " : "")\
            \(isContinued ? isOneMode ? "(?4, ?5)" : "(?5, ?6)" : "")
            """
        }
        let direction = sort.isDescending ? "DESC" : "ASC"
        return dialect.merging(walks, order: "place \(direction), item \(direction)", limit: "?2")
    }

    /// Gives the places of the text their values, in the order of their numbers.
    private func bind(_ parameters: inout SQLParameters) {
        parameters.bind(accountID)
        parameters.bind(Int64(limit))
        for mode in mode.map({ [$0] }) ?? Mode.allCases {
            MetadataIndex.Tag(label, mode: mode, accountID: accountID).bytes.withUnsafeBytes { parameters.bind(blob: $0) }
        }
        guard let after else { return }
        if sort.isByName { parameters.bind(after.nameKey) } else { parameters.bind(after.createdAt.milliseconds) }
        parameters.bind(after.id)
    }
}
