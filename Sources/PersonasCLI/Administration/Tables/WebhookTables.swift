import Personas

extension WebhookReport: TableRow {
    static let headings = ["id", "account", "url", "events", "status", "pending", "missing", "failing since", "last attempt"]

    var cells: [String] {
        [
            id.text, account, url, events.joined(separator: ","), statusWords, String(pending), String(missing), failingSince ?? "",
            lastWords,
        ]
    }

    private var statusWords: String { disabledReason.map { "\(status.rawValue) (\($0.rawValue))" } ?? status.rawValue }

    /// When the latest attempt was made, and what came of it.
    private var lastWords: String {
        guard let lastAttemptAt else { return "" }
        return "\(lastAttemptAt) \(lastHTTPStatus.map(String.init) ?? lastError ?? "")"
    }

    fileprivate var details: Table {
        Table(
            headings: ["member", "value"],
            rows: [
                ["id", id.text], ["account", account], ["url", url], ["description", description ?? ""],
                ["events", events.joined(separator: ",")], ["status", statusWords], ["failing since", failingSince ?? ""],
                ["pending", String(pending)], ["missing", String(missing)], ["last attempt", lastWords],
                ["previous secret expires at", previousSecretExpiresAt ?? ""], ["created at", createdAt], ["updated at", updatedAt],
            ])
    }
}

/// What `webhooks show` prints: all that is known of an endpoint but its secret.
struct WebhookDetailsTable: TableRenderable {
    let report: WebhookReport

    var tables: [Table] { [report.details] }

    func encode(to encoder: any Encoder) throws { try report.encode(to: encoder) }
}
