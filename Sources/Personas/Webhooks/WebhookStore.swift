/// Where in the list of an account's endpoints one stands, newest first.
package struct WebhookPosition: Sendable, Equatable {
    /// When it was made.
    package let createdAt: Timestamp
    /// Which one of those of that moment.
    package let id: Identifier

    package init(createdAt: Timestamp, id: Identifier) {
        self.createdAt = createdAt
        self.id = id
    }
}

/// An endpoint, as an account or an operator names it. Other accounts' are not there.
package struct WebhookReference: Sendable, Equatable {
    /// The endpoint's id.
    package let id: Identifier
    /// Whose it has to be; nil for an operator, who may name any.
    package let accountID: Identifier?

    package init(_ id: Identifier, of accountID: Identifier?) {
        self.id = id
        self.accountID = accountID
    }
}

/// Remembers endpoints. All calls that name one throw `notFound` where it is not there.
package protocol WebhookStore: Sendable {
    /// Adds an endpoint.
    /// - Throws: `quotaExceeded` where the account has `Limits.webhooksMax`.
    func insert(
        _ endpoint: WebhookEndpoint, secret: SealedSecret, in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint
    /// One endpoint.
    func endpoint(_ reference: WebhookReference) async throws(Failure) -> WebhookEndpoint
    /// Endpoints of an account after a position, newest first, at most `limit` and whether there are more.
    func endpoints(
        accountID: Identifier, after position: WebhookPosition?, limit: Int
    ) async throws(Failure) -> (endpoints: [WebhookEndpoint], hasMore: Bool)
    /// Endpoints of all accounts, or of the one that is named, in the order of their ids, for operators.
    /// - Throws: `notFound` for an account that is not there.
    func listed(accountName: String?, after id: Identifier?, limit: Int) async throws(Failure) -> [ListedWebhook]
    /// One endpoint of any account, for operators.
    func listed(_ id: Identifier) async throws(Failure) -> ListedWebhook
    /// Changes an endpoint. Disabling it cancels what waits and is told as an event, in the same transaction; another URL begins anew with what is known
    /// of how attempts go, and so does enabling.
    /// - Throws: `preconditionFailed`.
    func update(
        _ reference: WebhookReference, _ change: WebhookChange, if precondition: Precondition, in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint
    /// Removes an endpoint with all that is known of it. What is on its way to it may still arrive.
    /// - Throws: `preconditionFailed`.
    func delete(_ reference: WebhookReference, if precondition: Precondition, in context: WriteContext<Void>) async throws(Failure)
    /// Gives an endpoint another secret, beside which the one that it had signs until a moment. One from before that ends.
    /// - Throws: `preconditionFailed`.
    func rotate(
        _ reference: WebhookReference, to secret: SealedSecret, previousUntil end: Timestamp?, if precondition: Precondition,
        in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint
    /// The URL of an endpoint and what is to be signed with at a moment, newest first.
    func target(_ reference: WebhookReference, at now: Timestamp) async throws(Failure) -> (url: String, secrets: [SealedSecret])
}

/// Remembers deliveries for those who look at them and queue them anew. All calls that name an endpoint throw `notFound` where it is not there.
package protocol DeliveryLogStore: Sendable {
    /// Deliveries of an endpoint after a place, newest first, at most `limit` and whether there are more.
    func deliveries(
        of reference: WebhookReference, _ filter: DeliveryFilter, after place: DeliveryPlace?, limit: Int
    ) async throws(Failure) -> (deliveries: [WebhookDelivery], hasMore: Bool)
    /// One delivery with all that is known of it.
    func delivery(_ id: Identifier, of reference: WebhookReference) async throws(Failure) -> WebhookDeliveryDetails
    /// Queues a delivery anew, however it stands. One that waits is due at once.
    /// - Throws: `webhookDisabled`.
    func replay(
        _ id: Identifier, of reference: WebhookReference, in context: WriteContext<WebhookDelivery>
    ) async throws(Failure) -> WebhookDelivery
    /// Queues anew what is asked for, oldest first, at most `limit` in this transaction.
    /// - Parameters:
    ///   - done: what was queued by the transactions before.
    ///   - queuedMax: how many may be queued in all of them. The one that ends it makes the record.
    /// - Throws: `webhookDisabled`.
    func replay(
        _ request: ReplayRequest, of reference: WebhookReference, after done: ReplayProgress, limit: Int, queuedMax: Int,
        in context: WriteContext<ReplayProgress>
    ) async throws(Failure) -> ReplayProgress
    /// Brings in line deliveries that were cancelled with their endpoint, removes those of endpoints that are gone, and wipes secrets that are over by
    /// a moment, at most `limit` of all together.
    /// - Returns: how many were done; fewer than `limit` once nothing is left.
    func clear(at now: Timestamp, limit: Int) async throws(Failure) -> Int
    /// When the first of the previous secrets is over that still sign; nil where none does.
    func firstSecretEnd() async throws(Failure) -> Timestamp?
}

/// Where in the log of an endpoint a delivery stands.
package struct DeliveryPlace: Sendable, Equatable {
    /// When its event came.
    package let createdAt: Timestamp
    /// The event's sequence.
    package let sequence: Int64

    package init(createdAt: Timestamp, sequence: Int64) {
        self.createdAt = createdAt
        self.sequence = sequence
    }
}

/// How far many deliveries have been queued anew.
package struct ReplayProgress: Sendable, Equatable {
    /// How many were queued.
    package var queued: Int
    /// The last of them; nil before the first.
    package var last: DeliveryPlace?
    /// Whether there are none left, or none may be queued any more.
    package var isDone: Bool
    /// Whether there are more than may be queued at once.
    package var hasMore: Bool

    /// Nothing yet, unless told otherwise.
    package init(queued: Int = 0, last: DeliveryPlace? = nil, isDone: Bool = false, hasMore: Bool = false) {
        self.queued = queued
        self.last = last
        self.isDone = isDone
        self.hasMore = hasMore
    }
}

/// An endpoint with the name of its account, for operators.
package struct ListedWebhook: Sendable, Equatable {
    /// The endpoint.
    package let endpoint: WebhookEndpoint
    /// The name of its account.
    package let accountName: String

    package init(endpoint: WebhookEndpoint, accountName: String) {
        self.endpoint = endpoint
        self.accountName = accountName
    }
}

/// What there is of endpoints and deliveries.
package struct WebhookCounts: Sendable, Equatable {
    /// Endpoints.
    package var endpoints: Int
    /// Those that are disabled, by the reason.
    package var disabled: [WebhookDisabledReason: Int]
    /// Deliveries that wait for their first or next attempt.
    package var pending: Int

    package init(endpoints: Int = 0, disabled: [WebhookDisabledReason: Int] = [:], pending: Int = 0) {
        self.endpoints = endpoints
        self.disabled = disabled
        self.pending = pending
    }
}
