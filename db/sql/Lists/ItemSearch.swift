import Personas

/// One page of the items that fulfil what no single index knows of: names that hold a text, labels with a status or with each other, a client's own id
/// with anything.
///
/// There are several ways to it. The index of names leads to all items that may hold a text, which are then looked at and put in order: short where
/// they are few. A walk comes upon them in order, through the list or through what has one of the labels: short where they are many, or where what is
/// walked through has few. Which is shortest shows only on the way, so each in turn may go some way, and farther the next time, until one has arrived:
/// what the others cost is a part of that.
struct ItemSearch {
    /// How many items the index may lead to, time after time. After the last a walk goes to its end: so many fulfil a part of the filter that it is not
    /// the longer way.
    static let candidatesMax = [64, 512, 4_096]
    /// Items that a walk passes over for each that the index may lead to.
    static let rowsPerCandidate = 4

    /// An item that was found, as the order of the page compares it: what is not compared is empty.
    private struct Place {
        let time: Int64
        let name: String
        let id: Identifier

        func precedes(_ other: Place) -> Bool {
            if time != other.time { return time < other.time }
            if name != other.name { return name.utf8.lexicographicallyPrecedes(other.name.utf8) }
            return id < other.id
        }
    }

    /// What an item on the way is looked at for where only a text is left to look for, which the indexes by name answer without its row.
    private static let holdsText = "instr(pikzonality.name_key, ?1) > 0"

    /// What it is looked at for otherwise: that its name holds `?1`, that its status is `?2`, that it has the labels `?3` and `?4`, as far as these are
    /// not empty. One text for all, because there is a statement for each.
    private static let fits = """
        \(holdsText) AND (?2 = '' OR pikzonality.status = ?2)
        AND (length(?3) = 0 OR EXISTS (SELECT 1 FROM metadata_entry WHERE metadata_entry.pikzonality_id = pikzonality.id AND tag = ?3))
        AND (length(?4) = 0 OR EXISTS (SELECT 1 FROM metadata_entry WHERE metadata_entry.pikzonality_id = pikzonality.id AND tag = ?4))
        """

    /// Other numbers for tests, which have few items.
    var candidatesMax = Self.candidatesMax

    /// In lower case; empty where no text is searched for.
    private let text: String
    /// What the index of names is asked; nil where no text is searched for.
    private let query: String?
    private let filter: PikzonalityFilter
    private let sort: PikzonalitySort
    private let after: PikzonalityPosition?
    private let limit: Int
    private let accountID: Identifier

    /// Nil when no name can hold the text.
    init?(_ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier) {
        text = filter.search?.lowercased() ?? ""
        query = text.isEmpty ? nil : NameSearch.query(for: text)
        guard text.isEmpty || query != nil else { return nil }
        self.filter = filter
        self.sort = sort
        self.after = after
        self.limit = limit
        self.accountID = accountID
    }

    /// The page, as it is at one moment.
    func page(_ connection: any SQLConnection) throws -> [Pikzonality] {
        try connection.atOneMoment {
            let places = try (filter.mode.map { [$0] } ?? Mode.allCases).flatMap { try found(in: $0, connection) }
            return try first(places).compactMap { try ItemRow.find($0.id, connection) }
        }
    }

    /// The first places of a mode, in any order.
    private func found(in mode: Mode, _ connection: any SQLConnection) throws -> [Place] {
        let tags = filter.metadata.map { MetadataIndex.Tag($0, mode: mode, accountID: accountID) }
        if let externalID = filter.externalID { return try items(called: externalID, mode, tags, connection) }
        var named: NamedItems?
        if let query {
            named = try NamedItems(holding: text, query, in: mode, of: accountID, connection)
            if named == nil { return [] }
        }
        let ways = walks(in: mode, tags)
        for count in candidatesMax {
            if let named, let all = try candidates(named, tags, atMost: count, connection) { return first(all) }
            if connection.dialect.findsNamesByExpression { continue }
            for way in ways {
                let (places, isWhole) = try walk(way, rows: Int64(count * Self.rowsPerCandidate), connection)
                if isWhole { return places }
            }
        }
        return try wholeWalk(ways[0], connection)
    }

    /// A walk, and what else is to be looked at on it.
    private struct Way {
        let walk: ListWalk
        let status: Status?
        let tags: [MetadataIndex.Tag]
    }

    /// The ways that lead through items: through those of each label where there are any, and through those of the status, else through all.
    private func walks(in mode: Mode, _ tags: [MetadataIndex.Tag]) -> [Way] {
        var ways = tags.map { tag in
            Way(
                walk: ListWalk(labelled: tag, sort: sort, after: after, accountID: accountID), status: filter.status,
                tags: tags.filter { $0 != tag })
        }
        if filter.status != nil || tags.isEmpty {
            ways.append(
                Way(
                    walk: ListWalk(mode: mode, status: filter.status, sort: sort, after: after, accountID: accountID), status: nil,
                    tags: tags))
        }
        return ways
    }

