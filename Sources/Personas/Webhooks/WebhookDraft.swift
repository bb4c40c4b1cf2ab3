/// What a client sends of an endpoint, as found.
package struct WebhookDraft: Sendable {
    /// Where events are to go.
    package var url: JSONField<String>
    /// Which events.
    package var events: JSONField<[String]>
    /// What the owner writes down about it.
    package var description: JSONField<String>
    /// `enabled` or `disabled`. A create does not know it.
    package var status: JSONField<String>

    package init(
        url: JSONField<String> = .absent, events: JSONField<[String]> = .absent, description: JSONField<String> = .absent,
        status: JSONField<String> = .absent
    ) {
        self.url = url
        self.events = events
        self.description = description
        self.status = status
    }
}

/// What changes of an endpoint. What is nil stays.
package struct WebhookChange: Sendable, Equatable {
    /// Where events go from now on.
    package var url: String?
    /// Which events.
    package var filter: WebhookFilter?
    /// What the owner writes down about it; within it nil for nothing.
    package var description: String??
    /// Whether it is told of events.
    package var status: WebhookEndpoint.Status?

    package init(
        url: String? = nil, filter: WebhookFilter? = nil, description: String?? = nil, status: WebhookEndpoint.Status? = nil
    ) {
        self.url = url
        self.filter = filter
        self.description = description
        self.status = status
    }

    /// The details after it.
    package func applied(to details: WebhookDetails) -> WebhookDetails {
        var changed = details
        if let url { changed.url = url }
        if let filter { changed.filter = filter }
        if let description { changed.description = description }
        return changed
    }
}

extension WebhookDraft {
    private static let urlField = "url"
    private static let eventsField = "events"

    /// Applies every rule to what a create gives, all at once.
    /// - Parameter problem: what is wrong with a URL beyond its length.
    /// - Throws: `invalid` with all violations.
    func details(_ problem: (String) async -> WebhookURLProblem?) async throws(Failure) -> WebhookDetails {
        var violations: [Violation] = []
        var given = self
        given.status = .absent
        if case .absent = url { given.url = .null }
        if case .absent = events { given.events = .null }
        let change = await given.change(problem, &violations)
        guard violations.isEmpty, let url = change.url, let filter = change.filter else { throw .invalid(violations) }
        return WebhookDetails(url: url, description: change.description ?? nil, filter: filter)
    }

    /// Applies every rule to what a change gives, all at once.
    /// - Throws: `invalid` with all violations.
    func change(_ problem: (String) async -> WebhookURLProblem?) async throws(Failure) -> WebhookChange {
        var violations: [Violation] = []
        let change = await change(problem, &violations)
        guard violations.isEmpty else { throw .invalid(violations) }
        return change
    }

    private func change(_ problem: (String) async -> WebhookURLProblem?, _ violations: inout [Violation]) async -> WebhookChange {
        var change = WebhookChange()
        change.url = await checkedURL(problem, &violations)
        change.filter = checkedFilter(&violations)
        change.description = checkedDescription(&violations)
        change.status = checkedStatus(&violations)
        return change
    }

    private func checkedURL(_ problem: (String) async -> WebhookURLProblem?, _ violations: inout [Violation]) async -> String? {
        func refuse(_ rule: String) -> String? {
            violations.append(Violation(Self.urlField, rule))
            return nil
        }
        switch url {
        case .absent: return nil
        case .null: return refuse("is required")
        case .malformed(let rule): return refuse(rule)
        case .value(let text):
            guard !text.holdsMoreScalars(than: Limits.webhookURLCharactersMax) else {
                return refuse("must be at most \(Limits.webhookURLCharactersMax) characters long")
            }
            switch await problem(text) {
            case nil: return text
            case .malformed: return refuse("must be an https URL in ASCII (percent-encoded, names as punycode), without credentials")
            case .forbidden: return refuse("must lead to a public host, by its name and on port 443")
            }
        }
    }

    private func checkedFilter(_ violations: inout [Violation]) -> WebhookFilter? {
        func refuse(_ rule: Violation.Rule) { violations.append(Violation(.own(Self.eventsField), rule)) }
        switch events {
        case .absent: return nil
        case .null: refuse(.field("is required"))
        case .malformed(let rule): refuse(.field(rule))
        case .value(let names):
            if let filter = WebhookFilter(names) { return filter }
            if names.isEmpty { refuse(.field("must name at least one type of events, or * for all but progress")) }
            for (index, name) in names.enumerated() where !WebhookFilter.names(name) {
                refuse(.element(index, "must be one of \(WebhookFilter.words.joined(separator: ", "))"))
                // One is enough to learn the words from.
                break
            }
        }
        return nil
    }

    private func checkedDescription(_ violations: inout [Violation]) -> String?? {
        func refuse(_ rule: String) { violations.append(Violation("description", rule)) }
        switch description {
        case .absent: return nil
        case .null: return .some(nil)
        case .malformed(let rule): refuse(rule)
        case .value(let text):
            if text.holdsMoreScalars(than: Limits.webhookDescriptionCharactersMax) {
                refuse("must be at most \(Limits.webhookDescriptionCharactersMax) characters long")
            } else if text.unicodeScalars.contains(where: { $0.isControl && ![0x09, 0x0A, 0x0D].contains($0.value) }) {
                refuse("must not hold control characters")
            } else {
                return .some(text.isEmpty ? nil : text)
            }
        }
        return nil
    }

    private func checkedStatus(_ violations: inout [Violation]) -> WebhookEndpoint.Status? {
        let rule = "must be \(WebhookEndpoint.Status.allCases.map(\.rawValue).joined(separator: " or "))"
        switch status {
        case .absent: return nil
        case .value(let text):
            if let status = WebhookEndpoint.Status.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) { return status }
            violations.append(Violation("status", rule))
        case .malformed(let rule): violations.append(Violation("status", rule))
        case .null: violations.append(Violation("status", rule))
        }
        return nil
    }
}
