import ArgumentParser

/// Numbers within bounds, which are told in the same words wherever one is given. The rules of the domain have the last word, in the server as well.
enum NumberArgument {
    /// Takes a number within bounds.
    static func within(_ range: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        { text in
            guard let number = Int(text), range.contains(number) else {
                throw ValidationError("It must be a whole number from \(range.lowerBound) to \(range.upperBound).")
            }
            return number
        }
    }
}
