import Personas

/// What all lists have in common of their queries: how many rows a page has, and where it begins.
struct PageQuery {
    let limit: Int
    /// As the client sends it.
    let cursor: String?

    /// Reads the parameters.
    /// - Parameters:
    ///   - itemsMax: rows of a page at most; more is taken as this.
    ///   - violations: takes up what is wrong.
    init(_ parameters: QueryParameters, itemsMax: Int, _ violations: inout [Violation]) {
        cursor = parameters.value(of: "cursor")
        guard let text = parameters.value(of: "limit") else {
            limit = min(Limits.pageItemsDefault, itemsMax)
            return
        }
        let number = Self.number(text) ?? 0
        limit = min(number, itemsMax)
        if number < 1 { violations.append(Violation("limit", "must be a whole number of at least 1")) }
    }

    /// What is wrong with a cursor that is none of the list's.
    static let strangeCursor = Violation("cursor", "does not belong to this list")

    private static func number(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        // More digits than a number holds is still only more than the most.
        return Int(text) ?? Int.max
    }
}

extension QueryParameters {
    /// The word of a parameter that takes one of a few; nil where there is none, or another.
    /// - Parameter violations: takes up that it is another.
    func choice<Choice: CaseIterable>(
        _ name: String, _ word: (Choice) -> String, _ violations: inout [Violation]
    ) -> Choice? {
        guard let text = value(of: name) else { return nil }
        let choice = Choice.allCases.first { text.utf8.elementsEqual(word($0).utf8) }
        if choice == nil { violations.append(Violation(name, "must be one of \(Choice.allCases.map(word).joined(separator: ", "))")) }
        return choice
    }
}
