import Foundation
import Personas

/// Deliveries as rows, for whoever delivers them.
struct SQLDeliveryStore: DeliveryStore {
    /// Rows that one look at the queue of an endpoint passes over in search of what may be tried.
    private static let passedMax = 1_000

    let writer: any SQLWriter
    let readers: any SQLReader
    let sealing: any SecretSealing

    private static let waiting =
        "webhook_delivery.webhook_id = webhook.id AND webhook_delivery.generation = webhook.generation AND status = 'pending'"
    private static let healthColumns = "failures_in_row, failing_since, last_failure_at, slowed_until"

    func dueEndpoints(at now: Timestamp, after id: Identifier?, limit: Int) async throws(Failure) -> [DueEndpoint] {
        try await readers.read { connection in
            var endpoints: [DueEndpoint] = []
            try connection.query(
                """
                SELECT id, account_id, \(Self.healthColumns) FROM webhook
                WHERE pending > 0 AND disabled_reason IS NULL AND id > ?1 AND coalesce(slowed_until, 0) <= ?2
                    AND EXISTS (SELECT 1 FROM webhook_delivery WHERE \(Self.waiting) AND next_attempt_at <= ?2)
                ORDER BY id LIMIT ?3
                """, [id ?? .nilUUID, now.milliseconds, limit]
            ) { row in
                endpoints.append(
                    DueEndpoint(id: try row.identifier(0), accountID: try row.identifier(1), health: Self.health(row, from: 2)))
            }
            return endpoints
        }
    }

    func dueDeliveries(
        of endpointID: Identifier, at now: Timestamp, excluding: Set<Identifier>, items: Set<Identifier>, limit: Int
    ) async throws(Failure) -> [DueDelivery] {
        try await readers.read { connection in
            try connection.atOneMoment {
                let sql = "SELECT account_id, url, generation FROM webhook WHERE id = ? AND disabled_reason IS NULL"
                let found = try connection.first(sql, [endpointID]) { row in
                    (accountID: try row.identifier(0), url: try row.requiredText(1), generation: row.integer(2))
                }
                guard let (accountID, url, generation) = found else { return [] }
                let numbers = try Self.due(
                    endpointID, generation: generation, at: now, excluding: excluding, items: items, limit: limit, connection)
                guard !numbers.isEmpty else { return [] }
                var secrets: [WebhookSecret] = []
                for sealed in try SQLWebhookStore.secrets(of: endpointID, at: now, connection) {
                    secrets.append(try sealing.open(sealed, for: endpointID))
                }
                return try numbers.map { due in
                    let sql =
                        """
                        SELECT \(EventRow.columns) FROM webhook_delivery CROSS JOIN event
                        WHERE event.number = event_number AND webhook_delivery.number = ?
                        """
                    let event = try connection.first(sql, [due.number]) { try EventRow.decode($0, accountID: accountID) }
                    guard let event else { throw Failure.unexpected("A delivery has no event") }
                    return DueDelivery(
                        id: due.id, timesQueued: due.timesQueued, endpointID: endpointID, accountID: accountID, url: url, secrets: secrets,
                        event: event)
                }
            }
        }
    }

    func nextDueAt(after now: Timestamp) async throws(Failure) -> Timestamp? {
        try await readers.read { connection in
            // What waits while its endpoint is left alone becomes due when that is over.
            try connection.first(
                """
                SELECT min(CASE WHEN due_at < slowed_until THEN slowed_until ELSE due_at END) FROM (
                    SELECT slowed_until, CASE WHEN slowed_until > ?1
                        THEN (SELECT min(next_attempt_at) FROM webhook_delivery WHERE \(Self.waiting))
                        ELSE (SELECT min(next_attempt_at) FROM webhook_delivery WHERE \(Self.waiting) AND next_attempt_at > ?1) END AS due_at
                    FROM webhook WHERE pending > 0 AND disabled_reason IS NULL) AS waiting
                """, [now.milliseconds]
            ) { $0.timestampIfAny(0) } ?? nil
        }
    }

    func oldestDueAt(_ now: Timestamp) async throws(Failure) -> Timestamp? {
        try await readers.read { connection in
            try connection.first(
                """
                SELECT min(CASE WHEN due_at < slowed_until THEN slowed_until ELSE due_at END) FROM (
                    SELECT slowed_until,
                        (SELECT min(next_attempt_at) FROM webhook_delivery WHERE \(Self.waiting) AND next_attempt_at <= ?1) AS due_at
                    FROM webhook WHERE pending > 0 AND disabled_reason IS NULL AND coalesce(slowed_until, 0) <= ?1) AS waiting
                """, [now.milliseconds]
            ) { $0.timestampIfAny(0) } ?? nil
        }
    }

