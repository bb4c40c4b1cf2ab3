import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on the earlier states of an item, on each surface.
struct RevisionRoutes: Sendable {
    let reads: PikzonalityReads
    let revisions: Revisions
    let bodyReader: BodyReader
    let calls: IdempotentCalls

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        let path = "\(surface.itemPath)/revisions"
        group.get(RouterPath(path)) { request, context in try await list(request, context) }
        group.post(RouterPath("\(path)/{version}/restore")) { request, context in try await restore(request, context) }
    }

    private func list(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let id = try surface.identifier(context.parameters.get("id"))
        let (page, number) = try query(request.uri.query, of: id)
        let found = try await revisions.page(
            of: id, mode: surface.mode, accountID: context.caller.accountID, before: number, limit: page.limit)
        let next = found.hasMore ? found.revisions.last.map { self.next(after: $0, of: id, limit: page.limit) } : nil
        return JSONAnswer(page: found.revisions.count, next: next, base: reads.publicURL.base) { writer in
            for revision in found.revisions { Self.write(revision, &writer) }
        }.response
    }

    private func query(_ query: String?, of id: Identifier) throws(Failure) -> (page: PageQuery, before: Int?) {
        var violations: [Violation] = []
        let page = PageQuery(QueryParameters(query), itemsMax: reads.pageItemsMax, &violations)
        let number = page.cursor.flatMap { RevisionCursor.number($0, of: id) }
        if page.cursor != nil, number == nil { violations.append(PageQuery.strangeCursor) }
        guard violations.isEmpty else { throw .invalid(violations) }
        return (page, number)
    }

    private func next(after last: Revision, of id: Identifier, limit: Int) -> (cursor: String, target: String) {
        let cursor = RevisionCursor.text(last.number, of: id)
        return (cursor, "\(surface.path)/\(id.text)/revisions?limit=\(limit)&cursor=\(cursor)")
    }

    private static func write(_ revision: Revision, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("version", revision.number)
            writer.member("name", revision.details.name)
            writer.allMembers(revision.details)
            writer.member("changed_at", revision.changedAt)
            writer.member("request_id", revision.requestID)
        }
    }

    private func restore(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try surface.identifier(context.parameters.get("id"))
        let precondition = try reads.tags.precondition(request.headers)
        let call = try calls.call(request, context)
        // Nothing in a body means anything here, but it tells one request under an idempotency key from another.
        let fingerprint = try await bodyReader.withObjectIfAny(of: request, from: context.caller) {
            call.fingerprint(of: $0)
        } handle: { fingerprint, _ in
            fingerprint
        }
        return try await call.perform(fingerprint: fingerprint, answer: reads.answer(changed:)) { claim in
            try await revisions.restore(
                try number(context), of: id, mode: surface.mode, accountID: context.caller.accountID, if: precondition, claim: claim,
                requestID: context.requestID)
        }
    }

    /// The state's number in the path. What is none is a state that there is not.
    private func number(_ context: CallerContext) throws(Failure) -> Int {
        guard let text = context.parameters.get("version"), let number = Int(text), String(number).utf8.elementsEqual(text.utf8) else {
            throw .notFound
        }
        return number
    }

    private var surface: PikzonalityReads.Surface { reads.surface }
}
