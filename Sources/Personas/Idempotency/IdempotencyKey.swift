/// What a client names one POST by, so that it can send it again without fear of a second effect
/// (draft-ietf-httpapi-idempotency-key-header, section 2).
package struct IdempotencyKey: Sendable, Hashable {
    /// Characters of a key at most.
    package static let charactersMax = 255

    /// The key itself, without the quotes that it may have come in.
    package let text: String

    /// Reads what a client sent: 1 to 255 visible ASCII characters. The draft wants them in quotes, most clients send none, and both mean the
    /// same key.
    /// - Throws: the rule that is broken.
    package init(quotable text: String) throws(Violation) {
        var characters = Array(text.utf8)[...]
        if characters.count >= 2, characters.first == UInt8(ascii: "\""), characters.last == UInt8(ascii: "\"") {
            characters = characters.dropFirst().dropLast()
        }
        guard (1...Self.charactersMax).contains(characters.count), characters.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Violation(.idempotencyKey, "must be 1 to \(Self.charactersMax) visible characters, bare or in one pair of quotes")
        }
        self.text = String(decoding: characters, as: UTF8.self)
    }
}