    func record(
        _ attempt: DeliveryAttempt, of deliveryID: Identifier, timesQueued: Int, waitFactor: Double
    ) async throws(Failure) -> RecordedAttempt {
        try await writer.write { db in
            try db.lock {
                let sql = """
                    SELECT webhook.account_id FROM webhook_delivery JOIN webhook ON webhook.id = webhook_delivery.webhook_id
                    WHERE webhook_delivery.id = ?
                    """
                return try db.first(sql, [deliveryID]) { try $0.identifier(0) }
            }
            guard let delivery = try Attempted.find(deliveryID, timesQueued: timesQueued, db) else { return RecordedAttempt(outcome: nil) }
            try Self.log(attempt, delivery, db)
            guard let endpoint = delivery.endpoint else { return RecordedAttempt(outcome: nil) }
            // Another URL's failures are not those of the present one.
            let isPresent = attempt.url.utf8.elementsEqual(endpoint.details.url.utf8)
            let verdict = DeliveryRules.verdict(
                on: attempt, attempts: delivery.attemptsSinceQueued + 1, health: isPresent ? delivery.health : EndpointHealth(),
                waitFactor: waitFactor)
            try Self.note(isPresent && endpoint.status == .enabled ? verdict.health : delivery.health, delivery.number, of: endpoint.id, db)
            // What a former URL does not want is for the present one.
            let outcome = verdict.outcome == .cancelled && !isPresent ? .retry(at: attempt.endedAt) : verdict.outcome
            if delivery.isWaiting { try Self.settle(delivery.number, outcome, at: attempt.endedAt, db) }
            var disabled: WebhookDisabledReason?
            if isPresent, endpoint.status == .enabled, let reason = verdict.disabling {
                try DeliveryRows.disable(
                    endpoint, for: reason, failingSince: verdict.health.failingSince, at: attempt.endedAt, requestID: nil, db)
                disabled = reason
            }
            return RecordedAttempt(outcome: delivery.isWaiting ? outcome : nil, disabled: disabled)
        }
    }

    /// Deliveries of an endpoint that may be tried: of each item the first of those that are due.
    private static func due(
        _ endpointID: Identifier, generation: Int64, at now: Timestamp, excluding: Set<Identifier>, items: Set<Identifier>, limit: Int,
        _ connection: any SQLConnection
    ) throws -> [(number: Int64, id: Identifier, timesQueued: Int)] {
        var found: [Candidate] = []
        var busyItems = items
        var passed = 0
        let columns = "sequence, number, id, times_queued, item_id"
        let rest = "webhook_id = ?1 AND generation = ?2 AND status = 'pending' AND next_attempt_at <= ?3"
        try connection.walk("SELECT \(columns) FROM webhook_delivery WHERE \(rest) ORDER BY next_attempt_at, sequence LIMIT \(passedMax)") {
            parameters in
            parameters.bind(endpointID)
            parameters.bind(generation)
            parameters.bind(now.milliseconds)
        } row: { row in
            passed += 1
            var candidate = try Self.candidate(row)
            if excluding.contains(candidate.id) { return passed < passedMax }
            if let itemID = Identifier(bytes: row.bytes(4)) {
                guard busyItems.insert(itemID).inserted else { return passed < passedMax }
                // A retry of an earlier event may have become due after a later one.
                let first = try connection.first(
                    "SELECT \(columns) FROM webhook_delivery WHERE \(rest) AND item_id = ?4 ORDER BY sequence LIMIT 1",
                    [endpointID, generation, now.milliseconds, itemID]
                ) { try Self.candidate($0) }
                candidate = first ?? candidate
                if excluding.contains(candidate.id) { return passed < passedMax }
            }
            found.append(candidate)
            return found.count < limit && passed < passedMax
        }
        return found.sorted { $0.sequence < $1.sequence }.map { ($0.number, $0.id, $0.timesQueued) }
    }

    private typealias Candidate = (sequence: Int64, number: Int64, id: Identifier, timesQueued: Int)

