/// What a client's own program calls an item: its key in the client's database, say. Unique per account and mode.
package enum ExternalID {
    /// Checks what a client sent: 1 to 64 visible ASCII characters, kept as they are.
    /// - Throws: the rule that is broken, for the field `externalID`.
    package static func validated(_ raw: String) throws(Violation) -> String {
        let characters = raw.utf8
        guard (1...Limits.externalIDCharactersMax).contains(characters.count), characters.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Violation(.externalID, "must be 1 to \(Limits.externalIDCharactersMax) visible ASCII characters")
        }
        return raw
    }
}
