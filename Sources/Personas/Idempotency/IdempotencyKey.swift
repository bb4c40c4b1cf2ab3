/// What a client names one POST by, so that it can send it again without fear of a second effect
/// (draft-ietf-httpapi-idempotency-key-header, section 2).
package struct IdempotencyKey: Sendable, Hashable {
    /// The header that carries it.
    package static let headerName = "Idempotency-Key"
    /// Characters of a key at most.
    package static let charactersMax = 255

    /// The key itself, without the quotes that it may have come in.
    package let text: String

    /// Reads the header's value: 1 to 255 visible ASCII characters. The draft wants them in quotes, most clients send none, and both mean the
    /// same key.
    /// - Throws: the rule that is broken.
    package init(header: String) throws(Violation) {
        var characters = Array(header.utf8)[...]
        if characters.count >= 2, characters.first == UInt8(ascii: "\""), characters.last == UInt8(ascii: "\"") {
            characters = characters.dropFirst().dropLast()
        }
        guard (1...Self.charactersMax).contains(characters.count), characters.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Violation(Self.headerName, "must be 1 to \(Self.charactersMax) visible characters, bare or in one pair of quotes")
        }
        text = String(decoding: characters, as: UTF8.self)
    }
}
