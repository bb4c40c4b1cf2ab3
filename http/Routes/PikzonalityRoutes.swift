import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on personas and styles: one controller, mounted with its mode fixed to persona, fixed to style, or open.
struct PikzonalityRoutes: Sendable {
    let reads: PikzonalityReads
    let catalog: Catalog
    let trash: Trash
    let maintenance: MaintenanceMiddleware
    let authentication: Authentication
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let publicURL: PublicURL

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        let items = RouterPath(surface.path)
        let item = RouterPath(surface.itemPath)
        switch surface {
        case .typed(let mode):
            group.post(items) { request, context in try await create(mode, request, context) }
        case .published:
            for mode in Mode.allCases {
                group.post(RouterPath("\(surface.path)/\(mode.rawValue)")) { request, context in try await create(mode, request, context) }
            }
        }
        group.get(items) { request, context in try await list(request, context) }
        group.get(item) { request, context in try await show(request, context) }
        group.patch(item) { request, context in try await update(request, context) }
        group.delete(item) { request, context in try await delete(request, context) }
        group.post(RouterPath("\(surface.itemPath)/cancel")) { request, context in try await cancel(request, context) }
        group.post(RouterPath("\(surface.itemPath)/retry")) { request, context in try await retry(request, context) }
    }

    private func create(_ mode: Mode, _ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        if try QueryParameters(request.uri.query).flag("validate_only") { return try await validate(mode, request, context) }
        let call = try calls.call(request, context)
        return try await bodyReader.withCreate(of: request, from: context.caller, for: call) { body, memory in
            try await call.perform(
                fingerprint: body.fingerprint, answer: { created($0, requestID: context.requestID) }
            ) { claim in
                try await catalog.create(
                    body.draft, mode: mode, accountID: context.caller.accountID, holding: memory, claim: claim,
                    requestID: context.requestID)
            }
        }
    }

    private func validate(_ mode: Mode, _ request: Request, _ context: CallerContext) async throws -> Response {
        let call = calls.callWithoutKey(context)
        return try await bodyReader.withCreate(of: request, from: context.caller, for: call) { body, memory in
            try await catalog.validate(body.draft, mode: mode, accountID: context.caller.accountID, holding: memory)
            return JSONAnswer { writer in
                writer.object { writer in
                    writer.member("valid", true)
                    writer.member("request_id", context.requestID)
                }
            }.response
        }
    }

    private func created(_ started: StartedItem, requestID: String) -> JSONAnswer {
        let item = started.item
        guard case .typed = surface else {
            return JSONAnswer(after: remaining(started)) { writer in
                writer.object { writer in
                    writer.member("id", item.id.text)
                    writer.member("request_id", requestID)
                }
            }
        }
        let representation = Representation(base: publicURL.base)
        var fields: HTTPFields = [.location: "\(publicURL.base)\(surface.path)/\(item.id.text)", .eTag: reads.tags.text(of: item)]
        fields.append(contentsOf: remaining(started))
        return JSONAnswer(status: .created, after: fields) { representation.full(item, &$0, requestID: requestID) }
    }

    private func show(_ request: Request, _ context: CallerContext) async throws -> Response {
        let question = PikzonalityReads.ItemQuestion(
            id: context.parameters.get("id"), query: request.uri.query, ifNoneMatch: request.headers[.ifNoneMatch],
            prefer: request.headers[.prefer])
        return try await reads.item(question, context.caller, on: context.channel) { () async throws(Failure) in
            try maintenance.requireOpen(request.uri.path)
            return try await authentication.caller(presenting: request.headers[.xAPIKey])
        }.response
    }

    private func update(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try identifier(context)
        let precondition = try reads.tags.precondition(request.headers)
        let item = try await bodyReader.withObject(of: request, from: context.caller) { body in
            var draft = DetailsDraft(body)
            draft.deleteWhenSettled = body.boolean("delete_when_settled")
            return draft
        } handle: { draft, memory in
            try await catalog.update(
                id, mode: surface.mode, accountID: context.caller.accountID, draft: draft, if: precondition, holding: memory,
                requestID: context.requestID)
        }
        return reads.answer(changed: item).response
    }

    private func delete(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try identifier(context)
        let query = try DeleteQuery(request.uri.query)
        let precondition = try reads.tags.precondition(request.headers)
        let accountID = context.caller.accountID
        guard query.isWhenSettled else {
            guard query.settlement == .deleted else {
                return putAway(
                    try await trash.put(id, mode: surface.mode, accountID: accountID, if: precondition, requestID: context.requestID))
            }
            let mode = try await catalog.delete(
                id, mode: surface.mode, accountID: accountID, if: precondition, requestID: context.requestID)
            return deleted(mode)
        }
        let settling = try await catalog.settle(
            id, mode: surface.mode, accountID: accountID, to: query.settlement, if: precondition, requestID: context.requestID)
        switch settling {
        case .deleted(let mode): return deleted(mode)
        case .trashed(let trashed): return putAway(trashed)
        case .later(let mode):
            let message =
                "\(subject(mode)) will be \(query.settlement == .trash ? "moved to the trash" : "deleted") as soon as it is settled"
            return JSONAnswer(status: .accepted) { writer in
                writer.object { writer in
                    writer.member("message", message)
                    writer.member("request_id", context.requestID)
                }
            }.response
        }
    }

    private func putAway(_ trashed: TrashedItem) -> Response {
        JSONAnswer { writer in
            writer.object { writer in
                writer.member("message", "\(subject(trashed.item.mode)) moved to the trash")
                writer.member("purge_at", trashed.purgeAt)
            }
        }.response
    }

    private func deleted(_ mode: Mode) -> Response {
        JSONAnswer { writer in writer.object { $0.member("message", "\(subject(mode)) deleted") } }.response
    }

    /// What a message calls an item. On the published surface its kind is unknown.
    private func subject(_ mode: Mode) -> String {
        switch surface {
        case .typed: mode == .persona ? "Persona" : "Style"
        case .published: "Persona or style"
        }
    }

    /// Whoever asks for a check alone must not change anything by that.
    private func requireNoCheck(_ request: Request) throws(Failure) {
        guard QueryParameters(request.uri.query).count(of: "validate_only") == 0 else {
            throw .invalid([Violation("validate_only", "is not taken by this call, which would be carried out")])
        }
    }

    private func cancel(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        try requireNoCheck(request)
        let id = try identifier(context)
        let call = try calls.call(request, context)
        // Nothing that a body could hold means anything; it only tells another request under the same key apart.
        let fingerprint = try await bodyReader.withObjectIfAny(of: request, from: context.caller) {
            call.fingerprint(of: $0)
        } handle: { fingerprint, _ in
            fingerprint
        }
        return try await call.perform(fingerprint: fingerprint, answer: { stepped($0) }) { claim in
            try await catalog.cancel(
                id, mode: surface.mode, accountID: context.caller.accountID, if: try reads.tags.precondition(request.headers), claim: claim,
                requestID: context.requestID)
        }
    }

    private func retry(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        try requireNoCheck(request)
        let id = try identifier(context)
        let call = try calls.call(request, context)
        return try await bodyReader.withRetry(of: request, from: context.caller, for: call) { body, memory in
            try await call.perform(fingerprint: body.fingerprint, answer: { stepped($0.item, after: remaining($0)) }) { claim in
                try await catalog.retry(
                    id, mode: surface.mode, accountID: context.caller.accountID, with: body.draft,
                    if: try reads.tags.precondition(request.headers), holding: memory, claim: claim, requestID: context.requestID)
            }
        }
    }

    /// The answer of a call that takes an item a step on in its life.
    private func stepped(_ item: Pikzonality, after fields: HTTPFields = [:]) -> JSONAnswer {
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(before: [.eTag: reads.tags.text(of: item)], after: fields) { writer in
            switch surface {
            case .typed: representation.full(item, &writer)
            case .published: representation.published(item, &writer)
            }
        }
    }

    /// Tells what the account has left, where trainings cost something.
    private func remaining(_ started: StartedItem) -> HTTPFields {
        started.creditsRemaining.map { [.creditsRemaining: String($0)] } ?? [:]
    }

    private func list(_ request: Request, _ context: CallerContext) async throws -> Response {
        try await reads.list(request.uri.query, context.caller).response
    }

    private var surface: PikzonalityReads.Surface { reads.surface }

    private func identifier(_ context: CallerContext) throws(Failure) -> Identifier { try surface.identifier(context.parameters.get("id")) }
}
