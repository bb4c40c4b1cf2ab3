import HTTPTypes
import Hummingbird
import Personas
import PersonasWire

/// The calls on what was and is to be delivered to an endpoint of webhooks.
struct WebhookDeliveryRoutes: Sendable {
    private static let path = "\(WebhookRoutes.itemPath)/deliveries"
    private static let itemPath = "\(path)/{delivery_id}"

    let webhooks: Webhooks
    let bodyReader: BodyReader
    let calls: IdempotentCalls
    let publicURL: PublicURL
    let pageItemsMax: Int

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.get(RouterPath(Self.path)) { request, context in try await page(request, context) }
        group.get(RouterPath(Self.itemPath)) { request, context in try await show(request, context) }
        group.post(RouterPath("\(Self.itemPath)/replay")) { request, context in try await replay(request, context) }
        group.post(RouterPath("\(WebhookRoutes.itemPath)/replay")) { request, context in try await replayMany(request, context) }
    }

    private func page(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let id = try context.webhookID
        let query = try DeliveryQuery(request.uri.query, of: id, itemsMax: pageItemsMax)
        let page = try await webhooks.deliveries(
            of: id, accountID: context.caller.accountID, query.filter, after: query.after, limit: query.limit)
        let next = page.hasMore ? page.deliveries.last.map { query.cursor(after: $0) } : nil
        let target = next.map { "\(publicURL.base)\(WebhookRoutes.path)/\(id.text)/deliveries?\(query.next($0))" }
        return JSONAnswer.page(items: page.deliveries, next: next, target: target) { Representation.delivery($0, &$1) }.response
    }

    private func show(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.read)
        let details = try await webhooks.delivery(
            try context.identifier("delivery_id"), of: try context.webhookID, accountID: context.caller.accountID)
        let representation = Representation(base: publicURL.base)
        return JSONAnswer(items: 2) { representation.delivery(details, &$0) }.response
    }

    private func replay(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let (id, deliveryID) = (try context.webhookID, try context.identifier("delivery_id"))
        let call = try calls.call(request, context)
        let fingerprint = try await bodyReader.withObjectIfAny(of: request, from: context.caller) {
            call.fingerprint(of: $0)
        } handle: {
            fingerprint, _ in
            fingerprint
        }
        let queued: @Sendable (WebhookDelivery) -> JSONAnswer = { delivery in
            JSONAnswer(status: .accepted) { Representation.delivery(delivery, requestID: context.requestID, &$0) }
        }
        return try await call.perform(fingerprint: fingerprint, answer: queued) { claim in
            try await webhooks.replay(deliveryID, of: id, accountID: context.caller.accountID, claim: claim)
        }
    }

    private func replayMany(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.write)
        let id = try context.webhookID
        let call = try calls.call(request, context)
        let queued: @Sendable (ReplayProgress) -> JSONAnswer = { progress in
            JSONAnswer(status: .accepted) { writer in
                writer.object { writer in
                    writer.member("queued", progress.queued)
                    writer.member("has_more", progress.hasMore)
                    writer.member("request_id", context.requestID)
                }
            }
        }
        return try await bodyReader.withObject(of: request, from: context.caller) { body in
            (
                draft: ReplayDraft(since: body.string("since"), until: body.string("until"), status: body.string("status")),
                fingerprint: call.fingerprint(of: body)
            )
        } handle: { form, _ in
            try await call.perform(fingerprint: form.fingerprint, answer: queued) { claim in
                try await webhooks.replay(try form.draft.checked(), of: id, accountID: context.caller.accountID, claim: claim)
            }
        }
    }
}
