/// Looking at texts of clients by their bytes.
///
/// `String` compares by canonical equivalence, for which it brings a run of combining marks into order: 8 KB of them keep a processor busy for
/// tens of milliseconds. What a header, a path or a key says is told by bytes alone.
extension Collection<UInt8> {
    /// Whether these are the bytes of a text, letters of ASCII in any case.
    package func isEqual(ignoringCaseOf text: StaticString) -> Bool {
        text.withUTF8Buffer { expected in
            var index = expected.startIndex
            for byte in self {
                guard index < expected.endIndex, byte.asciiLowercased == expected[index].asciiLowercased else { return false }
                index += 1
            }
            return index == expected.endIndex
        }
    }

    /// Whether these are the bytes of a text.
    package func isEqual(to text: String) -> Bool { self.elementsEqual(text.utf8) }

    /// The bytes without spaces and tabs at either end (RFC 9110, section 5.6.3).
    package var withoutOuterBlanks: SubSequence {
        let start = self.firstIndex { !$0.isBlank } ?? self.endIndex
        var end = start
        var index = start
        while index < self.endIndex {
            if !self[index].isBlank { end = self.index(after: index) }
            self.formIndex(after: &index)
        }
        return self[start..<end]
    }
}

extension UInt8 {
    /// The byte as a small letter where it is a capital of ASCII.
    package var asciiLowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

    /// Whether the byte is a space or a tab.
    package var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}
