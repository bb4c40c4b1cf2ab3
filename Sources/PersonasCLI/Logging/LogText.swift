import JSONText
import Personas

/// The bytes of log lines, and how texts get into them, whatever they hold: those that come from outside can neither begin a new line nor reach
/// the terminal as control characters, and API keys are cut short.
struct LogText {
    private(set) var bytes: [UInt8] = []

    /// Begins with nothing, and room for so many bytes.
    init(room: Int = 0) { bytes.reserveCapacity(room) }

    /// Takes away everything, and the room as well where it is for more than so many bytes.
    mutating func removeAll(keepingRoomOf bytesMax: Int) { bytes.removeAll(keepingCapacity: bytes.capacity <= bytesMax) }

    /// Takes away everything behind a length.
    mutating func cut(to count: Int) { bytes.removeLast(bytes.count - count) }

    /// Puts one character of ASCII, as it is.
    mutating func put(byte: UInt8) { bytes.append(byte) }

    /// Puts words of the program itself, as they are.
    mutating func put(_ words: StaticString) {
        words.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Puts lines that are made already.
    mutating func put(lines: [UInt8]) { bytes.append(contentsOf: lines) }

    /// Puts a text that is known to hold letters, digits and the marks of times and levels only.
    mutating func put(plain text: String) { bytes.append(contentsOf: text.utf8) }

    /// Puts a whole number.
    mutating func put(_ number: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            var rest = number.magnitude
            repeat {
                start -= 1
                let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: remainder)
                rest = quotient
            } while rest > 0
            if number < 0 { put("-") }
            bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[start...]))
        }
    }

    /// Puts a moment.
    mutating func put(_ time: Timestamp) {
        put(fixed: time)
    }

    /// Puts an id.
    mutating func put(_ id: Identifier) {
        put(fixed: id)
    }

    private mutating func put<Value: FixedLengthText>(fixed value: Value) {
        withUnsafeTemporaryAllocation(byteCount: Value.textBytes, alignment: 1) { text in
            if let address = text.baseAddress { value.putText(at: address) }
            bytes.append(contentsOf: text)
        }
    }

    /// Puts a text as a JSON string.
    mutating func putQuoted(_ text: String) {
        put(byte: UInt8(ascii: "\""))
        putEscaped(text)
        put(byte: UInt8(ascii: "\""))
    }

    /// Puts a text as a value of the form for people, as a JSON string where its end could not be told otherwise.
    mutating func putWord(_ text: String) {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        if isPlain { putEscaped(text) } else { putQuoted(text) }
    }

    /// Puts a text so that it is a part of a JSON string and safe on a terminal, and cuts the API keys in it short.
    mutating func putEscaped(_ text: String) {
        var text = text
        text.withUTF8 { source in
            if Self.standsForItself(source) { return bytes.append(contentsOf: source) }
            var start = 0
            var index = 0
            while index < source.count {
                guard source[index] == UInt8(ascii: "p"), Self.isSecret(source, at: index) else {
                    index += 1
                    continue
                }
                index += Self.recognisedBytes
                bytes.append(json: UnsafeBufferPointer(rebasing: source[start..<index]), .logs)
                put("[hidden]")
                // With `_`, because another key may follow without a mark between.
                while index < source.count, Self.isKeyByte(source[index]) || source[index] == UInt8(ascii: "_") { index += 1 }
                start = index
            }
            bytes.append(json: UnsafeBufferPointer(rebasing: source[start...]), .logs)
        }
    }

    /// Whether a text can go over in one piece, as nearly all do. It may say no of one that could, such as one with `_`, without which there is
    /// no API key; so it needs no way out of its loop, and the compiler can look at many bytes at a time.
    private static func standsForItself(_ source: UnsafeBufferPointer<UInt8>) -> Bool {
        var found: UInt8 = 0
        for byte in source {
            let isSpecial =
                byte &- 0x20 > 0x5E || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "_")
            found |= isSpecial ? 1 : 0
        }
        return found == 0
    }

    /// How much of an API key is kept, so that people recognise which one it was.
    private static let recognisedBytes = 8

    /// Whether an API key begins here: `pkz_` and more than the part that is stored and listed in the open.
    private static func isSecret(_ source: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        guard index + recognisedBytes < source.count, source[index...].starts(with: "pkz_".utf8) else { return false }
        return source[(index + 4)...(index + recognisedBytes)].allSatisfy(isKeyByte)
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}
