extension EventType {
    /// The types that patterns stand for: the name of one, as it is, or what comes before its dot followed by a star, or a star for all. Progress is meant
    /// only where it is named, because hardly anybody wants to be told of each step.
    /// - Throws: the first pattern that stands for none of those among the events of an account.
    package static func types(matching patterns: [String]) throws(UnknownPattern) -> Set<EventType> {
        var types: Set<EventType> = []
        for pattern in patterns {
            let matching = all.filter { $0.matches(pattern.utf8) }
            guard !matching.isEmpty else { throw UnknownPattern(text: pattern) }
            types.formUnion(matching)
        }
        return types
    }

    /// A pattern that stands for no type.
    package struct UnknownPattern: Error, Equatable {
        /// The pattern.
        package let text: String

        /// Takes the pattern as it was given.
        package init(text: String) { self.text = text }
    }

    private func matches(_ pattern: String.UTF8View) -> Bool {
        if pattern.elementsEqual(text.utf8) { return true }
        guard !isProgress, pattern.last == UInt8(ascii: "*") else { return false }
        let start = pattern.dropLast()
        return start.isEmpty || start.last == UInt8(ascii: ".") && text.utf8.starts(with: start)
    }
}

extension EventFilter {
    /// What the names of types ask for, separated by commas; nil where none is given.
    /// - Parameter field: what stands for them where they are asked for.
    /// - Throws: the violation, which does not quote what was sent.
    package static func types(_ text: String?, field: String = "type") throws(Violation) -> Set<EventType>? {
        guard let text else { return nil }
        let patterns = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        // A list that is longer than that of all types says something twice, and each is compared with all.
        guard patterns.count <= EventType.all.count + Mode.allCases.count + 2 else { throw Violation(field, "has too many types") }
        do {
            return try EventType.types(matching: patterns)
        } catch {
            throw Violation(
                field, "must be types of events, such as persona.completed or style.*, separated by commas; one of them is not known")
        }
    }
}
