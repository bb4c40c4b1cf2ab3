import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on what is in the trash, of both modes.
struct TrashRoutes: Sendable {
    /// The path of the list.
    static let path = "/v2/trash"
    /// The path of one item, as a template.
    static let itemPath = "\(path)/{id}"

    let trash: Trash
    let tags: EntityTags
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let publicURL: PublicURL
    let pageItemsMax: Int

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(Self.path)) { request, context in try await list(request, context) }
        group.post(RouterPath("\(Self.itemPath)/restore")) { request, context in try await restore(request, context) }
        group.delete(RouterPath(Self.itemPath)) { request, context in try await purge(request, context) }
    }

    private func list(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let (page, mode, after) = try query(request.uri.query)
        let found = try await trash.page(mode: mode, after: after, limit: page.limit, accountID: context.caller.accountID)
        let next = found.hasMore ? found.items.last.map { self.next(after: $0, limit: page.limit, mode: mode) } : nil
        return JSONAnswer(page: found.items.count, next: next, base: publicURL.base) { writer in
            for trashed in found.items { Self.write(trashed, &writer) }
        }.response
    }

    private func query(_ query: String?) throws(Failure) -> (page: PageQuery, mode: Mode?, after: TrashPlace?) {
        let parameters = QueryParameters(query)
        var violations: [Violation] = []
        let page = PageQuery(parameters, itemsMax: pageItemsMax, &violations)
        let mode = parameters.choice("mode", \Mode.rawValue, &violations)
        let after = page.cursor.flatMap { TrashCursor.place($0, mode: mode) }
        if page.cursor != nil, after == nil { violations.append(PageQuery.strangeCursor) }
        guard violations.isEmpty else { throw .invalid(violations) }
        return (page, mode, after)
    }

    private func next(after last: TrashedItem, limit: Int, mode: Mode?) -> (cursor: String, target: String) {
        let cursor = TrashCursor.text(TrashPlace(last), mode: mode)
        let parameters = ["limit=\(limit)", "cursor=\(cursor)"] + (mode.map { ["mode=\($0.rawValue)"] } ?? [])
        return (cursor, "\(Self.path)?\(parameters.joined(separator: "&"))")
    }

    private static func write(_ trashed: TrashedItem, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", trashed.item.id)
            writer.member("mode", word: trashed.item.mode)
            writer.member("name", trashed.item.name)
            writer.member("deleted_at", trashed.trashedAt)
            writer.member("purge_at", trashed.purgeAt)
        }
    }

    /// What is wrong with a body is told only to the first request under an idempotency key, as are all refusals.
    private func restore(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try identifier(context)
        let precondition = try tags.precondition(request.headers)
        let call = try calls.call(request, context)
        let (change, fingerprint) = try await bodyReader.withObjectIfAny(of: request, from: context.caller) { body in
            let change = Result { () throws(Failure) in
                try body.map { (body) throws(Failure) in try DetailsDraft(restoring: body).checked() } ?? PikzonalityChange()
            }
            return (change, call.fingerprint(of: body))
        } handle: { form, _ in
            form
        }
        return try await call.perform(fingerprint: fingerprint, answer: restored) { claim in
            try await trash.restore(
                id, accountID: context.caller.accountID, change: try change.get(), if: precondition, claim: claim,
                requestID: context.requestID)
        }
    }

    private func restored(_ item: Pikzonality) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [.eTag: tags.text(of: item)]) { representation.full(item, &$0) }
    }

    private func purge(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try identifier(context)
        if QueryParameters(request.uri.query).hasOthers(than: []) {
            throw Failure.invalid([Violation("query", "must have no parameters")])
        }
        let mode = try await trash.purge(
            id, accountID: context.caller.accountID, if: try tags.precondition(request.headers), requestID: context.requestID)
        return JSONAnswer { writer in
            writer.object { $0.member("message", mode == .persona ? "Persona deleted" : "Style deleted") }
        }.response
    }

    /// The id in the path. Its kind is unknown, so that what is no id is one that there is not.
    private func identifier(_ context: CallerContext) throws(Failure) -> Identifier {
        guard let id = context.parameters.get("id").flatMap({ Identifier($0) }) else { throw .notFound }
        return id
    }
}

extension DetailsDraft {
    /// The members of a restore's body, as found: what an item may be given anew. All others stay as they were.
    fileprivate init(restoring body: JSONObject) {
        let given = DetailsDraft(body)
        self.init(name: given.name, specialInstructions: .absent, externalID: given.externalID)
    }
}
