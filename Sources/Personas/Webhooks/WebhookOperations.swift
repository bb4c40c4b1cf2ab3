/// An endpoint of webhooks as an operator's program sees it. Never with its secret.
package struct WebhookReport: Sendable, Codable, Equatable {
    /// The endpoint's id.
    package let id: Identifier
    /// The name of its account.
    package let account: String
    /// Where events go.
    package let url: String
    /// What its owner wrote down about it.
    package let description: String?
    /// Which events it is told, as its owner named them.
    package let events: [String]
    /// Whether it is told of events.
    package let status: WebhookEndpoint.Status
    /// Why it is disabled; nil while it is not.
    package let disabledReason: WebhookDisabledReason?
    /// Since when nothing has reached it, RFC 3339.
    package let failingSince: String?
    /// Deliveries that wait.
    package let pending: Int
    /// Events that it was not told because it was disabled.
    package let missing: Int
    /// When the latest attempt was made, RFC 3339.
    package let lastAttemptAt: String?
    /// What the receiver answered to it.
    package let lastHTTPStatus: Int?
    /// Why it got no answer.
    package let lastError: String?
    /// Until when the secret before the present one signs as well, RFC 3339.
    package let previousSecretExpiresAt: String?
    /// RFC 3339.
    package let createdAt: String
    /// RFC 3339.
    package let updatedAt: String

    init(_ listed: ListedWebhook) {
        let endpoint = listed.endpoint
        id = endpoint.id
        account = listed.accountName
        url = endpoint.details.url
        description = endpoint.details.description
        events = endpoint.details.filter.names
        status = endpoint.status
        disabledReason = endpoint.disabledReason
        failingSince = endpoint.failingSince?.text
        (pending, missing) = (endpoint.pending, endpoint.missing)
        let attempt = endpoint.lastDelivery?.attempt
        lastAttemptAt = attempt?.at.text
        lastHTTPStatus = attempt?.httpStatus
        lastError = attempt?.error?.rawValue
        previousSecretExpiresAt = endpoint.previousSecretExpiresAt?.text
        createdAt = endpoint.createdAt.text
        updatedAt = endpoint.updatedAt.text
    }
}

/// Lists the endpoints of one account or of all, oldest first, a page at a time.
package struct ListWebhooks: PagedOperation {
    private let accountName: String?
    private let id: Identifier?
    private let limit: Int

    /// Asks for those after an endpoint, or for the first.
    package init(accountName: String?, after id: Identifier? = nil, limit: Int = Limits.administrationPageRows) {
        self.accountName = accountName
        self.id = id
        self.limit = Limits.administrationRows(limit)
    }

    /// - Throws: `invalid`, `notFound` for an account that is not there.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [WebhookReport] {
        var name: String?
        if let accountName { name = try Account.normalName(accountName) }
        return try await administration.stores.webhooks.listed(accountName: name, after: id, limit: limit).map(WebhookReport.init)
    }

    package func next(after page: [WebhookReport]) -> ListWebhooks? {
        page.count < limit ? nil : page.last.map { ListWebhooks(accountName: accountName, after: $0.id, limit: limit) }
    }
}

/// Shows an endpoint.
package struct ShowWebhook: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> WebhookReport {
        WebhookReport(try await administration.stores.webhooks.listed(try Identifier(argument: id)))
    }
}

/// Disables an endpoint. Its owner is told so as an event, and may enable it again.
package struct DisableWebhook: AdministrationOperation {
    private let id: String

    package init(id: String) {
        self.id = id
    }

    package static let aimsAtServer = true

    /// - Throws: `invalid`, `notFound`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> WebhookReport {
        let id = try Identifier(argument: id)
        let webhooks = administration.stores.webhooks
        _ = try await webhooks.update(
            WebhookReference(id, of: nil), WebhookChange(status: .disabled), if: .none,
            in: administration.context(.webhooksDisable, id.text))
        administration.signals.deliveryRemovals.notify()
        return WebhookReport(try await webhooks.listed(id))
    }
}

/// Has the secrets of all endpoints sealed with another key.
package struct RotateSecretsKey: AdministrationOperation {
    /// Asks for a key that nobody knows yet.
    package init() {}

    package static let isLong = true

    /// - Throws: as `SecretsKeyRotation.rotate`.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> Confirmation {
        let count = try await administration.stores.secretsKeyRotation.rotate(
            in: administration.context(.webhooksRotateSecretsKey, targets: { $0 == 1 ? ["1 webhook"] : ["\($0) webhooks"] }),
            progress: progress)
        return Confirmation(message: "Secrets of \(count == 1 ? "1 webhook" : "\(count) webhooks") are sealed with a new key")
    }
}
