import Personas

/// How a page is read: by the one walk that has its filter and order, or by a search where there is none.
enum PagePlan: Sendable {
    /// A list, or that of one status.
    case walk(PageWalk)
    /// What has one label.
    case labelled(LabelWalk)
    /// At most one item of a mode, which its owner's own id leads to.
    case look(ItemSearch)
    /// Anything else.
    case search(ItemSearch)
    /// Nothing fulfils the filter, whatever is stored.
    case nothing

    init(_ filter: PikzonalityFilter, sort: PikzonalitySort, after: PikzonalityPosition?, limit: Int, accountID: Identifier) {
        if filter.search?.isEmpty ?? true, filter.externalID == nil, filter.metadata.isEmpty {
            self = .walk(PageWalk(filter: filter, sort: sort, after: after, limit: limit, accountID: accountID))
        } else if let walk = LabelWalk(filter, sort: sort, after: after, limit: limit, accountID: accountID) {
            self = .labelled(walk)
        } else if let search = ItemSearch(filter, sort: sort, after: after, limit: limit, accountID: accountID) {
            self = filter.externalID == nil ? .search(search) : .look(search)
        } else {
            self = .nothing
        }
    }

    /// Whether it may pass over items that are not on the page, as many as the account has.
    var mayWalkFar: Bool {
        guard case .search = self else { return false }
        return true
    }

    /// The items of the page in their order.
    func items(_ connection: any SQLConnection) throws -> [Pikzonality] {
        switch self {
        case .walk(let walk): try walk.items(connection)
        case .labelled(let walk): try walk.items(connection)
        case .look(let search), .search(let search): try search.page(connection)
        case .nothing: []
        }
    }
}
