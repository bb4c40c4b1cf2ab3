import Personas

/// One way through the items of an account and mode: which of them, in which order, from where on. There is an index for each.
struct ListWalk {
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
