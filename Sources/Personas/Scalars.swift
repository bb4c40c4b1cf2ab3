extension Unicode.Scalar {
    /// Whether it has the property White_Space (Unicode 16, PropList.txt), which 25 scalars have.
    ///
    /// Written down, because the standard library searches a table for each scalar: in a text of 60 MB that takes a second.
    var isWhiteSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Whether it is a control character (general category Cc).
    var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }

    /// Whether it can do no harm to a terminal, a log or a page that shows it: no control character, and no mark that parts lines or turns the
    /// direction of writing around.
    package var isHarmless: Bool { !isControl && !(0x2028...0x202E).contains(value) && !(0x2066...0x2069).contains(value) }
}

extension String {
    /// Whether the text has more scalars than that. One that cannot have fewer is not walked: what a client sends may be as long as its body.
    package func holdsMoreScalars(than count: Int) -> Bool {
        // No scalar takes more than four bytes, and how many bytes there are is known.
        utf8.count > 4 * count || unicodeScalars.count > count
    }
}

extension String {
    /// Whether it holds U+0000, which not every store can keep in a text, or compare one with. Texts that have a rule for control characters have none
    /// for this one.
    package var holdsNull: Bool { utf8.contains(0) }
}

/// The scalars of a text without the white space at its ends, and with one space for each run of it within.
///
/// Scalars rather than characters, because an accent that follows a space forms one character with it and would be cut along with it. They are
/// found one by one, so that a caller with a limit stops there: white space alone is walked whatever its length.
struct SpacedScalars: Sequence, IteratorProtocol {
    private var rest: String.UnicodeScalarView.Iterator
    private var hasBegun = false
    /// What follows the space that was handed out last.
    private var held: Unicode.Scalar?

    init(_ text: String) {
        rest = text.unicodeScalars.makeIterator()
    }

    mutating func next() -> Unicode.Scalar? {
        if let scalar = held {
            held = nil
            return scalar
        }
        var isSpaceDue = false
        while let scalar = rest.next() {
            if scalar.isWhiteSpace {
                isSpaceDue = hasBegun
                continue
            }
            hasBegun = true
            guard isSpaceDue else { return scalar }
            held = scalar
            return " "
        }
        return nil
    }
}

extension UInt8 {
    /// The small letter of a capital letter of ASCII, and any other byte as it is.
    package var lowercasedASCII: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
}
