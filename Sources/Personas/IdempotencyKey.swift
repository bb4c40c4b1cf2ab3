/// The value of a request's `Idempotency-Key`: by it a client says that a request is the same as an earlier one.
package struct IdempotencyKey: Sendable, Hashable {
    /// The most characters of a key.
    package static let charactersMax = 255

    /// 1 to 255 characters of visible ASCII.
    package let text: String

    /// Reads the header's value: the key in quotes, as the IETF's draft has it, or bare, as many clients write it.
    /// - Throws: the rule that is broken, for the field `Idempotency-Key`.
    package init(header: String) throws(Violation) {
        var bytes = Array(header.utf8)[...]
        let quote = UInt8(ascii: "\"")
        if bytes.count >= 2, bytes.first == quote, bytes.last == quote { bytes = bytes.dropFirst().dropLast() }
        guard (1...Self.charactersMax).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Violation("Idempotency-Key", "must be 1 to \(Self.charactersMax) visible ASCII characters")
        }
        text = String(decoding: bytes, as: UTF8.self)
    }
}