    private static func candidate(_ row: SQLRow) throws -> Candidate {
        (row.integer(0), row.integer(1), try row.identifier(2), Int(row.integer(3)))
    }

    private static func health(_ row: SQLRow, from column: Int32) -> EndpointHealth {
        EndpointHealth(
            failuresInRow: Int(row.integer(column)), failingSince: row.timestampIfAny(column + 1),
            lastFailureAt: row.timestampIfAny(column + 2), slowedUntil: row.timestampIfAny(column + 3))
    }

    /// Puts an attempt into the log, of which the latest are kept.
    private static func log(_ attempt: DeliveryAttempt, _ delivery: Attempted, _ db: any SQLTransaction) throws {
        let number = delivery.attempts + 1
        try db.run(
            """
            INSERT INTO webhook_attempt (delivery_number, number, at, url, duration_milliseconds, http_status, error, response_body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                delivery.number, number, attempt.at.milliseconds, attempt.url, attempt.durationMilliseconds, attempt.httpStatus,
                attempt.error?.rawValue, attempt.responseBody,
            ])
        try db.run(
            "DELETE FROM webhook_attempt WHERE delivery_number = ? AND number <= ?",
            [delivery.number, number - Limits.deliveryAttemptsKept])
        try db.run(
            "UPDATE webhook_delivery SET attempts = ?, attempts_since_queued = attempts_since_queued + ? WHERE number = ?",
            [number, delivery.isQueuedAnew ? 0 : 1, delivery.number])
    }

    private static func note(_ health: EndpointHealth, _ number: Int64, of endpointID: Identifier, _ db: any SQLTransaction) throws {
        try db.run(
            """
            UPDATE webhook SET failures_in_row = ?, failing_since = ?, last_failure_at = ?, slowed_until = ?, last_delivery_number = ?,
                version = version + 1
            WHERE id = ?
            """,
            [
                health.failuresInRow, health.failingSince?.milliseconds, health.lastFailureAt?.milliseconds,
                health.slowedUntil?.milliseconds,
                number, endpointID,
            ])
    }

    private static func settle(_ number: Int64, _ outcome: DeliveryOutcome, at end: Timestamp, _ db: any SQLTransaction) throws {
        let status: WebhookDelivery.Status
        switch outcome {
        case .retry(let at):
            return try db.run("UPDATE webhook_delivery SET next_attempt_at = ? WHERE number = ?", [at.milliseconds, number])
        case .succeeded: status = .succeeded
        case .failed: status = .failed
        case .cancelled: status = .cancelled
        }
        try db.run(
            "UPDATE webhook_delivery SET status = ?, next_attempt_at = NULL, finished_at = ? WHERE number = ?",
            [status.rawValue, end.milliseconds, number])
    }

    /// A delivery at which an attempt was made.
    private struct Attempted {
        let number: Int64
        let attempts: Int
        let attemptsSinceQueued: Int
        /// Whether it still waits for what comes of the attempt.
        let isWaiting: Bool
        /// Whether it was queued since the attempt began.
        let isQueuedAnew: Bool
        /// The endpoint; nil where it is gone.
        let endpoint: WebhookEndpoint?
        let health: EndpointHealth

        static func find(_ id: Identifier, timesQueued: Int, _ db: any SQLTransaction) throws -> Attempted? {
            let sql = """
                SELECT number, attempts, attempts_since_queued, webhook_delivery.webhook_id,
                    status = 'pending' AND webhook_delivery.generation IS NOT DISTINCT FROM webhook.generation, times_queued, \(healthColumns)
                FROM webhook_delivery LEFT JOIN webhook ON webhook.id = webhook_delivery.webhook_id WHERE webhook_delivery.id = ?
                """
            return try db.first(sql, [id]) { row in
                let endpointID = try row.identifier(3)
                let endpoint = try db.first("\(WebhookRow.select) WHERE webhook.id = ?", [endpointID]) {
                    try WebhookRow.decode($0)
                }
                let isQueuedAnew = Int(row.integer(5)) != timesQueued
                return Attempted(
                    number: row.integer(0), attempts: Int(row.integer(1)), attemptsSinceQueued: Int(row.integer(2)),
                    isWaiting: row.integer(4) == 1 && !isQueuedAnew, isQueuedAnew: isQueuedAnew, endpoint: endpoint,
                    health: SQLDeliveryStore.health(row, from: 6))
            }
        }
    }
}
