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
    private func letter(for character: UInt16) -> UInt8? {
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

    /// Hands out what stands between the quotes of a JSON string for a text in well-formed UTF-8: in as few pieces as there are escapes in it, and one
    /// more. Each is valid until `put` returns.
    package func pieces(of utf8: UnsafeBufferPointer<UInt8>, _ put: (UnsafeBufferPointer<UInt8>) -> Void) {
        var start = 0
        var index = suspect(in: utf8, from: 0)
        while index < utf8.count {
            if let (character, length) = escaped(in: utf8, at: index) {
                if index > start { put(UnsafeBufferPointer(rebasing: utf8[start..<index])) }
                putEscape(of: character, put)
                index += length
                start = index
            } else {
                index += 1
            }
            index = suspect(in: utf8, from: index)
        }
        // Nearly all of nearly every text stands for itself, and goes over in one piece.
        if start < utf8.count { put(UnsafeBufferPointer(rebasing: utf8[start...])) }
    }

    /// Where the next byte is that may have to be escaped: eight are looked at together, and a false alarm only means a closer look.
    private func suspect(in utf8: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        guard utf8.count >= 8 else { return (start..<utf8.count).first { isSuspect(utf8[$0]) } ?? utf8.count }
        let raw = UnsafeRawBufferPointer(utf8)
        var index = start
        while index < utf8.count {
            // The last word overlaps what was passed already, which is shifted out.
            let place = min(index, utf8.count - 8)
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            let alarms = alarms(in: word) >> UInt64(8 * (index - place))
            if alarms != 0 { return index + alarms.trailingZeroBitCount / 8 }
            index = place + 8
        }
        return utf8.count
    }

    /// The top bit of each byte of a word that may have to be escaped; above such a byte also of some that need not.
    private func alarms(in word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        // The classic test for a zero byte, and its like for a byte below 0x20.
        func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word }
        let special =
            zeros(word ^ ones &* UInt64(UInt8(ascii: "\""))) | zeros(word ^ ones &* UInt64(UInt8(ascii: "\\"))) | zeros(word ^ ones &* 0x7f)
            | (word &- ones &* 0x20) & ~word
        return (self == .answers ? special : special | word) & tops
    }

    /// Whether a byte may have to be escaped: a character of ASCII that must be, or the beginning of one beyond it that may be.
    private func isSuspect(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7f || byte > 0x7f && self != .answers
    }

    /// The character that begins at an index, with its length in UTF-8, if it must be escaped.
    private func escaped(in utf8: UnsafeBufferPointer<UInt8>, at index: Int) -> (character: UInt16, length: Int)? {
        let byte = UInt16(utf8[index])
        let character: UInt16
        let length: Int
        switch byte {
        case ..<0x80: return isSuspect(utf8[index]) ? (byte, 1) : nil
        case 0xc0...0xdf where index + 1 < utf8.count:
            (character, length) = ((byte & 0x1f) << 6 | UInt16(utf8[index + 1] & 0x3f), 2)
        case 0xe0...0xef where index + 2 < utf8.count:
            (character, length) = ((byte & 0x0f) << 12 | UInt16(utf8[index + 1] & 0x3f) << 6 | UInt16(utf8[index + 2] & 0x3f), 3)
        default: return nil
        }
        return escapes(character) ? (character, length) : nil
    }

    private func putEscape(of character: UInt16, _ put: (UnsafeBufferPointer<UInt8>) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 6) { escape in
            escape.initialize(repeating: UInt8(ascii: "\\"))
            guard let letter = letter(for: character) else {
                escape[1] = UInt8(ascii: "u")
                for place in 0..<4 {
                    let digit = UInt8(truncatingIfNeeded: character >> UInt16(12 - 4 * place) & 0xf)
                    escape[2 + place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                }
                return put(UnsafeBufferPointer(escape))
            }
            escape[1] = letter
            put(UnsafeBufferPointer(rebasing: escape[..<2]))
        }
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
        escaping.pieces(of: utf8) { append(contentsOf: $0) }
    }
}
