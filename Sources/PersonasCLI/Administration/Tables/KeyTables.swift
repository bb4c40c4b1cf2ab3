import Personas

extension KeyReport: TableRow {
    static let headings = ["id", "key", "account", "label", "scopes", "state", "created at", "expires at", "last used at"]

    var cells: [String] {
        [id.text, prefix + "…", account ?? "", label ?? "", scopeWords, stateWord, createdAt, expiresAt ?? "", lastUsedAt ?? ""]
    }

    private var scopeWords: String { scopes.map(\.rawValue).joined(separator: ",") }

    /// What a person wants to know: whether it works.
    private var stateWord: String {
        switch (accountState, state) {
        case (.deleted, _): return "account deleted"
        case (_, .disabled), (_, .deleted): return state.rawValue
        case _ where expiresAt.flatMap(Timestamp.init(text:)).map({ $0 <= .now }) ?? false: return "expired"
        case (.suspended, .active): return "account suspended"
        case (.apiDisabled, .active): return "account without API"
        case (.active, .active): return state.rawValue
        }
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
