/// One event on its way to one endpoint, as the delivery log shows it. An endpoint has one delivery of each event, however often it is queued.
package struct WebhookDelivery: Sendable, Equatable {
    /// How a delivery stands.
    package enum Status: String, Sendable, CaseIterable, Codable {
        /// It waits for its first or next attempt.
        case pending
        /// The receiver has it.
        case succeeded
        /// It was tried in vain, and is not tried again by itself.
        case failed
        /// Its endpoint was disabled before it had ended or by what it answered to it, or when the event came.
        case cancelled
    }

    /// The delivery's id.
    package let id: Identifier
    /// The event that it tells, which is also its `webhook-id`.
    package let eventID: Identifier
    /// The event's type.
    package let eventType: EventType
    /// The event's sequence, in whose order deliveries are listed.
    package let sequence: Int64
    /// How it stands.
    package let status: Status
    /// Attempts that were made, however often it was queued.
    package let attempts: Int
    /// When the next is made at the earliest, what the endpoint asked for taken into account; nil where none is.
    package let nextAttemptAt: Timestamp?
    /// The latest attempt.
    package let lastAttempt: DeliveryAttempt?
    /// When the event came.
    package let createdAt: Timestamp
    /// When it came to an end; nil while it waits.
    package let finishedAt: Timestamp?

    package init(
        id: Identifier, eventID: Identifier, eventType: EventType, sequence: Int64, status: Status, attempts: Int,
        nextAttemptAt: Timestamp?, lastAttempt: DeliveryAttempt?, createdAt: Timestamp, finishedAt: Timestamp?
    ) {
        self.id = id
        self.eventID = eventID
        self.eventType = eventType
        self.sequence = sequence
        self.status = status
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.lastAttempt = lastAttempt
        self.createdAt = createdAt
        self.finishedAt = finishedAt
    }
}

/// All that is known of a delivery.
package struct WebhookDeliveryDetails: Sendable, Equatable {
    /// The delivery.
    package let delivery: WebhookDelivery
    /// The latest attempts, oldest first, at most `Limits.deliveryAttemptsKept`.
    package let attempts: [DeliveryAttempt]
    /// The event as it is told at this moment. A delivery goes with its event.
    package let event: Event
    /// Where it goes: to the endpoint's URL of this moment.
    package let url: String

    package init(delivery: WebhookDelivery, attempts: [DeliveryAttempt], event: Event, url: String) {
        self.delivery = delivery
        self.attempts = attempts
        self.event = event
        self.url = url
    }
}

/// Which deliveries of an endpoint somebody wants to see.
package struct DeliveryFilter: Sendable, Equatable {
    /// Only those that stand so; nil for all.
    package var status: WebhookDelivery.Status?
    /// Only that of this event; nil for all.
    package var eventID: Identifier?

    /// Takes everything until its members are set.
    package init(status: WebhookDelivery.Status? = nil, eventID: Identifier? = nil) {
        self.status = status
        self.eventID = eventID
    }
}

/// Which deliveries are to be queued anew.
package struct ReplayRequest: Sendable, Equatable {
    /// What they have to be.
    package enum Kind: String, Sendable, CaseIterable {
        /// Tried in vain to the end.
        case failed
        /// Cancelled, because the endpoint was disabled.
        case missing
        /// Whatever does not wait already, succeeded ones too.
        case all

        /// How they stand.
        package var statuses: [WebhookDelivery.Status] {
            switch self {
            case .failed: [.failed]
            case .missing: [.cancelled]
            case .all: [.succeeded, .failed, .cancelled]
            }
        }
    }

    /// What they have to be.
    package let kind: Kind
    /// The moment from which on their events came.
    package let since: Timestamp
    /// The moment before which these came; nil for all that have come.
    package let until: Timestamp?

    package init(kind: Kind, since: Timestamp, until: Timestamp?) {
        self.kind = kind
        self.since = since
        self.until = until
    }
}

/// What is sent of such a request, as found.
package struct ReplayDraft: Sendable {
    /// RFC 3339.
    package var since: JSONField<String>
    /// RFC 3339.
    package var until: JSONField<String>
    /// `failed`, `missing` or `all`.
    package var status: JSONField<String>

    package init(since: JSONField<String>, until: JSONField<String>, status: JSONField<String>) {
        self.since = since
        self.until = until
        self.status = status
    }

    /// Applies every rule at once.
    /// - Throws: `invalid` with all violations.
    package func checked() throws(Failure) -> ReplayRequest {
        var violations: [Violation] = []
        let since = moment(self.since, "since", isRequired: true, &violations)
        let until = moment(self.until, "until", isRequired: false, &violations)
        if let since, let until, until <= since { violations.append(Violation("until", "must be later than since")) }
        var kind: ReplayRequest.Kind?
        if case .value(let text) = status {
            kind = ReplayRequest.Kind.allCases.first { $0.rawValue.utf8.elementsEqual(text.utf8) }
        }
        if kind == nil {
            violations.append(
                Violation("status", "must be one of \(ReplayRequest.Kind.allCases.map(\.rawValue).joined(separator: ", "))"))
        }
        guard violations.isEmpty, let since, let kind else { throw .invalid(violations) }
        return ReplayRequest(kind: kind, since: since, until: until)
    }

    private func moment(
        _ field: JSONField<String>, _ name: String, isRequired: Bool, _ violations: inout [Violation]
    ) -> Timestamp? {
        switch field {
        case .absent where !isRequired, .null where !isRequired: return nil
        case .absent, .null: violations.append(Violation(name, "is required"))
        case .malformed(let rule): violations.append(Violation(name, rule))
        case .value(let text):
            if let moment = Timestamp(text: text) { return moment }
            violations.append(Violation(name, "must be a moment by RFC 3339, such as 2026-11-21T03:29:00Z"))
        }
        return nil
    }
}
