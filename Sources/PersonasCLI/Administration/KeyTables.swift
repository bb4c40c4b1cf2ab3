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

extension IssuedKey: Presentable {
    /// The key alone on standard output, so that a script can take it from there. It is never shown again, so that a command whose output was lost has
    /// failed, whatever it has done.
    func show(asJSON isJSON: Bool) throws(CommandFailure) {
        let text = isJSON ? try Output.jsonText(PlainIssuedKey(issued: self)) : key
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

    /// What `keys create --json` and `keys rotate --json` print: the members that are published for all keys, and what only such a key has that was
    /// given an end or is rotated.
    private struct PlainIssuedKey: Encodable {
        let issued: IssuedKey

        private enum CodingKeys: String, CodingKey {
            case id, key, prefix, account, scopes, expiresAt, previousSecretExpiresAt
        }

        func encode(to encoder: any Encoder) throws {
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encode(issued.id, forKey: .id)
            try members.encode(issued.key, forKey: .key)
            try members.encode(issued.prefix, forKey: .prefix)
            try members.encode(issued.account, forKey: .account)
            try members.encode(issued.scopes, forKey: .scopes)
            if let end = issued.expiresAt { try members.encode(end, forKey: .expiresAt) }
            if let end = issued.previousSecretExpiresAt { try members.encode(end, forKey: .previousSecretExpiresAt) }
        }
    }
}
