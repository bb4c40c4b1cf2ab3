import Foundation

/// Remembers the terms that no text of a client's own words may hold.
package protocol BlockedTermStore: Sendable {
    /// The terms as `ContentPolicy.comparable` has them; answered from memory, because every create asks.
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

    /// The form in which texts and terms are compared: in lower case, and composed (Unicode's normalisation form C).
    package static func comparable(_ text: String) -> String {
        text.lowercased().precomposedStringWithCanonicalMapping
    }

    /// Looks for blocked terms.
    /// - Throws: `blockedContent` with the field that holds one.
    package func check(_ texts: [(field: InputField, text: String?)]) throws(Failure) {
        try Self.check(texts, against: terms.blockedTerms)
    }

    /// Looks for terms, ignoring case, by bytes: as texts both would be taken apart into characters once more for every term.
    /// - Throws: `blockedContent` with the field that holds one.
    static func check(_ texts: [(field: InputField, text: String?)], against terms: [String]) throws(Failure) {
        guard !terms.isEmpty else { return }
        for case (let field, let text?) in texts {
            let bytes = Array(Self.comparable(text).utf8)
            if terms.contains(where: { Self.holds(bytes, Array($0.utf8)) }) { throw .blockedContent(field: field) }
        }
    }

    private static func holds(_ bytes: [UInt8], _ term: [UInt8]) -> Bool {
        guard let first = term.first, term.count <= bytes.count else { return term.isEmpty }
        return (0...(bytes.count - term.count)).contains { bytes[$0] == first && bytes[$0...].starts(with: term) }
    }
}
