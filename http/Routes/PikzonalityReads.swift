import HTTPTypes
import Personas
import PersonasWire

/// The reads of personas and styles, from what a request says to its answer, however it came in: each once for those that wait and once for
/// those that are answered on the spot, with the same checks before and the same answer after.
///
/// A class, because the latter are found by their path: what is found is handed on as one reference.
final class PikzonalityReads: Sendable {
    /// How a mounting speaks.
    enum Surface: Sendable {
        /// `/v2/personas`, `/v2/styles`: full representations.
        case typed(Mode)
        /// `/v2/pikzonality`: the shapes of the published API.
        case published
    }

    /// Items of a page that is answered on the spot: others wait meanwhile.
    private static let itemsAtOnceMax = 100

    let surface: Surface
    let catalog: Catalog
    let publicURL: PublicURL
    let pageItemsMax: Int

    init(surface: Surface, catalog: Catalog, publicURL: PublicURL, pageItemsMax: Int) {
        self.surface = surface
        self.catalog = catalog
        self.publicURL = publicURL
        self.pageItemsMax = pageItemsMax
    }

    /// One item.
    /// - Parameter id: what stands for it in the path.
    func item(_ id: String?, _ caller: Caller) async throws(Failure) -> JSONAnswer {
        try caller.require(.read)
        return answer(try await catalog.item(try surface.identifier(id), mode: surface.mode, accountID: caller.accountID))
    }

    /// The same, where that needs no waiting; nil where it does.
    func itemNow(_ id: String?, _ caller: Caller) throws(Failure) -> JSONAnswer? {
        try caller.require(.read)
        return try catalog.itemNow(try surface.identifier(id), mode: surface.mode, accountID: caller.accountID).map(answer)
    }

    /// One page of items.
    /// - Parameter query: what follows the question mark of the target.
    func list(_ query: String?, _ caller: Caller) async throws(Failure) -> JSONAnswer {
        try caller.require(.read)
        let query = try ListQuery(query, fixedMode: surface.mode, itemsMax: pageItemsMax)
        let page = try await catalog.page(
            query.filter, sort: query.sort, after: query.after, limit: query.limit, accountID: caller.accountID)
        return answer(page, to: query)
    }

    /// The same, where that needs no waiting; nil where it does.
    func listNow(_ query: String?, _ caller: Caller) throws(Failure) -> JSONAnswer? {
        try caller.require(.read)
        let query = try ListQuery(query, fixedMode: surface.mode, itemsMax: pageItemsMax)
        guard query.limit <= Self.itemsAtOnceMax else { return nil }
        let page = try catalog.pageNow(
            query.filter, sort: query.sort, after: query.after, limit: query.limit, accountID: caller.accountID)
        return page.map { answer($0, to: query) }
    }

    private func answer(_ item: Pikzonality) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [.eTag: Representation.entityTag(of: item)]) { writer in
            switch self.surface {
            case .typed: representation.full(item, &writer)
            case .published: representation.published(item, &writer)
            }
        }
    }

    private func answer(_ page: PikzonalityPage, to query: ListQuery) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        let next = page.hasMore ? page.items.last.map { query.next(after: $0, path: surface.path, fixedMode: surface.mode) } : nil
        let headers: HTTPFields = next.map { [.pageLink: "<\(publicURL.base)\($0.target)>; rel=\"next\""] } ?? [:]
        return JSONAnswer(before: headers, items: page.items.count) { writer in
            writer.object { writer in
                writer.name("data")
                writer.array { writer in
                    for item in page.items { representation.full(item, &writer) }
                }
                writer.member("has_more", page.hasMore)
                writer.member("next_cursor", next?.cursor)
            }
        }
    }
}

extension PikzonalityReads.Surface {
    /// The path of the list.
    var path: String {
        switch self {
        case .typed(.persona): "/v2/personas"
        case .typed(.style): "/v2/styles"
        case .published: "/v2/pikzonality"
        }
    }

    /// The path of one item, as a template.
    var itemPath: String { "\(path)/{id}" }

    /// The mode of all items of the surface; nil where there are both.
    var mode: Mode? {
        guard case .typed(let mode) = self else { return nil }
        return mode
    }

    /// The id in the path. On the published surface its kind is unknown, and clients take 404 for "gone".
    func identifier(_ text: String?) throws(Failure) -> Identifier {
        if let id = text.flatMap({ Identifier($0) }) { return id }
        guard case .typed(let mode) = self else { throw .notFound }
        throw .malformedIdentifier(mode)
    }
}
