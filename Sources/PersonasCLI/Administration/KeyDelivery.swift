import Personas

/// Hands a new secret over to whoever asked for it, who gets to see it this once.
///
/// It is written before the key is stored. So there is never a key whose secret nobody has: where writing fails, or the process ends meanwhile, nothing
/// was changed. What may be left is the other way round, a secret without a key, and that is told.
struct KeyDelivery {
    /// What the secret is for.
    enum Purpose {
        /// A key that is yet to be.
        case issue
        /// A key that has one already.
        case rotation
    }

    let issued: IssuedKey
    let purpose: Purpose

    /// Writes the secret, and then has it stored.
    /// - Parameter store: makes it good.
    func perform(asJSON isJSON: Bool, _ store: () async throws(CommandFailure) -> Void) async throws(CommandFailure) {
        if isJSON {
            try await write(json: try Output.jsonText(PlainIssuedKey(issued)), end: "\n", store)
        } else {
            try await write(issued.key + "\n", store)
            Output.note(note)
        }
    }

    /// Writes the secret as a part of a larger text, and then has it stored.
    func write(_ text: String, _ store: () async throws(CommandFailure) -> Void) async throws(CommandFailure) {
        do {
            try Output.deliver(text)
        } catch {
            throw error.saying(lossWords(reason: error.message))
        }
        do {
            try await store()
        } catch {
            throw error.saying(failureWords(error))
        }
    }

    /// The same as an object of JSON, which ends when the secret is stored; where it is not, a member says so.
    func write(json object: String, end: String, _ store: () async throws(CommandFailure) -> Void) async throws(CommandFailure) {
        do {
            try await write(String(object.dropLast()), store)
        } catch {
            Output.text(#","issued":\#(error.failure.map(isCertain) ?? false ? "false" : "null")}"# + end)
            throw error
        }
        Output.text("}" + end)
    }

    private var note: String {
        let account = issued.account.map { " of account \($0)" } ?? ""
        let scopes = issued.scopes.map(\.rawValue).joined(separator: ", ")
        var sentences = ["Key \(issued.id)\(account), scopes \(scopes). It is shown this once."]
        if let expiresAt = issued.expiresAt { sentences.append("It expires at \(expiresAt).") }
        if let end = issued.previousSecretExpiresAt {
            sentences.append(
                isEnded(end)
                    ? "The previous secret has ended." : "The previous secret is good until \(end); any from before it has ended.")
        }
        return sentences.joined(separator: " ")
    }

    private func lossWords(reason: String) -> String {
        switch purpose {
        case .issue: "the secret could not be printed (\(reason)), so no key was issued"
        case .rotation:
            "the new secret could not be printed (\(reason)), so the key \(issued.id) was not rotated, and its secret stays good"
        }
    }

    private func failureWords(_ error: CommandFailure) -> String {
        let done =
            switch purpose {
            case .issue: "the key \(issued.id) was not issued"
            case .rotation: "the key \(issued.id) was not rotated"
            }
        guard error.failure.map(isCertain) ?? false else {
            return "it is not certain whether \(done), and so whether the printed secret is good: \(error.message)"
        }
        return "\(done), and the printed secret is good for nothing: \(error.message)"
    }

    /// Whether a failure means that nothing was stored: where the disk fails, it may have been.
    private func isCertain(_ failure: Failure) -> Bool {
        if case .unexpected = failure { return false }
        return true
    }

    private func isEnded(_ end: String) -> Bool { Timestamp(text: end).map { $0 <= .now } ?? false }

    /// What `keys create --json` and `keys rotate --json` print: the members that are published for all keys, and what only such a key has that was
    /// given an end or is rotated.
    private struct PlainIssuedKey: Encodable {
        let issued: IssuedKey

        init(_ issued: IssuedKey) { self.issued = issued }

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
