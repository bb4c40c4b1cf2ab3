import Foundation
import Personas

/// The row of one delivery, with its latest attempt.
enum DeliveryRow {
    /// The columns of an attempt that `attempt` expects.
    static let attemptColumns = """
        webhook_attempt.at, webhook_attempt.url, webhook_attempt.duration_milliseconds, webhook_attempt.http_status, webhook_attempt.error,
        webhook_attempt.response_body
        """
    static let attemptColumnCount: Int32 = 6

    private static let columns = """
        delivery.id, delivery.event_id, delivery.event_type, delivery.sequence, \(status("delivery")), delivery.attempts,
        CASE WHEN delivery.next_attempt_at < webhook.slowed_until THEN webhook.slowed_until ELSE delivery.next_attempt_at END,
        delivery.created_at,
        coalesce(delivery.finished_at, webhook.cancelled_at), \(attemptColumns)
        """

    /// Selects deliveries of an endpoint; conditions follow.
    static let select = """
        SELECT \(columns) FROM webhook_delivery AS delivery JOIN webhook ON webhook.id = delivery.webhook_id
            LEFT JOIN webhook_attempt ON webhook_attempt.delivery_number = delivery.number AND webhook_attempt.number = delivery.attempts
        """

    static let statuses = StoredWords<WebhookDelivery.Status>()
    private static let errors = StoredWords<DeliveryError>()

    /// How a delivery stands beside the row of its endpoint: one that was queued before the endpoint's queue was cancelled is cancelled, too.
    static func status(_ table: String) -> String {
        "CASE WHEN \(table).status = 'pending' AND \(table).generation <> webhook.generation THEN 'cancelled' ELSE \(table).status END"
    }

    /// Reads a row whose columns are those of `select`.
    static func decode(_ row: SQLRow) throws -> WebhookDelivery {
        let status = try row.word(4, of: statuses)
        return WebhookDelivery(
            id: try row.identifier(0), eventID: try row.identifier(1), eventType: try type(row, 2), sequence: row.integer(3),
            status: status,
            attempts: Int(row.integer(5)), nextAttemptAt: status == .pending ? row.timestampIfAny(6) : nil,
            lastAttempt: try attempt(row, from: 9), createdAt: row.timestamp(7),
            finishedAt: status == .pending ? nil : row.timestampIfAny(8))
    }

    /// An attempt, whose columns begin at one; nil where there is none.
    static func attempt(_ row: SQLRow, from column: Int32) throws -> DeliveryAttempt? {
        guard let at = row.timestampIfAny(column) else { return nil }
        return DeliveryAttempt(
            at: at, url: try row.requiredText(column + 1), durationMilliseconds: row.integer(column + 2),
            httpStatus: row.integerIfAny(column + 3), error: row.text(column + 4) == nil ? nil : try row.word(column + 4, of: errors),
            responseBody: row.text(column + 5))
    }

    /// The type of an event.
    static func type(_ row: SQLRow, _ column: Int32) throws -> EventType {
        guard let type = EventType(try row.requiredText(column)) else { throw Failure.unexpected("A delivery is of an unknown type") }
        return type
    }
}

/// Writes deliveries.
enum DeliveryRows {
    private static let endpoints = """
        SELECT id, events, disabled_reason IS NULL, generation FROM webhook WHERE account_id = ? ORDER BY created_at, id
        """

    /// Queues an event for every endpoint of its account that wants to be told it, in the transaction that writes it. Endpoints that are disabled get a
    /// delivery that is cancelled from the beginning, by which it is known what they have missed. None is told of its own end.
    static func queue(_ event: Event, _ db: any SQLTransaction) throws {
        var found: [(id: Identifier, filter: WebhookFilter, isEnabled: Bool, generation: Int64)] = []
        try db.walk(endpoints) {
            $0.bind(event.accountID)
        } row: { row in
            guard let filter = WebhookFilter(stored: try row.requiredText(1)) else {
                throw Failure.unexpected("An endpoint of webhooks has an unknown filter")
            }
            found.append((try row.identifier(0), filter, row.integer(2) == 1, row.integer(3)))
            return true
        }
        let wanting = found.filter { $0.filter.matches(event.type) && !event.isEnd(of: $0.id) }
        guard !wanting.isEmpty else { return }
        let sql = "SELECT number FROM event WHERE account_id = ? AND sequence = ?"
        guard let number = try db.first(sql, [event.accountID, event.sequence], row: { $0.integer(0) }) else {
            throw Failure.unexpected("An event has no row")
        }
        for endpoint in wanting {
            let at = event.at.milliseconds
            try db.run(
                """
                INSERT INTO webhook_delivery (id, webhook_id, event_number, event_id, event_type, sequence, item_id, status, generation,
                    next_attempt_at, created_at, finished_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    Identifier.timeOrdered(at: event.at), endpoint.id, number, event.id, event.type.text, event.sequence,
                    event.itemID, (endpoint.isEnabled ? WebhookDelivery.Status.pending : .cancelled).rawValue, endpoint.generation,
                    endpoint.isEnabled ? at : nil, at, endpoint.isEnabled ? nil : at,
                ])
        }
    }

    /// Disables an endpoint, cancels what waits for it, and tells so.
    static func disable(
        _ endpoint: WebhookEndpoint, for reason: WebhookDisabledReason, failingSince: Timestamp?, at now: Timestamp, requestID: String?,
        _ db: any SQLTransaction
    ) throws {
        try db.run(
            """
            UPDATE webhook SET disabled_reason = ?1, generation = generation + 1, cancelled_at = ?2, missing = missing + pending,
                has_stale_deliveries = CASE WHEN pending > 0 THEN 1 ELSE has_stale_deliveries END, pending = 0, updated_at = ?2, version = version + 1
            WHERE id = ?3
            """, [reason.rawValue, now.milliseconds, endpoint.id])
        try Outbox.appendDisabled(
            WebhookNotice(id: endpoint.id, url: endpoint.details.url, disabledReason: reason, failingSince: failingSince),
            of: endpoint.accountID, at: now, requestID: requestID, db)
    }
}

extension Event {
    /// Whether it tells that an endpoint gets nothing any more.
    fileprivate func isEnd(of endpointID: Identifier) -> Bool {
        guard case .webhook(let notice) = subject else { return false }
        return notice.id == endpointID
    }
}
