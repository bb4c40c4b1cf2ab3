import Personas

/// One page of the items whose names hold a text.
///
/// There are two ways to it. The index of names leads to all items that may hold the text, which are then looked at and put in order: short
/// where they are few. A walk through the list comes upon them in order: short where they are many. Which is shorter shows only on the way, so
/// each in turn may go some way, and farther the next time, until one has arrived: what the other cost is a part of that.
struct NameSearch {
    /// How many items the index may lead to, time after time. After the last the walk goes to its end: so many may hold the text that it is not
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

    /// Other numbers for tests, which have few items.
    var candidatesMax = Self.candidatesMax

    private let text: String
    private let query: String
    private let filter: PikzonalityFilter
    private let sort: PikzonalitySort
    private let after: PikzonalityPosition?
    private let limit: Int
    private let accountID: Identifier

    /// Nil when no name can hold the text.
    init?(_ text: String, filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier)
    {
        self.text = text.lowercased()
        guard let query = NameIndex.query(for: self.text) else { return nil }
        self.query = query
        self.filter = filter
        self.sort = sort
        self.after = after
        self.limit = limit
        self.accountID = accountID
    }

    /// The page, as it is at one moment.
    func page(_ connection: ReadConnection) throws -> [Pikzonality] {
        try connection.atOneMoment {
            let places = try (filter.mode.map { [$0] } ?? Mode.allCases).flatMap { try found(in: $0, connection) }
            return try first(places).compactMap { try ItemRow.find($0.id, connection) }
        }
    }

    /// The first places of a mode, in any order.
    private func found(in mode: Mode, _ connection: ReadConnection) throws -> [Place] {
        let list = try connection.first(
            "SELECT number FROM name_list WHERE account_id = ? AND mode = ?", [.identifier(accountID), .text(mode.rawValue)],
            row: { $0.integer(0) })
        guard let list else { return [] }
        for count in candidatesMax {
            if let all = try candidates(in: list, atMost: count, connection) { return first(all) }
            let places = try walk(mode, rows: Int64(count * Self.rowsPerCandidate), connection)
            if places.count == limit { return places }
        }
        return try walk(mode, rows: .max, connection)
    }

    /// Every item that the index leads to and that belongs on this page or a later one; nil when it leads to more items than allowed.
    private func candidates(in list: Int64, atMost count: Int, _ connection: ReadConnection) throws -> [Place]? {
        let documents = NameIndex.documents(ofList: list)
        var (seen, places): (Int, [Place]) = (0, [])
        try connection.query(
            """
            SELECT created_at, name_key, id, status, instr(name_key, ?) FROM
            (SELECT rowid AS found FROM name_index WHERE name_index MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?)
            CROSS JOIN name_document ON number = found CROSS JOIN pikzonality ON id = pikzonality_id
            """,
            [.text(text), .text(query), .integer(documents.lowerBound), .integer(documents.upperBound), .integer(Int64(count + 1))]
        ) { row in
            seen += 1
            guard row.integer(4) > 0, try filter.status.map({ $0.rawValue == (try row.requiredText(3)) }) ?? true else { return }
            let place = Place(
                time: sort.isByName ? 0 : row.integer(0), name: sort.isByName ? try row.requiredText(1) : "", id: try row.identifier(2))
            if isAfter(place) { places.append(place) }
        }
        return seen <= count ? places : nil
    }

    /// The first places that a walk over so many rows comes upon.
    private func walk(_ mode: Mode, rows: Int64, _ connection: ReadConnection) throws -> [Place] {
        let walk = ListWalk(mode: mode, status: filter.status, sort: sort, after: after, accountID: accountID)
        var places: [Place] = []
        try connection.query(
            """
            SELECT found_key, id FROM
            (SELECT id, \(walk.key) AS found_key, name_key FROM pikzonality WHERE \(walk.condition) ORDER BY \(walk.order) LIMIT ?)
            WHERE instr(name_key, ?) > 0 LIMIT ?
            """,
            walk.arguments + [.integer(rows), .text(text), .integer(Int64(limit))]
        ) { row in
            places.append(
                Place(
                    time: sort.isByName ? 0 : row.integer(0), name: sort.isByName ? try row.requiredText(0) : "", id: try row.identifier(1))
            )
        }
        return places
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
