import Personas

extension KeyReport: TableRow {
    static let headings = ["id", "key", "account", "label", "scopes", "state", "created at", "expires at", "last used at"]

    var cells: [String] {
        [id.text, prefix + "…", account ?? "", label ?? "", scopeWords, stateWord, createdAt, expiresAt ?? "", lastUsedAt ?? ""]
    }

    private var scopeWords: String { scopes.map(\.rawValue).joined(separator: ",") }

    /// What a person wants to know: whether it works.
    private var stateWord: String {
        guard state == .active, let expiresAt, Timestamp(text: expiresAt).map({ $0 <= .now }) ?? false else { return state.rawValue }
        return "expired"
    }

    fileprivate var details: Table {
        Table(
            headings: ["member", "value"],
            rows: [
                ["id", id.text], ["key", prefix + "…"], ["account", account ?? ""], ["label", label ?? ""], ["scopes", scopeWords],
                ["state", stateWord], ["created at", createdAt], ["expires at", expiresAt ?? ""], ["last used at", lastUsedAt ?? ""],
                ["previous secret expires at", previousSecretExpiresAt ?? ""],
                ["previous secret last used at", previousSecretLastUsedAt ?? ""],
            ])
    }
}

/// What `keys show` prints: all that is known of a key, in JSON with every member.
struct KeyDetails: TableRenderable {
    let report: KeyReport

    var tables: [Table] { [report.details] }

    private enum CodingKeys: String, CodingKey {
        case id, prefix, account, label, scopes, state, createdAt, expiresAt, lastUsedAt, previousSecretExpiresAt, previousSecretLastUsedAt
    }

    func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(report.id, forKey: .id)
        try members.encode(report.prefix, forKey: .prefix)
        try members.encode(report.account, forKey: .account)
        try members.encode(report.label, forKey: .label)
        try members.encode(report.scopes, forKey: .scopes)
        try members.encode(report.state, forKey: .state)
        try members.encode(report.createdAt, forKey: .createdAt)
        try members.encode(report.expiresAt, forKey: .expiresAt)
        try members.encode(report.lastUsedAt, forKey: .lastUsedAt)
        try members.encode(report.previousSecretExpiresAt, forKey: .previousSecretExpiresAt)
        try members.encode(report.previousSecretLastUsedAt, forKey: .previousSecretLastUsedAt)
    }
}
