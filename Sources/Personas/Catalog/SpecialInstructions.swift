/// Words for the trainer and for later generations: at most 300 characters, kept as sent.
package enum SpecialInstructions {
    /// Checks what a client sent. An empty text is stored as none.
    ///
    /// Characters are Unicode scalars: a grapheme may be of any size. Control characters other than tab and line ends are refused,
    /// because a NUL cuts texts short in C and SQLite, and escape sequences forge terminal output.
    /// - Throws: the rule that is broken, for the field `specialInstructions`.
    package static func validated(_ raw: String) throws(Violation) -> String? {
        guard !raw.holdsMoreScalars(than: Limits.specialInstructionsCharactersMax) else {
            throw Violation(.specialInstructions, "must be at most \(Limits.specialInstructionsCharactersMax) characters long")
        }
        guard raw.unicodeScalars.allSatisfy({ !$0.isControl || $0 == "\t" || $0 == "\n" || $0 == "\r" }) else {
            throw Violation(.specialInstructions, "must not hold control characters")
        }
        return raw.isEmpty ? nil : raw
    }
}
