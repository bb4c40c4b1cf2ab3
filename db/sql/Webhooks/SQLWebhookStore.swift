import Foundation
import Personas

/// Endpoints as rows.
struct SQLWebhookStore: WebhookStore {
    let writer: any SQLWriter
    let readers: any SQLReader

    func insert(
        _ endpoint: WebhookEndpoint, secret: SealedSecret, in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint {
        let accountID = endpoint.accountID
        return try await writer.write(in: context, of: accountID) { db in
            guard try db.finds("SELECT 1 FROM account WHERE id = ?", [accountID]) else { throw Failure.accountMissing }
            let count = try db.first("SELECT count(*) FROM webhook WHERE account_id = ?", [accountID]) { Int($0.integer(0)) } ?? 0
            guard count < Limits.webhooksMax else {
                throw Failure.quotaExceeded([QuotaExcess(.webhooks, limit: Limits.webhooksMax, used: count)])
            }
            let details = endpoint.details
            try db.run(
                """
                INSERT INTO webhook (id, account_id, url, description, events, secret, created_at, updated_at, version)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    endpoint.id, accountID, details.url, details.description, details.filter.stored, Data(secret.bytes),
                    endpoint.createdAt.milliseconds, endpoint.updatedAt.milliseconds, endpoint.version,
                ])
            return endpoint
        }
    }

    func endpoint(_ reference: WebhookReference) async throws(Failure) -> WebhookEndpoint {
        try await readers.read { connection in try WebhookRow.find(reference, connection) }
    }

    func endpoints(
        accountID: Identifier, after position: WebhookPosition?, limit: Int
    ) async throws(Failure) -> (endpoints: [WebhookEndpoint], hasMore: Bool) {
        let found = try await readers.read { connection in
            var endpoints: [WebhookEndpoint] = []
            let continued = position == nil ? "" : "AND (webhook.created_at, webhook.id) < (?3, ?4)"
            try connection.query(
                "\(WebhookRow.select) WHERE webhook.account_id = ?1 \(continued) ORDER BY webhook.created_at DESC, webhook.id DESC LIMIT ?2",
                [accountID, limit + 1]
                    + (position.map { [$0.createdAt.milliseconds, $0.id] } ?? [])
            ) { endpoints.append(try WebhookRow.decode($0)) }
            return endpoints
        }
        return (Array(found.prefix(limit)), found.count > limit)
    }

    func listed(accountName: String?, after id: Identifier?, limit: Int) async throws(Failure) -> [ListedWebhook] {
        try await readers.read { connection in
            let account = "SELECT 1 FROM account WHERE name = ?"
            if let accountName, try !connection.finds(account, [accountName]) { throw Failure.notFound }
            return try connection.all(
                "\(WebhookRow.selectListed) WHERE webhook.id > ? \(accountName == nil ? "" : "AND webhook.account_id = (SELECT id FROM account WHERE name = ?)") ORDER BY webhook.id LIMIT ?",
                [id ?? .nilUUID] + (accountName.map { [$0] } ?? []) + [limit]
            ) { try WebhookRow.decodeListed($0) }
        }
    }

    func listed(_ id: Identifier) async throws(Failure) -> ListedWebhook {
        try await readers.read { connection in
            let found = try connection.first("\(WebhookRow.selectListed) WHERE webhook.id = ?", [id]) {
                try WebhookRow.decodeListed($0)
            }
            guard let found else { throw Failure.notFound }
            return found
        }
    }

    func update(
        _ reference: WebhookReference, _ change: WebhookChange, if precondition: Precondition, in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint {
        try await writer.write(in: context, of: reference.accountID, recording: { $0.isChanged ? $0.endpoint : nil }) {
            db -> (endpoint: WebhookEndpoint, isChanged: Bool) in
            let before = try WebhookRow.owned(reference, db)
            try precondition.require(version: before.version)
            let details = change.applied(to: before.details)
            let now = context.now
            if details != before.details {
                try db.run(
                    "UPDATE webhook SET url = ?, description = ?, events = ?, updated_at = ?, version = version + 1 WHERE id = ?",
                    [details.url, details.description, details.filter.stored, now.milliseconds, before.id])
            }
            if !details.url.utf8.elementsEqual(before.details.url.utf8) { try Self.forgetHealth(of: before.id, db) }
            switch change.status {
            case .disabled? where before.status == .enabled:
                // By the URL that it has from now on.
                try DeliveryRows.disable(
                    try WebhookRow.find(reference, db), for: .manual, failingSince: before.failingSince, at: now,
                    requestID: context.requestID, db)
            case .enabled? where before.status == .disabled:
                try Self.forgetHealth(of: before.id, db)
                try db.run(
                    "UPDATE webhook SET disabled_reason = NULL, updated_at = ?, version = version + 1 WHERE id = ?",
                    [now.milliseconds, before.id])
            default: break
            }
            let after = try WebhookRow.find(reference, db)
            return (after, after != before)
        }.endpoint
    }

    func delete(_ reference: WebhookReference, if precondition: Precondition, in context: WriteContext<Void>) async throws(Failure) {
        try await writer.write(in: context, of: reference.accountID) { db in
            let endpoint = try WebhookRow.owned(reference, db)
            try precondition.require(version: endpoint.version)
            try db.run("DELETE FROM webhook WHERE id = ?", [endpoint.id])
        }
    }

    func rotate(
        _ reference: WebhookReference, to secret: SealedSecret, previousUntil end: Timestamp?, if precondition: Precondition,
        in context: WriteContext<WebhookEndpoint>
    ) async throws(Failure) -> WebhookEndpoint {
        try await writer.write(in: context, of: reference.accountID) { db in
            let before = try WebhookRow.owned(reference, db)
            try precondition.require(version: before.version)
            let previous = end == nil ? "NULL" : "secret"
            try db.run(
                """
                UPDATE webhook SET previous_secret = \(previous), previous_secret_expires_at = ?, secret = ?, updated_at = ?,
                    version = version + 1
                WHERE id = ?
                """, [end?.milliseconds, Data(secret.bytes), context.now.milliseconds, before.id])
            return try WebhookRow.find(reference, db)
        }
    }

    func target(_ reference: WebhookReference, at now: Timestamp) async throws(Failure) -> (url: String, secrets: [SealedSecret]) {
        try await readers.read { connection in
            let endpoint = try WebhookRow.find(reference, connection)
            return (endpoint.details.url, try Self.secrets(of: endpoint.id, at: now, connection))
        }
    }

    /// Whether anything is sealed at all.
    static func hasSecrets(_ connection: any SQLConnection) throws -> Bool { try connection.finds("SELECT 1 FROM webhook LIMIT 1", []) }

    /// What there is of endpoints, and what waits for them.
    static func counts(_ connection: any SQLConnection) throws -> WebhookCounts {
        var counts = WebhookCounts()
        try connection.query("SELECT disabled_reason, count(*), CAST(sum(pending) AS BIGINT) FROM webhook GROUP BY disabled_reason", []) {
            row in
            counts.endpoints += Int(row.integer(1))
            counts.pending += Int(row.integer(2))
            if let reason = try WebhookRow.reason(row, 0) { counts.disabled[reason] = Int(row.integer(1)) }
        }
        return counts
    }

    /// What is signed with at a moment, newest first.
    static func secrets(of id: Identifier, at now: Timestamp, _ connection: any SQLConnection) throws -> [SealedSecret] {
        let sql = "SELECT secret, previous_secret, previous_secret_expires_at > ?2 FROM webhook WHERE id = ?1"
        return try connection.first(sql, [id, now.milliseconds]) { row in
            let secrets = [Array(row.bytes(0))] + (row.integer(2) == 1 ? [Array(row.bytes(1))] : [])
            return secrets.map { SealedSecret(bytes: $0) }
        } ?? []
    }

    /// Begins anew with what is known of how attempts go.
    private static func forgetHealth(of id: Identifier, _ db: any SQLTransaction) throws {
        try db.run(
            """
            UPDATE webhook SET failures_in_row = 0, failing_since = NULL, last_failure_at = NULL, slowed_until = NULL, version = version + 1
            WHERE id = ? AND (failures_in_row > 0 OR slowed_until IS NOT NULL)
            """, [id])
    }
}
