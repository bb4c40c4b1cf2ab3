import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on personas and styles: one controller, mounted with its mode fixed to persona, fixed to style, or open.
struct PikzonalityRoutes: Sendable {
    /// How a mounting speaks.
    enum Surface: Sendable {
        /// `/v2/personas`, `/v2/styles`: full representations.
        case typed(Mode)
        /// `/v2/pikzonality`: the shapes of the published API.
        case published
    }

    let surface: Surface
    let catalog: Catalog
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let publicURL: PublicURL
    let pageItemsMax: Int

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        let items = RouterPath(path)
        let item = RouterPath("\(path)/{id}")
        switch surface {
        case .typed(let mode):
            group.post(items) { request, context in try await create(mode, request, context) }
        case .published:
            for mode in Mode.allCases {
                group.post(RouterPath("\(path)/\(mode.rawValue)")) { request, context in try await create(mode, request, context) }
            }
        }
        group.get(items) { request, context in try await list(request, context) }
        group.get(item) { request, context in try await show(request, context) }
        group.patch(item) { request, context in try await update(request, context) }
        group.delete(item) { request, context in try await delete(request, context) }
    }

    private func create(_ mode: Mode, _ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let call = try calls.call(request, context)
        return try await bodyReader.withObject(of: request, from: context.caller) { body in
            (draft: CreateDraft(body), fingerprint: call.fingerprint(of: body))
        } handle: { form, memory in
            try await call.perform(
                fingerprint: form.fingerprint, answer: { created($0, requestID: context.requestID) }
            ) { claim in
                try await catalog.create(
                    form.draft, mode: mode, accountID: context.caller.accountID, holding: memory, claim: claim)
            }
        }
    }

    private func created(_ item: Pikzonality, requestID: String) -> JSONAnswer {
        guard case .typed = surface else {
            return JSONAnswer { writer in
                writer.object { writer in
                    writer.member("id", item.id.text)
                    writer.member("request_id", requestID)
                }
            }
        }
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(
            status: .created,
            after: [.location: "\(publicURL.base)\(path)/\(item.id.text)", .eTag: Representation.entityTag(of: item)]
        ) { representation.full(item, &$0, requestID: requestID) }
    }

    private func show(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let item = try await catalog.item(try identifier(context), mode: fixedMode, accountID: context.caller.accountID)
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [.eTag: Representation.entityTag(of: item)]) { writer in
            switch surface {
            case .typed: representation.full(item, &writer)
            case .published: representation.published(item, &writer)
            }
        }.response
    }

    private func update(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try identifier(context)
        let item = try await bodyReader.withObject(of: request, from: context.caller) { body in
            DetailsDraft(body)
        } handle: { draft, memory in
            try await catalog.update(id, mode: fixedMode, accountID: context.caller.accountID, draft: draft, holding: memory)
        }
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [.eTag: Representation.entityTag(of: item)]) { writer in
            guard case .published = surface else { return representation.full(item, &writer) }
            writer.object { writer in
                writer.member("name", item.name.text)
                writer.member("id", item.id.text)
                writer.members(item.details)
            }
        }.response
    }

    private func delete(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let mode = try await catalog.delete(try identifier(context), mode: fixedMode, accountID: context.caller.accountID)
        let message =
            switch surface {
            case .typed: mode == .persona ? "Persona deleted" : "Style deleted"
            case .published: "Persona or style deleted"
            }
        return JSONAnswer { writer in writer.object { $0.member("message", message) } }.response
    }

    private func list(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let query = try ListQuery(request.uri, fixedMode: fixedMode, itemsMax: pageItemsMax)
        let page = try await catalog.page(
            query.filter, sort: query.sort, after: query.after, limit: query.limit, accountID: context.caller.accountID)
        let representation = Representation(base: publicURL.base)
        let next = page.hasMore ? page.items.last.map { query.next(after: $0, path: path, fixedMode: fixedMode) } : nil
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
        }.response
    }

    private var path: String {
        switch surface {
        case .typed(.persona): "/v2/personas"
        case .typed(.style): "/v2/styles"
        case .published: "/v2/pikzonality"
        }
    }

    private var fixedMode: Mode? {
        guard case .typed(let mode) = surface else { return nil }
        return mode
    }

    /// The id in the path. On the published surface its kind is unknown, and clients take 404 for "gone".
    private func identifier(_ context: CallerContext) throws(Failure) -> Identifier {
        if let id = context.parameters.get("id").flatMap({ Identifier($0) }) { return id }
        guard case .typed(let mode) = surface else { throw .notFound }
        throw .malformedIdentifier(mode)
    }
}

extension CreateDraft {
    /// The members of a create's body, as found.
    init(_ body: JSONObject) {
        self.init(
            details: DetailsDraft(body), imageURLs: body.strings("image_urls"), imageBase64s: body.texts("image_base64s"))
    }
}
