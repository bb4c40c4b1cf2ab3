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

/// What `keys show` prints: all that is known of a key, in JSON with every member.
struct KeyDetails: TableRenderable {
    let report: KeyReport

    var tables: [Table] { [report.details] }

    private enum CodingKeys: String, CodingKey {
        case id, prefix, account, label, scopes, state, accountState, createdAt, expiresAt, lastUsedAt, previousSecretExpiresAt,
            previousSecretLastUsedAt
    }

    func encode(to encoder: any Encoder) throws {
        var members = encoder.container(keyedBy: CodingKeys.self)
        try members.encode(report.id, forKey: .id)
        try members.encode(report.prefix, forKey: .prefix)
        try members.encode(report.account, forKey: .account)
        try members.encode(report.label, forKey: .label)
        try members.encode(report.scopes, forKey: .scopes)
        try members.encode(report.state, forKey: .state)
        try members.encode(report.accountState, forKey: .accountState)
        try members.encode(report.createdAt, forKey: .createdAt)
        try members.encode(report.expiresAt, forKey: .expiresAt)
        try members.encode(report.lastUsedAt, forKey: .lastUsedAt)
        try members.encode(report.previousSecretExpiresAt, forKey: .previousSecretExpiresAt)
        try members.encode(report.previousSecretLastUsedAt, forKey: .previousSecretLastUsedAt)
    }
}

extension IssuedKey: Presentable {
    /// The key alone on standard output, so that a script can take it from there. It is never shown again, so that a command whose output was lost has
    /// failed, whatever it has done.
    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        let text = isJSON ? try Output.jsonText(PlainIssuedKey(self)) : key
        do {
            try Output.deliver(text + "\n")
        } catch {
            throw error.saying(lossWords(reason: error.message))
        }
        if !isJSON { Output.note(note) }
    }

    private var note: String {
        let account = account.map { " of account \($0)" } ?? ""
        var sentences = ["Key \(id)\(account), scopes \(scopes.map(\.rawValue).joined(separator: ", ")). It is shown this once."]
        if let expiresAt { sentences.append("It expires at \(expiresAt).") }
        if let end = previousSecretExpiresAt {
            sentences.append(
                isEnded(end)
                    ? "The previous secret has ended." : "The previous secret is good until \(end); any from before it has ended.")
        }
        return sentences.joined(separator: " ")
    }

    private func lossWords(reason: String) -> String {
        guard let end = previousSecretExpiresAt else {
            return
                "the key \(id) was issued, but its secret could not be written, and is lost (\(reason)); delete the key and issue another"
        }
        let words = "the key \(id) was rotated, but its new secret could not be written, and is lost (\(reason)); "
        return isEnded(end)
            ? words + "the previous secret has ended; rotate it again"
            : words + "the previous secret is good until \(end), unless the key is rotated again, which ends it at once"
    }

    private func isEnded(_ end: String) -> Bool { Timestamp(text: end).map { $0 <= .now } ?? false }

    /// What `keys create --json` and `keys rotate --json` print; a member that is nil is left out.
    private struct PlainIssuedKey: Encodable {
        let id: Identifier
        let key: String
        let prefix: String
        let account: String?
        let scopes: [Scope]
        let expiresAt: String?
        let previousSecretExpiresAt: String?

        init(_ issued: IssuedKey) {
            id = issued.id
            key = issued.key
            prefix = issued.prefix
            account = issued.account
            scopes = issued.scopes
            expiresAt = issued.expiresAt
            previousSecretExpiresAt = issued.previousSecretExpiresAt
        }
    }
}
