import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on endpoints of webhooks.
struct WebhookRoutes: Sendable {
    /// The path of the list.
    static let path = "/v2/webhooks"
    /// The path of one endpoint, as a template.
    static let itemPath = "\(path)/{id}"

    let webhooks: Webhooks
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let tags: EntityTags
    let publicURL: PublicURL
    let pageItemsMax: Int

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        let (list, item) = (RouterPath(Self.path), RouterPath(Self.itemPath))
        group.post(list) { request, context in try await create(request, context) }
        group.get(list) { request, context in try await page(request, context) }
        group.get(item) { request, context in try await show(request, context) }
        group.patch(item) { request, context in try await update(request, context) }
        group.delete(item) { request, context in try await delete(request, context) }
        group.post("\(Self.itemPath)/rotate") { request, context in try await rotate(request, context) }
        group.post("\(Self.itemPath)/test") { request, context in try await test(request, context) }
    }

    private func create(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let call = try calls.call(request, context)
        return try await bodyReader.withObject(of: request, from: context.caller) { body in
            (draft: WebhookDraft(body), fingerprint: call.fingerprint(of: body))
        } handle: { form, _ in
            try await call.perform(
                fingerprint: form.fingerprint, answer: { created($0, .shown($0.secret), context.requestID) },
                recordedAs: { created($0, .hidden, context.requestID) }
            ) { claim in
                try await webhooks.create(
                    form.draft, accountID: context.caller.accountID, claim: claim, requestID: context.requestID)
            }
        }
    }

    private func created(_ issued: IssuedWebhook, _ secret: Representation.Secret, _ requestID: String) -> JSONAnswer {
        let endpoint = issued.endpoint
        return JSONAnswer(
            status: .created,
            after: [
                .location: "\(publicURL.base)\(Self.path)/\(endpoint.id.text)", .eTag: tags.text(version: endpoint.version),
                .cacheControl: "no-store",
            ]
        ) { Representation.webhook(endpoint, secret: secret, requestID: requestID, &$0) }
    }

    private func page(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let query = try WebhookQuery(request.uri.query, itemsMax: pageItemsMax)
        let page = try await webhooks.page(accountID: context.caller.accountID, after: query.after, limit: query.limit)
        let next = page.hasMore ? page.endpoints.last.map { WebhookQuery.cursor(after: $0) } : nil
        return JSONAnswer.page(
            items: page.endpoints, next: next, target: next.map { "\(publicURL.base)\(Self.path)?\(query.next($0))" }
        ) { Representation.webhook($0, &$1) }.response
    }

    private func show(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let endpoint = try await webhooks.endpoint(try context.webhookID, accountID: context.caller.accountID)
        let fields: HTTPFields = [.eTag: tags.text(version: endpoint.version)]
        let known = request.headers[.ifNoneMatch].flatMap { EntityTagList($0) }
        guard !tags.isKnown(version: endpoint.version, by: known) else {
            return JSONAnswer(status: .notModified, before: fields).response
        }
        return JSONAnswer(before: fields) { Representation.webhook(endpoint, &$0) }.response
    }

    private func update(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try context.webhookID
        let precondition = try tags.precondition(request.headers)
        let endpoint = try await bodyReader.withObject(of: request, from: context.caller) { body in
            WebhookDraft(body)
        } handle: { draft, _ in
            try await webhooks.update(
                id, accountID: context.caller.accountID, draft, if: precondition, requestID: context.requestID)
        }
        return JSONAnswer(before: [.eTag: tags.text(version: endpoint.version)]) { Representation.webhook(endpoint, &$0) }.response
    }

    private func delete(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        try await webhooks.delete(
            try context.webhookID, accountID: context.caller.accountID, if: try tags.precondition(request.headers),
            requestID: context.requestID)
        return JSONAnswer { writer in writer.object { $0.member("message", "Webhook deleted") } }.response
    }

    private func rotate(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try context.webhookID
        let precondition = try tags.precondition(request.headers)
        let call = try calls.call(request, context)
        return try await bodyReader.withObjectIfAny(of: request, from: context.caller) { body in
            (overlap: body?.integer("overlap_seconds") ?? .absent, fingerprint: call.fingerprint(of: body))
        } handle: { form, _ in
            try await call.perform(
                fingerprint: form.fingerprint, answer: { rotated($0, .shown($0.secret), context.requestID) },
                recordedAs: { rotated($0, .hidden, context.requestID) }
            ) { claim in
                try await webhooks.rotate(
                    id, accountID: context.caller.accountID, overlapSeconds: try overlapSeconds(form.overlap), if: precondition,
                    claim: claim, requestID: context.requestID)
            }
        }
    }

    private func rotated(_ issued: IssuedWebhook, _ secret: Representation.Secret, _ requestID: String) -> JSONAnswer {
        JSONAnswer(after: [.eTag: tags.text(version: issued.endpoint.version), .cacheControl: "no-store"]) {
            Representation.rotation(issued.endpoint, secret: secret, requestID: requestID, &$0)
        }
    }

    private func overlapSeconds(_ field: JSONField<Int>) throws(Failure) -> Int {
        switch field {
        case .absent, .null: return Limits.webhookOverlapSecondsDefault
        case .value(let seconds): return seconds
        case .malformed(let rule): throw .invalid([Violation("overlap_seconds", rule)])
        }
    }

    private func test(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try context.webhookID
        let call = try calls.call(request, context)
        let representation = Representation(base: publicURL.base)
        let fingerprint = try await bodyReader.withObjectIfAny(of: request, from: context.caller) {
            call.fingerprint(of: $0)
        } handle: {
            fingerprint, _ in
            fingerprint
        }
        let tested: @Sendable (WebhookTest) -> JSONAnswer = { test in
            JSONAnswer { Representation.test(test, requestID: context.requestID, &$0) }
        }
        return try await call.perform(fingerprint: fingerprint, answer: tested, isNothingDone: { _ in true }) { _ in
            try await webhooks.test(id, accountID: context.caller.accountID, requestID: context.requestID) {
                representation.body(of: $0)
            }
        }
    }
}

extension CallerContext {
    /// The endpoint that the path names.
    /// - Throws: `notFound` for what is no id.
    var webhookID: Identifier {
        get throws(Failure) { try identifier("id") }
    }

    /// What a part of the path names.
    /// - Throws: `notFound` for what is no id.
    func identifier(_ name: String) throws(Failure) -> Identifier {
        guard let id = parameters.get(name).flatMap({ Identifier($0) }) else { throw .notFound }
        return id
    }
}

extension WebhookDraft {
    /// The members of a body, as found.
    init(_ body: JSONObject) {
        self.init(
            url: body.string("url"), events: body.strings("events"), description: body.string("description"), status: body.string("status"))
    }
}

extension JSONAnswer {
    /// One page of a list.
    /// - Parameters:
    ///   - next: the cursor of the page that follows; nil where there is none.
    ///   - target: where that is.
    static func page<Item>(
        items: [Item], next: String?, target: String?, _ write: (Item, inout JSONWriter) -> Void
    ) -> JSONAnswer {
        let headers: HTTPFields = target.map { [.pageLink: "<\($0)>; rel=\"next\""] } ?? [:]
        return JSONAnswer(before: headers, items: items.count) { writer in
            writer.object { writer in
                writer.name("data")
                writer.array { writer in
                    for item in items { write(item, &writer) }
                }
                writer.member("has_more", next != nil)
                writer.member("next_cursor", next)
            }
        }
    }
}
