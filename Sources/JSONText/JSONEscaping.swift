/// How the texts of one kind of JSON are escaped: all that RFC 8259 demands and the character U+007F, and what a kind adds to that.
///
/// The kinds differ because their readers do, and stay as they are because their bytes are published.
package enum JSONEscaping: Sendable {
    /// Answers: nothing more. Their texts have passed the rules of names and instructions, which let no such character through.
    case answers
    /// Errors, whose messages may quote a request: also the control characters beyond ASCII, and the separators U+2028 and U+2029, because
    /// logs and old JavaScript engines take those for line ends.
    case errors
    /// Log lines, which people read on terminals: also the marks that turn the direction of writing around.
    case logs

    /// Whether a character beyond ASCII is escaped.
    private func escapes(_ character: UInt16) -> Bool {
        switch (self, character) {
        case (.errors, 0x80...0x9f), (.errors, 0x2028...0x2029): true
        case (.logs, 0x80...0x9f), (.logs, 0x2028...0x202e), (.logs, 0x2066...0x2069): true
        default: false
        }
    }

    /// The letter that stands behind the backslash for a character, where it has one.
    fileprivate func letter(for character: UInt16) -> UInt8? {
        switch character {
        case 0x22, 0x5c: UInt8(character)
        case 0x09: UInt8(ascii: "t")
        case 0x0a: UInt8(ascii: "n")
        case 0x0d: UInt8(ascii: "r")
        case 0x08 where self == .errors: UInt8(ascii: "b")
        case 0x0c where self == .errors: UInt8(ascii: "f")
        default: nil
        }
    }

    /// The character beyond ASCII that begins at an index and must be escaped, and its length in UTF-8.
    fileprivate func escapedBeyondASCII(_ utf8: UnsafeBufferPointer<UInt8>, at index: Int) -> (character: UInt16, length: Int)? {
        let byte = UInt16(utf8[index])
        let character: UInt16
        let length: Int
        switch byte {
        case 0xc0...0xdf where index + 1 < utf8.count:
            (character, length) = ((byte & 0x1f) << 6 | UInt16(utf8[index + 1] & 0x3f), 2)
        case 0xe0...0xef where index + 2 < utf8.count:
            (character, length) = ((byte & 0x0f) << 12 | UInt16(utf8[index + 1] & 0x3f) << 6 | UInt16(utf8[index + 2] & 0x3f), 3)
        default: return nil
        }
        return escapes(character) ? (character, length) : nil
    }
}

extension [UInt8] {
    /// Appends a text as what stands between the quotes of a JSON string.
    package mutating func append(json text: String, _ escaping: JSONEscaping) {
        var text = text
        text.withUTF8 { append(json: $0, escaping) }
    }

    /// Appends well-formed UTF-8 as what stands between the quotes of a JSON string.
    package mutating func append(json utf8: UnsafeBufferPointer<UInt8>, _ escaping: JSONEscaping) {
        var start = 0
        var index = 0
        while index < utf8.count {
            let byte = utf8[index]
            // Nearly all of nearly every text stands for itself, and goes over in one piece.
            guard byte < 0x20 || byte >= 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            guard let (character, length) = byte < 0x80 ? (UInt16(byte), 1) : escaping.escapedBeyondASCII(utf8, at: index) else {
                index += 1
                continue
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
            append(escaped: character, as: escaping.letter(for: character))
            index += length
            start = index
        }
        append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start...]))
    }

    private mutating func append(escaped character: UInt16, as letter: UInt8?) {
        append(UInt8(ascii: "\\"))
        if let letter { return append(letter) }
        append(UInt8(ascii: "u"))
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(truncatingIfNeeded: character >> shift & 0xf)
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
