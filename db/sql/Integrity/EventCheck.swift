import Personas

/// Whether the events tell what has become of items, each once and in order.
///
/// What is not there proves something only where nothing may have taken it away: events expire, and progress goes with its item.
enum EventCheck {
    /// Accounts whose events and whose count of them cannot both be right.
    static func counts(_ connection: any SQLConnection) throws -> [Finding] {
        try identifiers(
            connection,
            """
            SELECT DISTINCT event.account_id FROM event LEFT JOIN event_counter USING (account_id)
                WHERE last_sequence IS NULL OR sequence > last_sequence
            UNION SELECT account_id FROM event_counter WHERE expired_sequence < 0 OR expired_sequence > last_sequence
            """
        ).map { finding($0, "The account's events go beyond those that were counted") }
    }

    /// Accounts that miss an event although nothing of the time around it can have expired, and no item has gone since, whose progress would be gone too.
    /// What a restore passes over is missing by right.
    static func holes(since begin: Timestamp) -> @Sendable (any SQLConnection) throws -> [Finding] {
        { connection in
            try identifiers(
                connection,
                """
                WITH told AS (
                    SELECT account_id, sequence, at, lag(sequence) OVER account AS before, lag(at) OVER account AS before_at FROM event
                    WHERE sequence > (SELECT expired_sequence FROM event_counter WHERE account_id = event.account_id)
                    WINDOW account AS (PARTITION BY account_id ORDER BY sequence)
                ), gone AS (SELECT account_id, max(sequence) AS latest FROM event WHERE kind = 'deleted' GROUP BY account_id)
                SELECT DISTINCT account_id FROM told LEFT JOIN gone USING (account_id)
                WHERE sequence > before + 1 AND sequence <= before + ?2 AND at >= ?1 AND before_at >= ?1 AND coalesce(latest, 0) <= before
                """, [begin, RestoredEpoch.sequencesPassed]
            ).map { finding($0, "An event of the account is missing between two others") }
        }
    }

    /// Items that are not as their last event tells. While one is in training its progress may have come further than was told. The link that was told is
    /// held against the link that there is: whether the item's copy of it is right is another question.
    static func items(_ connection: any SQLConnection) throws -> [Finding] {
        try identifiers(
            connection,
            """
            SELECT item.id FROM pikzonality AS item JOIN event ON event.item_id = item.id
                AND event.sequence = (SELECT max(latest.sequence) FROM event AS latest WHERE latest.item_id = item.id)
            WHERE event.kind IN ('deleted', 'trashed') OR event.account_id <> item.account_id OR event.mode <> item.mode
                OR event.name IS DISTINCT FROM item.name OR event.status IS DISTINCT FROM item.status OR event.version > item.version
                OR item.status <> 'processing' AND (
                    event.version <> item.version OR event.updated_at <> item.updated_at
                    OR event.portrait_token IS DISTINCT FROM
                        (SELECT token FROM image_link WHERE pikzonality_id = item.id AND position = -1)
                    OR event.metadata IS DISTINCT FROM item.metadata
                    OR event.special_instructions IS DISTINCT FROM item.special_instructions
                    OR event.external_id IS DISTINCT FROM item.external_id)
            UNION SELECT id FROM pikzonality JOIN event_reduction ON item_id = id
            """
        ).map { finding($0, "The item is not what its last event tells") }
    }

    /// Items that are gone, what they were like being still there, with nothing to say that it has to go.
    static func reductions(_ connection: any SQLConnection) throws -> [Finding] {
        try identifiers(
            connection,
            """
            SELECT DISTINCT item_id FROM event AS gone WHERE kind = 'deleted'
            AND NOT EXISTS (SELECT 1 FROM event_reduction WHERE event_reduction.item_id = gone.item_id)
            AND EXISTS (SELECT 1 FROM event WHERE event.item_id = gone.item_id AND name IS NOT NULL)
            """
        ).map { finding($0, "Events still hold what the item was like, which is gone") }
    }

    /// The identifiers that a query finds, as texts.
    private static func identifiers(_ connection: any SQLConnection, _ sql: String, _ values: SQLValues = []) throws -> [String] {
        try connection.all(sql, values) { try $0.identifier(0).text }
    }

    private static func finding(_ subject: String, _ detail: String) -> Finding { Finding(.eventsDisagree, subject, detail) }
}
