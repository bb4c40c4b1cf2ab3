/// An address of an account's own that is told of events.
package struct WebhookEndpoint: Sendable, Equatable {
    /// What an endpoint may be.
    package enum Status: String, Sendable, CaseIterable, Codable {
        /// It is told of events.
        case enabled
        /// It is told nothing; events that it would be told are kept as cancelled deliveries, which may be queued later.
        case disabled
    }

    /// The latest delivery at which an attempt was made.
    package struct LastDelivery: Sendable, Equatable {
        /// The delivery's id.
        package let id: Identifier
        /// The event that it tells.
        package let eventID: Identifier
        /// The event's type.
        package let eventType: EventType
        /// How it stands.
        package let status: WebhookDelivery.Status
        /// The latest attempt.
        package let attempt: DeliveryAttempt?

        package init(id: Identifier, eventID: Identifier, eventType: EventType, status: WebhookDelivery.Status, attempt: DeliveryAttempt?) {
            self.id = id
            self.eventID = eventID
            self.eventType = eventType
            self.status = status
            self.attempt = attempt
        }
    }

    /// The endpoint's id.
    package let id: Identifier
    /// Whose it is.
    package let accountID: Identifier
    /// What its owner sets.
    package let details: WebhookDetails
    /// Why it is disabled; nil while it is not.
    package let disabledReason: WebhookDisabledReason?
    /// Since when nothing has reached it; nil after a success. A failure beside a success counts as later.
    package let failingSince: Timestamp?
    /// Deliveries that wait for their first or next attempt.
    package let pending: Int
    /// Events that it was not told because it was disabled, and could be told still: its cancelled deliveries. What was tried in vain to the end is
    /// not among them, because that is a failed delivery.
    package let missing: Int
    /// Until when the secret before the present one signs as well; nil where none does.
    package let previousSecretExpiresAt: Timestamp?
    /// The latest delivery at which an attempt was made; nil where there is none, or none any more.
    package let lastDelivery: LastDelivery?
    /// When it was made.
    package let createdAt: Timestamp
    /// When its owner or an operator changed it last, or the service disabled it.
    package let updatedAt: Timestamp
    /// Counts its changes, those of its deliveries among them.
    package let version: Int

    package init(
        id: Identifier, accountID: Identifier, details: WebhookDetails, disabledReason: WebhookDisabledReason? = nil,
        failingSince: Timestamp? = nil, pending: Int = 0, missing: Int = 0, previousSecretExpiresAt: Timestamp? = nil,
        lastDelivery: LastDelivery? = nil, createdAt: Timestamp, updatedAt: Timestamp, version: Int = 1
    ) {
        self.id = id
        self.accountID = accountID
        self.details = details
        self.disabledReason = disabledReason
        self.failingSince = failingSince
        self.pending = pending
        self.missing = missing
        self.previousSecretExpiresAt = previousSecretExpiresAt
        self.lastDelivery = lastDelivery
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.version = version
    }

    /// Whether it is told of events.
    package var status: Status { disabledReason == nil ? .enabled : .disabled }
}

/// What the owner of an endpoint sets.
package struct WebhookDetails: Sendable, Equatable {
    /// Where events go, as it was given.
    package var url: String
    /// What the owner wrote down about it.
    package var description: String?
    /// Which events it is told.
    package var filter: WebhookFilter

    package init(url: String, description: String?, filter: WebhookFilter) {
        self.url = url
        self.description = description
        self.filter = filter
    }
}

/// What an event tells of an endpoint.
package struct WebhookNotice: Sendable, Equatable, Codable {
    /// The endpoint's id.
    package let id: Identifier
    /// Where events went.
    package let url: String
    /// Why nothing goes there any more; nil where nothing of the kind is told.
    package let disabledReason: WebhookDisabledReason?
    /// Since when nothing has reached it, RFC 3339; nil where something did.
    package let failingSince: String?

    /// Tells of an endpoint; the moment is kept as the text that clients get.
    package init(id: Identifier, url: String, disabledReason: WebhookDisabledReason? = nil, failingSince: Timestamp? = nil) {
        self.id = id
        self.url = url
        self.disabledReason = disabledReason
        self.failingSince = failingSince?.text
    }
}
