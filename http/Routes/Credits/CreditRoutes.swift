import Hummingbird
import Personas
import PersonasWire

/// The calls on an account's credits, which there are only where trainings cost something: elsewhere their paths are as unknown as any other.
struct CreditRoutes: Sendable {
    /// The path of how the account stands.
    static let path = "/v2/credits"
    /// The path of its ledger.
    static let entriesPath = "\(path)/entries"

    let credits: Credits
    let publicURL: PublicURL
    let pageItemsMax: Int

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(Self.path)) { _, context in
            try context.caller.require(.read)
            return answer(try await credits.standing(accountID: context.caller.accountID)).response
        }
        group.get(RouterPath(Self.entriesPath)) { request, context in
            try context.caller.require(.read)
            let query = try CreditQuery(request.uri.query, itemsMax: pageItemsMax)
            let page = try await credits.entries(before: query.before, limit: query.limit, accountID: context.caller.accountID)
            return answer(page, to: query).response
        }
    }

    /// How the account stands, where that needs no waiting; nil where it does.
    func standingNow(_ caller: Caller) throws(Failure) -> JSONAnswer? {
        try caller.require(.read)
        return try credits.standingNow(accountID: caller.accountID).map(answer)
    }

    /// A page of the account's ledger, where that needs no waiting; nil where it does.
    func entriesNow(_ query: String?, _ caller: Caller) throws(Failure) -> JSONAnswer? {
        try caller.require(.read)
        let query = try CreditQuery(query, itemsMax: pageItemsMax)
        return try credits.entriesNow(before: query.before, limit: query.limit, accountID: caller.accountID).map { answer($0, to: query) }
    }

    /// The answer that says how an account stands.
    func answer(_ standing: CreditStanding) -> JSONAnswer {
        JSONAnswer { Representation.credits(standing, prices: credits.prices, &$0) }
    }

    private func answer(_ page: CreditPage, to query: CreditQuery) -> JSONAnswer {
        let next = page.hasMore ? page.entries.last.map { CreditQuery.cursor(after: $0) } : nil
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(
            page: page.entries.count, next: next.map { ($0, "\(Self.entriesPath)?limit=\(query.limit)&cursor=\($0)") },
            base: publicURL.base
        ) { writer in
            for entry in page.entries { representation.credits(entry, &writer) }
        }
    }
}

/// The query of a ledger, checked.
private struct CreditQuery {
    private static let list = "credits"

    let limit: Int
    /// The number of the entry that the page follows; nil for the newest.
    let before: Int?

    /// - Throws: `invalid` with all violations.
    init(_ query: String?, itemsMax: Int) throws(Failure) {
        var violations: [Violation] = []
        let page = PlacedPage(QueryParameters(query), list: Self.list, placeBytes: 8, itemsMax: itemsMax, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        limit = page.limit
        before = page.number(at: 0).map { Int($0) }
    }

    /// The cursor of the page after an entry.
    static func cursor(after last: CreditEntry) -> String {
        BoundCursor.text(PlacedPage.bytes(Int64(last.number)), list: Array(list.utf8))
    }
}
