import Foundation
import Personas

/// Deliveries as rows, for those who look at them and queue them anew.
struct SQLDeliveryLogStore: DeliveryLogStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func deliveries(
        of reference: WebhookReference, _ filter: DeliveryFilter, after place: DeliveryPlace?, limit: Int
    ) async throws(Failure) -> (deliveries: [WebhookDelivery], hasMore: Bool) {
        let found = try await readers.read { connection in
            _ = try WebhookRow.find(reference, connection)
            var deliveries: [WebhookDelivery] = []
            var arguments: SQLValues = [reference.id, limit + 1]
            arguments += [
                place?.createdAt.milliseconds ?? .max, place?.sequence ?? .max,
            ]
            if let eventID = filter.eventID { arguments.append(eventID) }
            try connection.query(Self.page(filter, connection.dialect), arguments) { deliveries.append(try DeliveryRow.decode($0)) }
            return deliveries
        }
        return (Array(found.prefix(limit)), found.count > limit)
    }

    func delivery(_ id: Identifier, of reference: WebhookReference) async throws(Failure) -> WebhookDeliveryDetails {
        try await readers.read { connection in
            try connection.atOneMoment {
                let endpoint = try WebhookRow.find(reference, connection)
                let delivery = try Self.find(id, of: reference, connection)
                var attempts: [DeliveryAttempt] = []
                try connection.query(
                    """
                    SELECT \(DeliveryRow.attemptColumns) FROM webhook_delivery CROSS JOIN webhook_attempt
                    WHERE delivery_number = webhook_delivery.number AND webhook_delivery.id = ? ORDER BY webhook_attempt.number
                    """, [id]
                ) { row in
                    if let attempt = try DeliveryRow.attempt(row, from: 0) { attempts.append(attempt) }
                }
                let event = try connection.first(
                    """
                    SELECT \(EventRow.columns) FROM webhook_delivery CROSS JOIN event
                    WHERE event.number = webhook_delivery.event_number AND webhook_delivery.id = ?
                    """, [id]
                ) { try EventRow.decode($0, accountID: endpoint.accountID) }
                guard let event else { throw Failure.unexpected("A delivery has no event") }
                return WebhookDeliveryDetails(delivery: delivery, attempts: attempts, event: event, url: endpoint.details.url)
            }
        }
    }

    func replay(
        _ id: Identifier, of reference: WebhookReference, in context: WriteContext<WebhookDelivery>
    ) async throws(Failure) -> WebhookDelivery {
        try await writer.write(in: context, of: reference.accountID) { db in
            let generation = try Self.generation(of: reference, db)
            _ = try Self.find(id, of: reference, db)
            try Self.queue("id = ?3", [id], generation: generation, at: context.now, db)
            return try Self.find(id, of: reference, db)
        }
    }

    func replay(
        _ request: ReplayRequest, of reference: WebhookReference, after done: ReplayProgress, limit: Int, queuedMax: Int,
        in context: WriteContext<ReplayProgress>
    ) async throws(Failure) -> ReplayProgress {
        try await writer.write(in: context, of: reference.accountID, recording: { $0.isDone ? $0 : nil }) { db in
            let generation = try Self.generation(of: reference, db)
            let wanted = min(limit, queuedMax - done.queued)
            var found: [(number: Int64, place: DeliveryPlace)] = []
            var arguments: SQLValues = [
                reference.id, wanted + 1,
                max(request.since.milliseconds, done.last?.createdAt.milliseconds ?? .min),
                request.until?.milliseconds ?? .max, done.last?.createdAt.milliseconds ?? .min,
                done.last?.sequence ?? 0,
            ]
            if request.kind != .failed { arguments.append(generation) }
            try db.query(Self.replayed(request.kind, db.dialect), arguments) { row in
                found.append((row.integer(0), DeliveryPlace(createdAt: row.timestamp(1), sequence: row.integer(2))))
            }
            for delivery in found.prefix(wanted) {
                try Self.queue("number = ?3", [delivery.number], generation: generation, at: context.now, db)
            }
            var progress = done
            progress.queued += min(found.count, wanted)
            progress.last = found.prefix(wanted).last?.place ?? done.last
            let isFull = progress.queued == queuedMax
            progress.hasMore = isFull && found.count > wanted
            progress.isDone = isFull || found.count <= wanted
            return progress
        }
    }

    func clear(at now: Timestamp, limit: Int) async throws(Failure) -> Int {
        let isAnythingLeft = try await readers.read { connection in
            try connection.finds(
                """
                SELECT 1 WHERE EXISTS (SELECT 1 FROM webhook WHERE has_stale_deliveries = 1) OR EXISTS (SELECT 1 FROM webhook_removal)
                    OR EXISTS (SELECT 1 FROM webhook WHERE previous_secret_expires_at IS NOT NULL AND previous_secret_expires_at <= ?)
                """, [now.milliseconds])
        }
        guard isAnythingLeft else { return 0 }
        return try await writer.write { db in
            var done = try Self.bringInLine(limit: limit, db)
            if done < limit { done += try Self.remove(limit: limit - done, db) }
            if done < limit { done += try Self.wipeSecrets(at: now, limit: limit - done, db) }
            return done
        }
    }

    func firstSecretEnd() async throws(Failure) -> Timestamp? {
        try await readers.read { connection in
            let sql = "SELECT min(previous_secret_expires_at) FROM webhook WHERE previous_secret_expires_at IS NOT NULL"
            return try connection.first(sql, []) { $0.timestampIfAny(0) } ?? nil
        }
    }

    private static func find(_ id: Identifier, of reference: WebhookReference, _ connection: any SQLConnection) throws -> WebhookDelivery {
        let sql = "\(DeliveryRow.select) WHERE delivery.id = ? AND delivery.webhook_id = ?"
        _ = try WebhookRow.find(reference, connection)
        let found = try connection.first(sql, [id, reference.id]) { try DeliveryRow.decode($0) }
        guard let found else { throw Failure.notFound }
        return found
    }

    /// The query of a page. Cancelled deliveries are found in two walks, because some may say otherwise themselves.
    private static func page(_ filter: DeliveryFilter, _ dialect: SQLDialect) -> String {
        let event = filter.eventID == nil ? "" : "AND delivery.event_id = ?5"
        let walks: [String] =
            switch filter.status {
            case nil: [""]
            case .pending: ["AND delivery.status = 'pending' AND delivery.generation = webhook.generation"]
            case .cancelled:
                ["AND delivery.status = 'cancelled'", "AND delivery.status = 'pending' AND delivery.generation <> webhook.generation"]
            case let status?: ["AND delivery.status = '\(status.rawValue)'"]
            }
        // What is ordered by has to be selected where walks are merged.
        let texts = walks.map { walk in
            """
            \(DeliveryRow.select) WHERE delivery.webhook_id = ?1 AND (delivery.created_at, delivery.sequence) < (?3, ?4) \(event) \(walk)
            """
        }
        return dialect.merging(texts, order: "8 DESC, 4 DESC", limit: "?2")
    }

    /// What is to be queued anew, oldest first. Only what was cancelled is told from what waits by a generation.
    private static func replayed(_ kind: ReplayRequest.Kind, _ dialect: SQLDialect) -> String {
        let walks = kind.statuses.map { "status = '\($0.rawValue)'" }
        let stale = kind == .failed ? [] : ["status = 'pending' AND generation <> ?7"]
        let texts = (walks + stale).map { walk in
            """
            SELECT number, created_at, sequence FROM webhook_delivery WHERE webhook_id = ?1 AND \(walk) AND created_at >= ?3 AND created_at < ?4
                AND (created_at > ?5 OR sequence > ?6)
            """
        }
        return dialect.merging(texts, order: "created_at, sequence", limit: "?2")
    }

    /// The generation under which something is queued.
    /// - Throws: `notFound`, `webhookDisabled`.
    private static func generation(of reference: WebhookReference, _ db: any SQLTransaction) throws -> Int64 {
        guard try WebhookRow.owned(reference, db).status == .enabled else { throw Failure.webhookDisabled }
        return try db.first("SELECT generation FROM webhook WHERE id = ?", [reference.id]) { $0.integer(0) } ?? 0
    }

    private static func queue(
        _ condition: String, _ arguments: SQLValues, generation: Int64, at now: Timestamp, _ db: any SQLTransaction
    ) throws {
        try db.run(
            """
            UPDATE webhook_delivery SET status = 'pending', generation = ?1, next_attempt_at = ?2, finished_at = NULL, attempts_since_queued = 0,
                times_queued = times_queued + 1
            WHERE \(condition)
            """, [generation, now.milliseconds] + arguments)
    }

    private static func bringInLine(limit: Int, _ db: any SQLTransaction) throws -> Int {
        let sql = "SELECT id, generation, cancelled_at FROM webhook WHERE has_stale_deliveries = 1 LIMIT 1"
        let endpoint = try db.first(sql, []) { row in
            (id: try row.identifier(0), generation: row.integer(1), cancelledAt: row.timestamp(2))
        }
        guard let endpoint else { return 0 }
        let done = try db.change(
            """
            UPDATE webhook_delivery SET status = 'cancelled', next_attempt_at = NULL, finished_at = ?4 WHERE number IN (
                SELECT number FROM webhook_delivery WHERE webhook_id = ?1 AND generation < ?2 AND status = 'pending' LIMIT ?3)
            """, [endpoint.id, endpoint.generation, limit, endpoint.cancelledAt])
        guard done < limit else { return done }
        try db.run("UPDATE webhook SET has_stale_deliveries = 0 WHERE id = ?", [endpoint.id])
        // Whoever clears comes back for the next endpoint.
        return limit
    }

    private static func remove(limit: Int, _ db: any SQLTransaction) throws -> Int {
        guard let id = try db.first("SELECT webhook_id FROM webhook_removal LIMIT 1", [], row: { try $0.identifier(0) }) else { return 0 }
        let done = try db.change(
            "DELETE FROM webhook_delivery WHERE number IN (SELECT number FROM webhook_delivery WHERE webhook_id = ? LIMIT ?)", [id, limit])
        guard done < limit else { return done }
        try db.run("DELETE FROM webhook_removal WHERE webhook_id = ?", [id])
        return limit
    }

    private static func wipeSecrets(at now: Timestamp, limit: Int, _ db: any SQLTransaction) throws -> Int {
        try db.change(
            """
            UPDATE webhook SET previous_secret = NULL, previous_secret_expires_at = NULL, version = version + 1 WHERE id IN (
                SELECT id FROM webhook WHERE previous_secret_expires_at IS NOT NULL AND previous_secret_expires_at <= ? LIMIT ?)
            """, [now.milliseconds, limit])
    }
}
