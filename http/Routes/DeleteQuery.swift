import Personas

/// The query of a DELETE: when an item goes, and where to. What is not understood is refused, because a typing error must not delete for good.
struct DeleteQuery {
    private static let (when, to) = ("when", "to")

    /// Whether an item in training is to go when that ends, rather than not at all.
    let isWhenSettled: Bool
    /// Whether it goes for good or into the trash.
    let settlement: Settlement

    /// Reads the parameters.
    /// - Throws: `invalid` with all violations.
    init(_ query: String?) throws(Failure) {
        let parameters = QueryParameters(query)
        var violations: [Violation] = []
        func isGiven(_ name: String, as word: String) -> Bool {
            guard let value = parameters.value(of: name) else { return false }
            if parameters.count(of: name) > 1 {
                violations.append(Violation(name, "must be given only once"))
            } else if !value.utf8.elementsEqual(word.utf8) {
                violations.append(Violation(name, "must be \(word)"))
            }
            return true
        }
        isWhenSettled = isGiven(Self.when, as: "settled")
        settlement = isGiven(Self.to, as: "trash") ? .trash : .deleted
        if parameters.hasOthers(than: [Self.when, Self.to]) {
            violations.append(Violation("query", "must have no other parameters than \(Self.when) and \(Self.to)"))
        }
        guard violations.isEmpty else { throw .invalid(violations) }
    }
}
