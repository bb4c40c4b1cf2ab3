import Personas

/// The value of a header field that takes parameters, such as `form-data; name="image"`, read as strictly as its senders allow.
struct HeaderParameters {
    /// What stands in front of the parameters, as it was sent.
    let value: ArraySlice<UInt8>
    private let parameters: [(name: ArraySlice<UInt8>, value: [UInt8])]

    /// Takes a value apart (RFC 9110, section 5.6.6); nil where that cannot be done.
    init?(_ text: ArraySlice<UInt8>) {
        var scanner = HeaderScanner(text)
        value = scanner.word()
        var parameters: [(name: ArraySlice<UInt8>, value: [UInt8])] = []
        while !scanner.isAtEnd {
            guard scanner.take(UInt8(ascii: ";")) else { return nil }
            let name = scanner.word()
            // Some senders end with a semicolon.
            if name.isEmpty, scanner.isAtEnd || scanner.next == UInt8(ascii: ";") { continue }
            guard !name.isEmpty, scanner.take(UInt8(ascii: "=")), let value = scanner.parameterValue() else { return nil }
            parameters.append((name, value))
        }
        self.parameters = parameters
    }

    /// What stands in front of the parameters, whether or not these make sense.
    static func value(in text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var scanner = HeaderScanner(text)
        return scanner.word()
    }

    /// The values of a parameter, whose name may be written in any case. Readers disagree on which of several counts.
    func values(of name: String) -> [[UInt8]] {
        parameters.filter { $0.name.map(\.lowercasedASCII) == Array(name.utf8) }.map(\.value)
    }
}

/// Reads the value of a header field byte by byte.
private struct HeaderScanner {
    private let text: ArraySlice<UInt8>
    private var index: Int

    init(_ text: ArraySlice<UInt8>) {
        self.text = text
        index = text.startIndex
    }

    var isAtEnd: Bool { index == text.endIndex }
    var next: UInt8? { isAtEnd ? nil : text[index] }

    mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    /// What comes before the next separator, without the blanks around it.
    mutating func word() -> ArraySlice<UInt8> {
        skipBlanks()
        let word = text[index...].prefix { !"\"; \t=".utf8.contains($0) }
        index = word.endIndex
        skipBlanks()
        return word
    }

    /// What comes behind the equals sign: bare, or in quotes. A bare one may hold separators that RFC 9110 wants in quotes, as boundaries do.
    mutating func parameterValue() -> [UInt8]? {
        skipBlanks()
        defer { skipBlanks() }
        guard !take(UInt8(ascii: "\"")) else { return quotedText() }
        let value = text[index...].prefix { !"\"; \t".utf8.contains($0) }
        index = value.endIndex
        return value.isEmpty ? nil : Array(value)
    }

    /// A text up to its closing quote. A backslash counts as one in front of a quote or another backslash alone: browsers send those of file
    /// names as they are, even as the last byte before the closing quote at the end of the header.
    private mutating func quotedText() -> [UInt8]? {
        var value: [UInt8] = []
        while let byte = next {
            index += 1
            switch (byte, next) {
            case (UInt8(ascii: "\""), _): return value
            case (UInt8(ascii: "\\"), UInt8(ascii: "\"")?) where index + 1 < text.endIndex, (UInt8(ascii: "\\"), UInt8(ascii: "\\")?):
                value.append(text[index])
                index += 1
            default: value.append(byte)
            }
        }
        return nil
    }

    private mutating func skipBlanks() {
        while let byte = next, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { index += 1 }
    }
}
