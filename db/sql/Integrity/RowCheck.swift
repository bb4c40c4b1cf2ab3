import Personas

/// Whether the rows agree with one another, which is the same question on every engine. Each is one statement, which sees one moment.
struct RowCheck {
    /// When it is done.
    let now: Timestamp
    /// What secrets are to open with.
    let sealing: any SecretSealing

    /// The questions that are asked one after another.
    var questions: [@Sendable (any SQLConnection) throws -> [Finding]] {
        [
            Self.tokens, Self.jobsOfItems, Self.jobsWithoutItem, TrashCheck.tokens, TrashCheck.items, TrashCheck.revisions,
            EventCheck.counts,
            EventCheck.holes(since: now.adding(seconds: -Limits.progressEventHoursKept * 3_600)), EventCheck.items, EventCheck.reductions,
            WebhookCheck.deliveries, { [sealing] in try WebhookCheck.secrets(with: sealing, $0) }, Self.imports, CreditCheck.entries,
            CreditCheck.refunds, CreditCheck.openCharges, CreditCheck.trainings, CreditCheck.earlyRefunds, CreditCheck.credited,
            CreditCheck.paid,
        ]
    }

    /// How many items there are.
    static func countItems(_ connection: any SQLConnection) throws -> Int {
        try connection.first("SELECT count(*) FROM pikzonality", []) { Int($0.integer(0)) } ?? 0
    }

    private static func tokens(_ connection: any SQLConnection) throws -> [Finding] {
        // The copy is 16 bytes for each link of a position from 0 on, in their order.
        try items(
            connection, disagreeingTokens(of: "pikzonality", links: "image_link", item: "pikzonality_id", in: connection.dialect)
        ).map { Finding(.tokensDisagree, $0, "The item's image tokens are not those of its links") }
    }

    /// A query of the items whose copy of their tokens differs from their links.
    /// - Parameter item: what links call the id of their item.
    static func disagreeingTokens(of table: String, links: String, item: String, in dialect: SQLDialect) -> String {
        """
        SELECT id FROM \(table) WHERE portrait_token IS DISTINCT FROM
                (SELECT token FROM \(links) WHERE \(item) = id AND position = -1)
            OR length(reference_tokens) <> 16 * (SELECT count(*) FROM \(links) WHERE \(item) = id AND position >= 0)
            OR length(reference_tokens) <> 16 * (
                SELECT count(*) FROM \(links) WHERE \(item) = id AND position >= 0
                    AND substr(reference_tokens, position * 16 + 1, 16) = \(dialect.bytesOfToken("token")))
        """
    }

    private static func jobsOfItems(_ connection: any SQLConnection) throws -> [Finding] {
        try items(
            connection,
            """
            SELECT id FROM pikzonality WHERE CASE status WHEN 'processing' THEN 1 ELSE 0 END <>
                (SELECT count(*) FROM training_job WHERE pikzonality_id = pikzonality.id AND (state = 'queued' OR state = 'leased'))
            """
        ).map { Finding(.jobsDisagree, $0, "An item in training needs exactly one job to do, any other item none") }
    }

    private static func jobsWithoutItem(_ connection: any SQLConnection) throws -> [Finding] {
        try items(
            connection, "SELECT id FROM training_job WHERE (state = 'queued' OR state = 'leased') AND pikzonality_id IS NULL"
        ).map { Finding(.jobsDisagree, $0, "A job to do belongs to no item") }
    }

    private static func imports(_ connection: any SQLConnection) throws -> [Finding] {
        // Without a key its lines are being cleared away.
        let sql = """
            SELECT number FROM import WHERE idempotency_key IS NOT NULL
                AND lines_done <> (SELECT count(*) FROM import_line WHERE import_number = number)
            """
        return try connection.all(sql, []) {
            Finding(.importsDisagree, "import \($0.integer(0))", "An import has other lines than it has done")
        }
    }

    /// The identifiers that a query finds, as texts.
    static func items(_ connection: any SQLConnection, _ sql: String) throws -> [String] {
        try connection.all(sql, []) { try $0.identifier(0).text }
    }

    /// Compares what is kept beside what it counts with that, and counts anew where that is asked for.
    /// - Parameters:
    ///   - writer: counts anew; nil to only report.
    ///   - ask: has a question answered.
    static func counts(
        repairingBy writer: (any SQLWriter)?, into report: inout IntegrityReport, asking ask: any Asking
    ) async throws(Failure) {
        for difference in try await ask.about(CountCheck.differences) {
            if let writer { try await CountCheck.repair(difference, by: writer) }
            report.add(difference.finding(repaired: writer != nil))
        }
        for difference in try await ask.about(CreditCheck.differences) {
            let isRepaired = writer != nil && difference.isRepairable
            if isRepaired, let writer { try await CreditCheck.repair(difference, by: writer) }
            report.add(difference.finding(repaired: isRepaired))
        }
        for difference in try await ask.about(WebhookCheck.differences) {
            if let writer { try await WebhookCheck.repair(difference, by: writer) }
            report.add(difference.finding(repaired: writer != nil))
        }
        for id in try await ask.about(WebhookCheck.orphans) {
            if let writer { try await WebhookCheck.queueRemoval(of: id, by: writer) }
            report.add(
                Finding(
                    .deliveriesOrphaned, id.text, "Deliveries to a webhook that is gone are not queued for removal", repaired: writer != nil
                ))
        }
    }
}

/// Who answers the questions of a check.
protocol Asking: Sendable {
    /// Has one answered on a connection of its own.
    func about<Answer: Sendable>(_ question: @escaping @Sendable (any SQLConnection) throws -> Answer) async throws(Failure) -> Answer
}