    /// What an item is looked at for, and the values of what stands in it.
    private func conditions(_ status: Status?, _ tags: [MetadataIndex.Tag]) -> (sql: String, values: SQLValues) {
        guard status != nil || !tags.isEmpty else { return (Self.holdsText, [text]) }
        let labels = (0..<Limits.metadataFiltersMax).map { tags.count > $0 ? tags[$0].bytes : [] }
        return (Self.fits, [text, status?.rawValue ?? ""] + labels)
    }

    /// The item that its owner's program calls so, if it fits and belongs on this page.
    private func items(
        called externalID: String, _ mode: Mode, _ tags: [MetadataIndex.Tag], _ connection: any SQLConnection
    ) throws -> [Place] {
        let fits = conditions(filter.status, tags)
        return try places(
            """
            SELECT created_at, name_key, id, \(fits.sql) FROM pikzonality
            WHERE account_id = ? AND mode = ? AND external_id = ?
            """,
            fits.values + [accountID, mode.rawValue, externalID], connection
        ).places
    }

    /// Every item that the index of names leads to and that belongs on this page or a later one; nil when it leads to more items than allowed.
    private func candidates(
        _ named: NamedItems, _ tags: [MetadataIndex.Tag], atMost count: Int, _ connection: any SQLConnection
    ) throws -> [Place]? {
        let fits = conditions(filter.status, tags)
        let (places, seen) = try places(
            "SELECT created_at, name_key, id, \(fits.sql) FROM \(named.source)", fits.values + named.values(atMost: count + 1), connection)
        return seen <= count ? places : nil
    }

    /// Of the items that a query leads to in any order those that fit and belong on this page or a later one, and how many there were.
    private func places(
        _ sql: String, _ arguments: SQLValues, _ connection: any SQLConnection
    ) throws -> (places: [Place], seen: Int) {
        var (seen, places): (Int, [Place]) = (0, [])
        try connection.query(sql, arguments) { row in
            seen += 1
            guard row.integer(3) > 0 else { return }
            let place = Place(
                time: sort.isByName ? 0 : row.integer(0), name: sort.isByName ? try row.requiredText(1) : "", id: try row.identifier(2))
            if isAfter(place) { places.append(place) }
        }
        return (places, seen)
    }

    /// The first places that a walk over so many rows comes upon, and whether these are all that the page needs.
    private func walk(_ way: Way, rows: Int64, _ connection: any SQLConnection) throws -> (places: [Place], isWhole: Bool) {
        var (seen, places): (Int64, [Place]) = (0, [])
        let fits = conditions(way.status, way.tags)
        try connection.walk(
            """
            SELECT \(way.walk.key), pikzonality.id, \(fits.sql) FROM \(way.walk.source)
            WHERE \(way.walk.condition) ORDER BY \(way.walk.order) LIMIT ?
            """
        ) { parameters in
            parameters.bind(fits.values + way.walk.arguments + [rows])
        } row: { row in
            seen += 1
            guard row.integer(2) > 0 else { return true }
            places.append(
                Place(
                    time: sort.isByName ? 0 : row.integer(0), name: sort.isByName ? try row.requiredText(0) : "", id: try row.identifier(1))
            )
            return places.count < limit
        }
        return (places, places.count == limit || seen < rows)
    }

    /// The first places that a walk comes upon which goes as far as there are any.
    private func wholeWalk(_ way: Way, _ connection: any SQLConnection) throws -> [Place] {
        let fits = conditions(way.status, way.tags)
        return try connection.all(
            """
            SELECT \(way.walk.key), pikzonality.id FROM \(way.walk.source)
            WHERE (\(fits.sql)) AND \(way.walk.condition) ORDER BY \(way.walk.order) LIMIT ?
            """, fits.values + way.walk.arguments + [limit]
        ) { row in
            Place(time: sort.isByName ? 0 : row.integer(0), name: sort.isByName ? try row.requiredText(0) : "", id: try row.identifier(1))
        }
    }

    /// Whether the page that comes after a position may show a place.
    private func isAfter(_ place: Place) -> Bool {
        guard let after else { return true }
        let start = Place(
            time: sort.isByName ? 0 : after.createdAt.milliseconds, name: sort.isByName ? after.nameKey : "", id: after.id)
        return sort.isDescending ? place.precedes(start) : start.precedes(place)
    }

    private func first(_ places: [Place]) -> [Place] {
        Array(places.sorted { sort.isDescending ? $1.precedes($0) : $0.precedes($1) }.prefix(limit))
    }
}
