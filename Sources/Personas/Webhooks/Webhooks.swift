/// Whether a URL leads where deliveries may go, as far as its owner is told.
package protocol WebhookTargetCheck: Sendable {
    /// What is wrong with a URL as that of an endpoint; nil where nothing is, or its host cannot be looked up at the moment: each attempt looks again.
    func problem(of url: String, for accountID: Identifier) async -> WebhookURLProblem?
}

/// The use cases of endpoints and their deliveries.
package struct Webhooks: Sendable {
    /// Deliveries that one transaction queues anew, removes or brings in line: few enough that no client's write waits behind them for long.
    private static let deliveriesAtOnce = 250

    private let endpoints: any WebhookStore
    private let log: any DeliveryLogStore
    private let sealing: any SecretSealing
    private let targets: any WebhookTargetCheck
    private let sender: any WebhookSender
    /// Told when something was queued.
    private let queued: WakeSignal
    /// Told when something is to be cleared.
    private let cleared: WakeSignal
    private let clock: WallClock

    /// Ties the use cases to their ports.
    package init(
        endpoints: any WebhookStore, log: any DeliveryLogStore, sealing: any SecretSealing, targets: any WebhookTargetCheck,
        sender: any WebhookSender, signals: WorkSignals, clock: WallClock
    ) {
        self.endpoints = endpoints
        self.log = log
        self.sealing = sealing
        self.targets = targets
        self.sender = sender
        queued = signals.deliveries
        cleared = signals.deliveryRemovals
        self.clock = clock
    }

    /// Adds an endpoint.
    /// - Parameter claim: records the endpoint; its secret is no part of it.
    /// - Throws: `invalid`, `quotaExceeded`.
    package func create(
        _ draft: WebhookDraft, accountID: Identifier, claim: IdempotencyClaim<IssuedWebhook>? = nil, requestID: String? = nil
    ) async throws(Failure) -> IssuedWebhook {
        let details = try await draft.details { await targets.problem(of: $0, for: accountID) }
        let now = clock.now
        let endpoint = WebhookEndpoint(id: .timeOrdered(at: now), accountID: accountID, details: details, createdAt: now, updatedAt: now)
        let secret = WebhookSecret.random()
        let stored = try await endpoints.insert(
            endpoint, secret: try sealing.seal(secret, for: endpoint.id),
            in: WriteContext(at: now, claim: claim?.of { IssuedWebhook(endpoint: $0, secret: secret) }, requestID: requestID))
        return IssuedWebhook(endpoint: stored, secret: secret)
    }

    /// One page of an account's endpoints, newest first.
    package func page(
        accountID: Identifier, after position: WebhookPosition?, limit: Int
    ) async throws(Failure) -> (endpoints: [WebhookEndpoint], hasMore: Bool) {
        try await endpoints.endpoints(accountID: accountID, after: position, limit: limit)
    }

    /// One endpoint.
    /// - Throws: `notFound`.
    package func endpoint(_ id: Identifier, accountID: Identifier) async throws(Failure) -> WebhookEndpoint {
        try await endpoints.endpoint(WebhookReference(id, of: accountID))
    }

    /// Changes an endpoint.
    /// - Throws: `invalid`, `notFound`, `preconditionFailed`.
    package func update(
        _ id: Identifier, accountID: Identifier, _ draft: WebhookDraft, if precondition: Precondition, requestID: String? = nil
    ) async throws(Failure) -> WebhookEndpoint {
        let change = try await draft.change { await targets.problem(of: $0, for: accountID) }
        defer { cleared.notify() }
        return try await endpoints.update(
            WebhookReference(id, of: accountID), change, if: precondition, in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// Removes an endpoint.
    /// - Throws: `notFound`, `preconditionFailed`.
    package func delete(
        _ id: Identifier, accountID: Identifier, if precondition: Precondition, requestID: String? = nil
    ) async throws(Failure) {
        try await endpoints.delete(
            WebhookReference(id, of: accountID), if: precondition, in: WriteContext(at: clock.now, requestID: requestID))
        cleared.notify()
    }

    /// Gives an endpoint another secret.
    /// - Parameter overlapSeconds: how long the one that it has signs beside it; 0 for not at all.
    /// - Throws: `invalid`, `notFound`, `preconditionFailed`.
    package func rotate(
        _ id: Identifier, accountID: Identifier, overlapSeconds: Int, if precondition: Precondition,
        claim: IdempotencyClaim<IssuedWebhook>? = nil, requestID: String? = nil
    ) async throws(Failure) -> IssuedWebhook {
        guard Limits.webhookOverlapSeconds.contains(overlapSeconds) else {
            let range = Limits.webhookOverlapSeconds
            throw .invalid([Violation("overlap_seconds", "must be a whole number from \(range.lowerBound) to \(range.upperBound)")])
        }
        let now = clock.now
        let secret = WebhookSecret.random()
        let endpoint = try await endpoints.rotate(
            WebhookReference(id, of: accountID), to: try sealing.seal(secret, for: id),
            previousUntil: overlapSeconds == 0 ? nil : now.adding(seconds: overlapSeconds), if: precondition,
            in: WriteContext(at: now, claim: claim?.of { IssuedWebhook(endpoint: $0, secret: secret) }, requestID: requestID))
        cleared.notify()
        return IssuedWebhook(endpoint: endpoint, secret: secret)
    }

    /// Sends an endpoint a message that tells of nothing, whether it is enabled or not, and waits for what comes of it. Neither the log nor what is known
    /// of the endpoint tells of it.
    /// - Parameter body: writes an event as receivers are told it.
    /// - Throws: `notFound`, `cancelled`.
    package func test(
        _ id: Identifier, accountID: Identifier, requestID: String?, body: @Sendable (Event) -> [UInt8]
    ) async throws(Failure) -> WebhookTest {
        let now = clock.now
        let target = try await endpoints.target(WebhookReference(id, of: accountID), at: now)
        var secrets: [WebhookSecret] = []
        for sealed in target.secrets { secrets.append(try sealing.open(sealed, for: id)) }
        let event = Event(
            id: .timeOrdered(at: now), accountID: accountID, sequence: 0, type: .webhookTest, at: now,
            subject: .webhook(WebhookNotice(id: id, url: target.url)), requestID: requestID)
        let message = WebhookMessage(id: event.id, accountID: accountID, url: target.url, secrets: secrets, body: body(event))
        guard let attempt = await sender.send(message) else { throw .cancelled }
        return WebhookTest(eventID: event.id, attempt: attempt)
    }

    /// One page of an endpoint's deliveries, newest first.
    /// - Throws: `notFound`.
    package func deliveries(
        of id: Identifier, accountID: Identifier, _ filter: DeliveryFilter, after place: DeliveryPlace?, limit: Int
    ) async throws(Failure) -> (deliveries: [WebhookDelivery], hasMore: Bool) {
        try await log.deliveries(of: WebhookReference(id, of: accountID), filter, after: place, limit: limit)
    }

    /// One delivery with all that is known of it.
    /// - Throws: `notFound`.
    package func delivery(
        _ deliveryID: Identifier, of id: Identifier, accountID: Identifier
    ) async throws(Failure) -> WebhookDeliveryDetails {
        try await log.delivery(deliveryID, of: WebhookReference(id, of: accountID))
    }

    /// Queues a delivery anew.
    /// - Throws: `notFound`, `webhookDisabled`.
    package func replay(
        _ deliveryID: Identifier, of id: Identifier, accountID: Identifier, claim: IdempotencyClaim<WebhookDelivery>? = nil
    ) async throws(Failure) -> WebhookDelivery {
        let delivery = try await log.replay(
            deliveryID, of: WebhookReference(id, of: accountID), in: WriteContext(at: clock.now, claim: claim))
        queued.notify()
        return delivery
    }

    /// Queues many deliveries anew, the oldest `Limits.replayDeliveriesMax` of those that are asked for, some at a time. What a crash leaves of it is
    /// what was queued before; the same request again goes on from there.
    /// - Throws: `notFound`, `webhookDisabled`.
    package func replay(
        _ request: ReplayRequest, of id: Identifier, accountID: Identifier, claim: IdempotencyClaim<ReplayProgress>? = nil
    ) async throws(Failure) -> ReplayProgress {
        let now = clock.now
        var progress = ReplayProgress()
        while !progress.isDone {
            progress = try await log.replay(
                request, of: WebhookReference(id, of: accountID), after: progress, limit: Self.deliveriesAtOnce,
                queuedMax: Limits.replayDeliveriesMax, in: WriteContext(at: now, claim: claim))
            queued.notify()
        }
        return progress
    }

    /// How long there is nothing to clear, unless something is changed meanwhile; nil for as long as nothing is.
    package func pauseUntilClearing() async throws(Failure) -> Duration? {
        try await log.firstSecretEnd().map { .milliseconds(max(0, $0.milliseconds - clock.now.milliseconds)) }
    }

    /// Does what is left of endpoints that were disabled or deleted, and wipes secrets that are over.
    /// - Returns: how many deliveries were cleared.
    package func clear() async throws(Failure) -> Int {
        var count = 0
        while true {
            let cleared = try await log.clear(at: clock.now, limit: Self.deliveriesAtOnce)
            count += cleared
            if cleared < Self.deliveriesAtOnce { return count }
        }
    }
}

/// An endpoint with the secret that it was given, which is shown once.
package struct IssuedWebhook: Sendable {
    /// The endpoint.
    package let endpoint: WebhookEndpoint
    /// Its secret.
    package let secret: WebhookSecret

    package init(endpoint: WebhookEndpoint, secret: WebhookSecret) {
        self.endpoint = endpoint
        self.secret = secret
    }
}

/// What came of trying an endpoint.
package struct WebhookTest: Sendable, Equatable {
    /// The id of the event that was sent.
    package let eventID: Identifier
    /// The attempt.
    package let attempt: DeliveryAttempt

    package init(eventID: Identifier, attempt: DeliveryAttempt) {
        self.eventID = eventID
        self.attempt = attempt
    }
}

extension IdempotencyClaim {
    /// The same claim for a write that knows less than what is recorded.
    func of<Part: Sendable>(_ whole: @escaping @Sendable (Part) -> Value) -> IdempotencyClaim<Part> {
        IdempotencyClaim<Part>(id: id, request: request) { [record] in record(whole($0)) }
    }
}
