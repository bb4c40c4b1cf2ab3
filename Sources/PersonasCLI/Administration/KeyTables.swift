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

/// What `keys show` prints: all that is known of a key.
struct KeyDetails: TableRenderable {
    let report: KeyReport

    var tables: [Table] { [report.details] }

    func encode(to encoder: any Encoder) throws { try report.encode(to: encoder) }
}
