import Foundation
import Personas

/// The row of one endpoint, with what it shows of its deliveries.
enum WebhookRow {
    /// What `decode` expects, in its order.
    private static let columns = """
        webhook.id, webhook.account_id, webhook.url, webhook.description, webhook.events, webhook.disabled_reason, webhook.failing_since,
        webhook.pending, webhook.missing, webhook.previous_secret_expires_at, webhook.created_at, webhook.updated_at, webhook.version,
        last.id, last.event_id, last.event_type, \(DeliveryRow.status("last")), \(DeliveryRow.attemptColumns)
        """
    private static let tables = """
        webhook LEFT JOIN webhook_delivery AS last ON last.number = webhook.last_delivery_number
            LEFT JOIN webhook_attempt ON webhook_attempt.delivery_number = last.number AND webhook_attempt.number = last.attempts
        """
    private static let columnCount: Int32 = 17 + DeliveryRow.attemptColumnCount

    /// Selects endpoints; conditions follow.
    static let select = "SELECT \(columns) FROM \(tables)"
    /// The same with the names of their accounts.
    static let selectListed = "SELECT \(columns), account.name FROM \(tables) JOIN account ON account.id = webhook.account_id"

    /// One endpoint, if it is there and the caller may know of it.
    static func find(_ reference: WebhookReference, _ connection: any SQLConnection) throws -> WebhookEndpoint {
        let found = try connection.first("\(select) WHERE webhook.id = ?", [reference.id]) { try decode($0) }
        guard let found, reference.accountID == nil || reference.accountID == found.accountID else { throw Failure.notFound }
        return found
    }

    /// An endpoint that is about to be changed: nobody else changes anything of its account meanwhile.
    /// - Throws: `notFound`.
    static func owned(_ reference: WebhookReference, _ db: any SQLTransaction) throws -> WebhookEndpoint {
        try db.lock { try reference.accountID ?? find(reference, db).accountID }
        return try find(reference, db)
    }

    /// Reads a row whose columns are those of `select`.
    static func decode(_ row: SQLRow) throws -> WebhookEndpoint {
        guard let filter = WebhookFilter(stored: try row.requiredText(4)) else {
            throw Failure.unexpected("An endpoint of webhooks has an unknown filter")
        }
        return WebhookEndpoint(
            id: try row.identifier(0), accountID: try row.identifier(1),
            details: WebhookDetails(url: try row.requiredText(2), description: row.text(3), filter: filter),
            disabledReason: try reason(row, 5), failingSince: row.timestampIfAny(6), pending: Int(row.integer(7)),
            missing: Int(row.integer(8)), previousSecretExpiresAt: row.timestampIfAny(9), lastDelivery: try lastDelivery(row),
            createdAt: row.timestamp(10), updatedAt: row.timestamp(11), version: Int(row.integer(12)))
    }

    /// Reads a row whose columns are those of `selectListed`.
    static func decodeListed(_ row: SQLRow) throws -> ListedWebhook {
        ListedWebhook(endpoint: try decode(row), accountName: try row.requiredText(columnCount))
    }

    /// Why an endpoint is disabled; nil while it is not.
    static func reason(_ row: SQLRow, _ column: Int32) throws -> WebhookDisabledReason? {
        row.text(column) == nil ? nil : try row.word(column, of: reasons)
    }

    private static let reasons = StoredWords<WebhookDisabledReason>()

    private static func lastDelivery(_ row: SQLRow) throws -> WebhookEndpoint.LastDelivery? {
        guard let id = Identifier(bytes: row.bytes(13)) else { return nil }
        return WebhookEndpoint.LastDelivery(
            id: id, eventID: try row.identifier(14), eventType: try DeliveryRow.type(row, 15),
            status: try row.word(16, of: DeliveryRow.statuses), attempt: try DeliveryRow.attempt(row, from: 17))
    }
}
