import Personas

/// One way through items of an account and mode: which of them, in which order, from where on. There is an index for each.
struct ListWalk {
    /// What is walked through, with the row of each item as `pikzonality`.
    let source: String
    /// The column that is compared first; the key breaks ties.
    let key: String
    /// Both in their direction.
    let order: String
    let condition: String
    let arguments: SQLValues

    /// All items, or those of a status.
    init(mode: Mode, status: Status?, sort: PikzonalitySort, after: PikzonalityPosition?, accountID: Identifier) {
        var condition = "pikzonality.account_id = ? AND pikzonality.mode = ?"
        var arguments: SQLValues = [accountID, mode.rawValue]
        if let status {
            condition += " AND pikzonality.status = ?"
            arguments.append(status.rawValue)
        }
        self.init(
            source: "pikzonality", places: ("pikzonality.\(sort.column)", "pikzonality.id"), condition, arguments, sort: sort, after: after)
    }

    /// Those that have a label.
    init(labelled tag: MetadataIndex.Tag, sort: PikzonalitySort, after: PikzonalityPosition?, accountID: Identifier) {
        self.init(
            source: "metadata_entry AS entry CROSS JOIN pikzonality", places: ("entry.\(sort.column)", "entry.pikzonality_id"),
            "pikzonality.id = entry.pikzonality_id AND pikzonality.account_id = ? AND entry.tag = ?", [accountID, tag.bytes],
            sort: sort, after: after)
    }

    private init(
        source: String, places: (key: String, id: String), _ condition: String, _ arguments: SQLValues, sort: PikzonalitySort,
        after: PikzonalityPosition?
    ) {
        self.source = source
        key = places.key
        let direction = sort.isDescending ? "DESC" : "ASC"
        order = "\(places.key) \(direction), \(places.id) \(direction)"
        guard let after else {
            self.condition = condition
            self.arguments = arguments
            return
        }
        self.condition = "\(condition) AND (\(places.key), \(places.id)) \(sort.isDescending ? "<" : ">") (?, ?)"
        self.arguments =
            arguments + [sort.isByName ? after.nameKey : after.createdAt.milliseconds, after.id]
    }
}

extension PikzonalitySort {
    /// The column that is compared first.
    var column: String { isByName ? "name_key" : "created_at" }
}
