/// Remembers the terms that no name and no instructions may hold.
package protocol BlockedTermStore: Sendable {
    /// The terms in lower case; answered from memory, because every create asks.
    var blockedTerms: [String] { get }
    /// Adds terms; those already there stay.
    func block(_ terms: [String]) async throws(Failure)
}

/// Refuses texts that hold a blocked term.
package struct ContentPolicy: Sendable {
    private let terms: any BlockedTermStore

    /// Takes the store of terms.
    package init(terms: any BlockedTermStore) {
        self.terms = terms
    }

    /// Looks for blocked terms, ignoring case.
    /// - Throws: `blockedContent` with the member that holds one.
    package func check(name: Name?, specialInstructions: String?) throws(Failure) {
        let terms = terms.blockedTerms
        guard !terms.isEmpty else { return }
        for (field, text) in [("name", name?.text), ("special_instructions", specialInstructions)] {
            guard let text = text?.lowercased() else { continue }
            if terms.contains(where: { text.contains($0) }) { throw .blockedContent(field: field) }
        }
    }
}
