/// Refuses texts that hold a blocked term.
package struct ContentPolicy: Sendable {
    private let terms: any BlockedTermStore

    /// Takes the store of terms.
    package init(terms: any BlockedTermStore) {
        self.terms = terms
    }

    /// Looks for blocked terms.
    /// - Throws: `blockedContent` with the field that holds one.
    package func check(_ texts: [(field: InputField, text: String?)]) throws(Failure) {
        try Self.check(texts, against: terms.blockedTerms)
    }

    /// Looks for terms.
    /// - Throws: `blockedContent` with the field that holds one.
    static func check(_ texts: [(field: InputField, text: String?)], against terms: BlockedTerms) throws(Failure) {
        guard !terms.all.isEmpty else { return }
        for case (let field, let text?) in texts where terms.isFound(in: text) { throw .blockedContent(field: field) }
    }
}

/// Remembers the terms that no text of a client's own words may hold.
package protocol BlockedTermStore: Sendable {
    /// The terms; answered from memory, because every create asks.
    var blockedTerms: BlockedTerms { get }
    /// Adds terms; those already there stay.
    /// - Returns: those that were added.
    func block(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm]
    /// Removes terms; those not there are passed over.
    /// - Returns: those that were removed.
    func release(_ terms: [BlockedTerm], in context: WriteContext<[BlockedTerm]>) async throws(Failure) -> [BlockedTerm]
}
