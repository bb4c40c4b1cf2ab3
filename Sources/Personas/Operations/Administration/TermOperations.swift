/// Blocks terms. Items that hold one stay as they are.
package struct BlockTerms: AdministrationOperation {
    private let terms: [String]

    package init(_ terms: [String]) {
        self.terms = terms
    }

    /// - Throws: `invalid` for the first that can be no term.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> TermChange {
        let terms = try BlockedTerm.checked(terms)
        let blocked = try await administration.stores.terms.block(terms, in: administration.context(.termsBlock) { $0.map(\.auditText) })
        return TermChange(asked: terms, changed: blocked)
    }
}

/// Releases blocked terms.
package struct ReleaseTerms: AdministrationOperation {
    private let terms: [String]

    package init(_ terms: [String]) {
        self.terms = terms
    }

    /// - Throws: `invalid` for the first that can be no term.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> TermChange {
        let terms = try BlockedTerm.checked(terms)
        let released = try await administration.stores.terms.release(
            terms, in: administration.context(.termsRelease) { $0.map(\.auditText) })
        return TermChange(asked: terms, changed: released)
    }
}

/// Lists the blocked terms.
package struct ListTerms: AdministrationOperation {
    /// Asks for all of them.
    package init() {}

    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> [TermReport] {
        administration.stores.terms.blockedTerms.all.map(TermReport.init)
    }
}

/// A blocked term as an operator's program sees it.
package struct TermReport: Sendable, Codable, Equatable {
    /// The term, in the form in which texts are compared with it.
    package let term: String

    init(_ term: BlockedTerm) {
        self.term = term.text
    }
}

/// What became of terms that an operator named.
package struct TermChange: Sendable, Codable, Equatable {
    /// Those that were blocked or released.
    package let changed: [TermReport]
    /// Those of which that was true already.
    package let unchanged: [TermReport]

    init(asked: [BlockedTerm], changed: [BlockedTerm]) {
        let isChanged = Set(changed)
        self.changed = changed.map(TermReport.init)
        unchanged = asked.filter { !isChanged.contains($0) }.map(TermReport.init)
    }
}
