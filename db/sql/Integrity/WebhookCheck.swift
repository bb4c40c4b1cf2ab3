import Personas

/// Whether endpoints and their deliveries agree with one another, and with the events that are delivered.
enum WebhookCheck {
    /// Counts of an endpoint that are not those of its deliveries.
    struct Difference: Sendable {
        let id: Identifier
        let kept: (pending: Int, missing: Int)
        let counted: (pending: Int, missing: Int)

        /// What is wrong.
        func finding(repaired isRepaired: Bool) -> Finding {
            Finding(
                .countsDisagree, id.text,
                "The webhook is said to have \(kept.pending) pending and \(kept.missing) missing deliveries, and has \(counted.pending) and \(counted.missing)",
                repaired: isRepaired)
        }
    }

    private static let isPending = "status = 'pending' AND webhook_delivery.generation = webhook.generation"
    private static let isMissing = "(status = 'cancelled' OR status = 'pending' AND webhook_delivery.generation <> webhook.generation)"

    private static func count(_ condition: String) -> String {
        "(SELECT count(*) FROM webhook_delivery WHERE webhook_id = webhook.id AND \(condition))"
    }

    /// Every count that is not what there is at this moment.
    static func differences(_ connection: any SQLConnection) throws -> [Difference] {
        let sql = """
            SELECT id, pending, missing, counted_pending, counted_missing FROM (
                SELECT id, pending, missing, \(count(isPending)) AS counted_pending, \(count(isMissing)) AS counted_missing FROM webhook
            ) AS both_counts
            WHERE pending <> counted_pending OR missing <> counted_missing
            """
        return try connection.all(sql, []) { row in
            Difference(
                id: try row.identifier(0), kept: (Int(row.integer(1)), Int(row.integer(2))),
                counted: (Int(row.integer(3)), Int(row.integer(4))))
        }
    }

    /// Counts anew what is counted wrongly.
    static func repair(_ difference: Difference, by writer: any SQLWriter) async throws(Failure) {
        try await writer.write { db in
            try db.lock { try db.first("SELECT account_id FROM webhook WHERE id = ?", [difference.id]) { try $0.identifier(0) } }
            try db.run(
                "UPDATE webhook SET pending = \(count(isPending)), missing = \(count(isMissing)), version = version + 1 WHERE id = ?",
                [difference.id])
        }
    }

    /// Endpoints that are gone, have deliveries, and are not queued to be cleared of them.
    static func orphans(_ connection: any SQLConnection) throws -> [Identifier] {
        let sql = """
            SELECT DISTINCT webhook_id AS id FROM webhook_delivery WHERE NOT EXISTS (SELECT 1 FROM webhook WHERE id = webhook_id)
                AND NOT EXISTS (SELECT 1 FROM webhook_removal WHERE webhook_removal.webhook_id = webhook_delivery.webhook_id)
            """
        return try connection.all(sql, []) { try $0.identifier(0) }
    }

    /// Has what is left of an endpoint cleared.
    static func queueRemoval(of id: Identifier, by writer: any SQLWriter) async throws(Failure) {
        try await writer.write { db in
            try db.run("INSERT INTO webhook_removal (webhook_id) VALUES (?) ON CONFLICT DO NOTHING", [id])
        }
    }

    /// Deliveries that tell of another event than theirs, or of an account that is not their endpoint's.
    static func deliveries(_ connection: any SQLConnection) throws -> [Finding] {
        let sql = """
            SELECT webhook_delivery.id FROM webhook_delivery JOIN event ON event.number = event_number
                LEFT JOIN webhook ON webhook.id = webhook_id
            WHERE webhook_delivery.event_id <> event.event_id OR webhook_delivery.sequence <> event.sequence
                OR webhook_delivery.item_id IS DISTINCT FROM event.item_id OR webhook.account_id <> event.account_id
            """
        return try connection.all(sql, []) {
            Finding(.deliveriesDisagree, try $0.identifier(0).text, "The delivery is not of the event that it names")
        }
    }

    /// Endpoints whose secrets do not open.
    static func secrets(with sealing: any SecretSealing, _ connection: any SQLConnection) throws -> [Finding] {
        var findings: [Finding] = []
        try connection.query("SELECT id, secret, previous_secret FROM webhook", []) { row in
            let id = try row.identifier(0)
            let sealed = [1, 2].filter { !row.isNull($0) }.map { SealedSecret(bytes: Array(row.bytes($0))) }
            guard !sealed.allSatisfy({ (try? sealing.open($0, for: id)) != nil }) else { return }
            findings.append(Finding(.secretSealed, id.text, "The secret of the webhook does not open with the key that is there"))
        }
        return findings
    }
}
