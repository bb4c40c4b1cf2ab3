/// Why an attempt got no answer, as the delivery log names it.
package enum DeliveryError: String, Error, Sendable, CaseIterable {
    /// No answer came in time.
    case timeout
    /// The name of the host does not exist, or could not be looked up.
    case dns
    /// The host did not take the connection, or cannot be reached.
    case refused
    /// No secure connection could be made, for example because the certificate is for another name.
    case tls
    /// The connection ended before there was an answer, or what came was none.
    case reset
    /// The URL names or leads to an address that deliveries must not go to.
    case forbiddenAddress = "forbidden_address"
}

/// One try to tell an endpoint of an event, as the delivery log shows it.
package struct DeliveryAttempt: Sendable, Equatable {
    /// When it began, which is also the time that its signature covers, in whole seconds.
    package let at: Timestamp
    /// Where it went.
    package let url: String
    /// How long it took.
    package let durationMilliseconds: Int64
    /// What the receiver answered; nil where no answer came.
    package let httpStatus: Int?
    /// Why no answer came; nil where one did.
    package let error: DeliveryError?
    /// The beginning of the answer's body, at most `DeliveryRules.responseCharactersMax` harmless characters; nil where no answer came.
    package let responseBody: String?
    /// The seconds for which the answer asks to be left alone. Not in the log: what follows from it is decided at once.
    package let retryAfterSeconds: Int?

    package init(
        at: Timestamp, url: String, durationMilliseconds: Int64, httpStatus: Int? = nil, error: DeliveryError? = nil,
        responseBody: String? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.at = at
        self.url = url
        self.durationMilliseconds = durationMilliseconds
        self.httpStatus = httpStatus
        self.error = error
        self.responseBody = responseBody
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// When it ended.
    package var endedAt: Timestamp { Timestamp(milliseconds: at.milliseconds + durationMilliseconds) }
}

/// Why an endpoint gets nothing any more.
package enum WebhookDisabledReason: String, Sendable, CaseIterable, Codable {
    /// Its owner, or an operator, said so.
    case manual
    /// It answered that it is gone for good (410).
    case gone
    /// Nothing has reached it for days.
    case failing
}

/// How deliveries to an endpoint have gone lately. Belongs to its URL: another URL begins anew, and so does an endpoint that is enabled again.
package struct EndpointHealth: Sendable, Equatable {
    /// Attempts that failed since the last success.
    package var failuresInRow: Int
    /// Since when nothing has reached it; nil after a success.
    package var failingSince: Timestamp?
    /// When the latest attempt failed; nil after a success.
    package var lastFailureAt: Timestamp?
    /// Until when it asked to be left alone, or is left alone because it is overloaded. Stays set, though over, until an attempt succeeds.
    package var slowedUntil: Timestamp?

    /// An endpoint of which nothing bad is known, unless told otherwise.
    package init(
        failuresInRow: Int = 0, failingSince: Timestamp? = nil, lastFailureAt: Timestamp? = nil, slowedUntil: Timestamp? = nil
    ) {
        self.failuresInRow = failuresInRow
        self.failingSince = failingSince
        self.lastFailureAt = lastFailureAt
        self.slowedUntil = slowedUntil
    }
}

/// What becomes of a delivery by an attempt.
package enum DeliveryOutcome: Sendable, Equatable {
    /// The receiver has it.
    case succeeded
    /// It is tried again, not before that moment.
    case retry(at: Timestamp)
    /// It is not tried again by itself.
    case failed
    /// The endpoint is gone, and the delivery is cancelled with what waits for it.
    case cancelled
}

/// What follows from an attempt, for the delivery and for its endpoint.
package struct DeliveryVerdict: Sendable, Equatable {
    /// What becomes of the delivery.
    package let outcome: DeliveryOutcome
    /// How the endpoint does from now on.
    package let health: EndpointHealth
    /// Why the endpoint is to be disabled; nil where it is not.
    package let disabling: WebhookDisabledReason?

    package init(outcome: DeliveryOutcome, health: EndpointHealth, disabling: WebhookDisabledReason? = nil) {
        self.outcome = outcome
        self.health = health
        self.disabling = disabling
    }
}

/// An endpoint that something is to be delivered to now.
package struct DueEndpoint: Sendable, Equatable {
    /// The endpoint's id.
    package let id: Identifier
    /// Whose it is.
    package let accountID: Identifier
    /// How deliveries to it have gone lately.
    package let health: EndpointHealth

    package init(id: Identifier, accountID: Identifier, health: EndpointHealth) {
        self.id = id
        self.accountID = accountID
        self.health = health
    }
}

/// A delivery whose next attempt is due.
package struct DueDelivery: Sendable, Equatable {
    /// The delivery's id, which no receiver sees: it is told the event's.
    package let id: Identifier
    /// How often it was queued. An attempt settles what it was queued for, and not what is asked for meanwhile.
    package let timesQueued: Int
    /// Where it goes.
    package let endpointID: Identifier
    /// Whose it is.
    package let accountID: Identifier
    /// The URL of the endpoint, as it is now.
    package let url: String
    /// What it is signed with, unsealed, newest first.
    package let secrets: [WebhookSecret]
    /// What is told, as it may be told now: reduced where its item is gone.
    package let event: Event

    package init(
        id: Identifier, timesQueued: Int, endpointID: Identifier, accountID: Identifier, url: String, secrets: [WebhookSecret], event: Event
    ) {
        self.id = id
        self.timesQueued = timesQueued
        self.endpointID = endpointID
        self.accountID = accountID
        self.url = url
        self.secrets = secrets
        self.event = event
    }
}

/// What was written down of an attempt.
package struct RecordedAttempt: Sendable, Equatable {
    /// What became of the delivery; nil where nobody waited for that any more, because it was cancelled, queued anew or is gone.
    package let outcome: DeliveryOutcome?
    /// Why its endpoint was disabled by it; nil where it was not.
    package let disabled: WebhookDisabledReason?

    package init(outcome: DeliveryOutcome?, disabled: WebhookDisabledReason? = nil) {
        self.outcome = outcome
        self.disabled = disabled
    }
}

/// Remembers what is to be delivered and how that went. Everything about a delivery is here alone: whoever delivers knows only what it has in hand,
/// and a process that ends at any moment loses nothing but that.
package protocol DeliveryStore: Sendable {
    /// Enabled endpoints to which an attempt is due and that are not to be left alone at that moment, at most `limit`, in the order of their ids.
    /// - Parameter after: only those whose id is greater; nil for all.
    func dueEndpoints(at now: Timestamp, after: Identifier?, limit: Int) async throws(Failure) -> [DueEndpoint]
    /// Deliveries of one endpoint whose attempts are due, in the order in which they became due, of each item only the one with the lowest sequence
    /// among those that are due. None where the endpoint is disabled or gone. A delivery that waits for its next attempt is not due, and keeps none behind it.
    /// - Parameters:
    ///   - excluding: deliveries that are in hand, which are passed over.
    ///   - items: the items that these tell of, of which none is wanted.
    func dueDeliveries(
        of endpointID: Identifier, at now: Timestamp, excluding: Set<Identifier>, items: Set<Identifier>, limit: Int
    ) async throws(Failure) -> [DueDelivery]
    /// The first moment after `now` at which something becomes due to an enabled endpoint, its being left alone taken into account; nil for none.
    func nextDueAt(after now: Timestamp) async throws(Failure) -> Timestamp?
    /// When the delivery became due that has been due for longest; nil where none is.
    func oldestDueAt(_ now: Timestamp) async throws(Failure) -> Timestamp?
    /// Writes an attempt into the log and does what follows from it, in one transaction. What follows is asked of `DeliveryRules.verdict` there, by what
    /// is known of delivery and endpoint in that moment. Disabling cancels what waits, and is told as an event.
    ///
    /// An attempt at another URL than the endpoint has by now says nothing about the endpoint.
    /// - Parameters:
    ///   - timesQueued: that of the delivery when the attempt began. Where it was queued anew since then it stays queued, whatever came of the attempt.
    ///   - waitFactor: by how much the time to the next attempt differs from the schedule's.
    func record(
        _ attempt: DeliveryAttempt, of deliveryID: Identifier, timesQueued: Int, waitFactor: Double
    ) async throws(Failure) -> RecordedAttempt
}

/// What is sent to a receiver.
package struct WebhookMessage: Sendable {
    /// The event's id: the same in all attempts, so that receivers know what they have.
    package let id: Identifier
    /// Whose it is: what is shared while it is sent is shared by account.
    package let accountID: Identifier
    /// Where it goes.
    package let url: String
    /// What it is signed with, newest first.
    package let secrets: [WebhookSecret]
    /// The event as JSON, byte for byte what is signed and sent.
    package let body: [UInt8]

    package init(id: Identifier, accountID: Identifier, url: String, secrets: [WebhookSecret], body: [UInt8]) {
        self.id = id
        self.accountID = accountID
        self.url = url
        self.secrets = secrets
        self.body = body
    }
}

/// Sends messages to the URLs of strangers, never into the operator's network.
package protocol WebhookSender: Sendable {
    /// Makes one attempt, which takes `DeliveryRules.attemptSecondsMax` at most. Nil where the task was cancelled before it had an answer: then nobody
    /// knows whether the receiver has the message.
    func send(_ message: WebhookMessage) async -> DeliveryAttempt?
}

/// Why a URL cannot be that of an endpoint.
package enum WebhookURLProblem: Sendable, Equatable {
    /// It is not an `https` URL of the form that is taken, for example because it holds credentials.
    case malformed
    /// It names an address, a port or a host that is not public.
    case forbidden
}
