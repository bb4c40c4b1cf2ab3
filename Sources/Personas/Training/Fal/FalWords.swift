/// Makes words of fal safe to show to clients.
package enum FalWords {
    /// Unicode scalars that are shown.
    package static let charactersMax = 300
    /// Faults of which words are shown; a validation may find as many as there are members.
    private static let faultsMax = 5

    /// Words from which known clients derive what to do, each of which belongs to other errors. In small letters of ASCII.
    private static let meaningful = [
        "credit", "insufficient", "balance", "payment", "training", "not ready", "still processing", "busy", "overloaded", "rate limit",
    ]

    /// Texts as one: on one line, of bounded length, without control characters and marks that turn the direction of writing around. Nothing where a
    /// client would take it for something else.
    package static func safe(_ texts: [String]) -> String {
        var safe = String.UnicodeScalarView()
        var count = 0
        for text in texts.prefix(faultsMax) {
            var spaced = SpacedScalars(String(text.unicodeScalars.prefix(charactersMax)))
            var isFirst = true
            while let scalar = spaced.next(), count < charactersMax {
                if isFirst, count > 0 { safe.append(contentsOf: "; ".unicodeScalars) }
                isFirst = false
                safe.append(scalar.isHarmless ? scalar : "\u{fffd}")
                count += 1
            }
        }
        let words = String(safe)
        return holds(words, anyOf: meaningful) ? "" : words
    }

    /// Whether a text holds one of some words of ASCII in small letters, whatever the case of its own letters.
    fileprivate static func holds(_ text: String, anyOf words: [String]) -> Bool {
        let bytes = text.utf8.map(\.lowercasedASCII)
        return words.contains { word in
            let word = Array(word.utf8)
            return bytes.indices.contains { bytes[$0...].starts(with: word) }
        }
    }
}

extension FalOutcome {
    /// Why the item fails; nil where there is a portrait.
    package func error(of mode: Mode) -> TrainingError? {
        switch self {
        case .portrait: nil
        case .rejected(let words):
            TrainingError(code: .rejected, message: Self.message("The generation provider refused the input", words, mode))
        case .failed(let words):
            TrainingError(code: .falError, message: Self.message("The generation provider reported an error", words, mode))
        case .overdue: .falOverdue
        }
    }

    /// A message about an item of one mode names none of another.
    private static func message(_ sentence: String, _ words: String, _ mode: Mode) -> String {
        let others = Mode.allCases.filter { $0 != mode }.map(\.rawValue)
        return words.isEmpty || FalWords.holds(words, anyOf: others) ? sentence : "\(sentence): \(words)"
    }
}

extension TrainingError {
    /// That fal did not finish in time.
    package static let falOverdue = TrainingError(code: .falTimeout, message: "The generation provider did not finish in time")
}
