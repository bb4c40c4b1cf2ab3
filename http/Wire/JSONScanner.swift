/// One strict pass over a JSON text. Linear in its length; stops at the first fault.
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let valuesMax: Int
    private var index = 0
    private var depth = 0
    private var values = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, valuesMax: Int = JSONObject.valuesMax) {
        self.bytes = bytes
        self.valuesMax = valuesMax
    }

    /// The members of the one object that the text must be.
    mutating func document() throws(JSONProblem) -> [JSONMemberName: JSONObject.Value] {
        skipWhiteSpace()
        guard peek() == UInt8(ascii: "{") else {
            // Anything else is told apart from broken JSON, because the cure is another one.
            if index < bytes.count {
                _ = try value()
                try requireEnd()
            }
            throw .notAnObject
        }
        let members = try object()
        try requireEnd()
        return members
    }

    private mutating func requireEnd() throws(JSONProblem) {
        skipWhiteSpace()
        guard index == bytes.count else { throw .malformed }
    }

    private mutating func value() throws(JSONProblem) -> JSONObject.Value {
        values += 1
        guard values <= valuesMax else { throw .tooLarge }
        switch peek() {
        case UInt8(ascii: "\""): return try string()
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "t"):
            try literal("true")
            return .boolean(true)
        case UInt8(ascii: "f"):
            try literal("false")
            return .boolean(false)
        case UInt8(ascii: "n"):
            try literal("null")
            return .null
        default: return .number(try number())
        }
    }

    private mutating func object() throws(JSONProblem) -> [JSONMemberName: JSONObject.Value] {
        try enter()
        var members: [JSONMemberName: JSONObject.Value] = [:]
        skipWhiteSpace()
        if take(UInt8(ascii: "}")) {
            depth -= 1
            return members
        }
        while true {
            skipWhiteSpace()
            guard peek() == UInt8(ascii: "\""), case .string(let range, let isEscaped) = try string() else { throw .malformed }
            let raw = UnsafeBufferPointer(rebasing: bytes[range])
            let name = JSONMemberName(isEscaped ? Self.unescaped(raw) : Array(raw))
            skipWhiteSpace()
            guard take(UInt8(ascii: ":")) else { throw .malformed }
            skipWhiteSpace()
            // Readers disagree on which of two members counts, so neither may.
            guard members.updateValue(try value(), forKey: name) == nil else { throw JSONProblem(reason: "has the same member twice") }
            skipWhiteSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw .malformed }
            depth -= 1
            return members
        }
    }

    private mutating func array() throws(JSONProblem) -> [JSONObject.Value] {
        try enter()
        var elements: [JSONObject.Value] = []
        skipWhiteSpace()
        if take(UInt8(ascii: "]")) {
            depth -= 1
            return elements
        }
        while true {
            skipWhiteSpace()
            elements.append(try value())
            skipWhiteSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw .malformed }
            depth -= 1
            return elements
        }
    }

    private mutating func enter() throws(JSONProblem) {
        index += 1
        depth += 1
        guard depth <= JSONObject.depthMax else { throw .tooDeep }
    }

    private mutating func string() throws(JSONProblem) -> JSONObject.Value {
        index += 1
        let start = index
        var isEscaped = false
        while true {
            skipPlainText()
            guard let byte = peek() else { throw .malformed }
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return .string(start..<(index - 1), isEscaped: isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                try escape()
            case 0x80...: try multibyteScalar()
            case ..<0x20: throw .malformed
            default: index += 1
            }
        }
    }

    /// Passes over eight bytes at a time while none of them is a quote, a backslash, a control character or beyond ASCII.
    private mutating func skipPlainText() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        let raw = UnsafeRawBufferPointer(bytes)
        while index + 8 <= bytes.count {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            // The classic test for a zero byte, and its like for a byte below 0x20; a false alarm only means looking byte by byte.
            let special =
                (quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- (ones &* 0x20)) & ~word | word
            if special & tops != 0 { return }
            index += 8
        }
    }

    private mutating func escape() throws(JSONProblem) {
        index += 1
        guard let byte = peek() else { throw .malformed }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try hexadecimalUnit()
            if (0xdc00...0xdfff).contains(unit) { throw .notUTF8 }
            guard (0xd800...0xdbff).contains(unit) else { return }
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), (0xdc00...0xdfff).contains(try hexadecimalUnit()) else {
                throw .notUTF8
            }
        default: throw .malformed
        }
    }

    private mutating func hexadecimalUnit() throws(JSONProblem) -> UInt16 {
        guard index + 4 <= bytes.count else { throw .malformed }
        var unit: UInt16 = 0
        for byte in bytes[index..<(index + 4)] {
            guard let digit = Self.hexadecimalDigit(byte) else { throw .malformed }
            unit = unit << 4 | digit
        }
        index += 4
        return unit
    }

    /// Checks one scalar beyond ASCII by the table of well-formed sequences in the Unicode Standard (3-7).
    private mutating func multibyteScalar() throws(JSONProblem) {
        let first = bytes[index]
        let second: ClosedRange<UInt8>
        let following: Int
        switch first {
        case 0xc2...0xdf: (second, following) = (0x80...0xbf, 1)
        case 0xe0: (second, following) = (0xa0...0xbf, 2)
        case 0xed: (second, following) = (0x80...0x9f, 2)
        case 0xe1...0xef: (second, following) = (0x80...0xbf, 2)
        case 0xf0: (second, following) = (0x90...0xbf, 3)
        case 0xf1...0xf3: (second, following) = (0x80...0xbf, 3)
        case 0xf4: (second, following) = (0x80...0x8f, 3)
        default: throw .notUTF8
        }
        guard index + following < bytes.count, second.contains(bytes[index + 1]) else { throw .notUTF8 }
        for place in 1...following where bytes[index + place] & 0xc0 != 0x80 { throw .notUTF8 }
        index += following + 1
    }

    private mutating func number() throws(JSONProblem) -> Range<Int> {
        let start = index
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) {
            guard digits() > 0 else { throw .malformed }
        }
        if take(UInt8(ascii: ".")) {
            guard digits() > 0 else { throw .malformed }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() > 0 else { throw .malformed }
        }
        return start..<index
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func literal(_ text: StaticString) throws(JSONProblem) {
        let count = text.utf8CodeUnitCount
        guard index + count <= bytes.count,
            bytes[index..<(index + count)].elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: count))
        else { throw .malformed }
        index += count
    }

    private mutating func skipWhiteSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        index += 1
        return true
    }

    /// The bytes of a string that this scanner has passed, with its escapes resolved.
    static func unescaped(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        // What an escape stands for is never longer than the escape.
        [UInt8](unsafeUninitializedCapacity: text.count) { result, count in
            var index = 0
            func put(_ byte: UInt8) {
                result[count] = byte
                count += 1
            }
            while index < text.count {
                guard text[index] == UInt8(ascii: "\\"), index + 1 < text.count else {
                    put(text[index])
                    index += 1
                    continue
                }
                let kind = text[index + 1]
                index += 2
                switch kind {
                case UInt8(ascii: "b"): put(0x08)
                case UInt8(ascii: "f"): put(0x0c)
                case UInt8(ascii: "n"): put(0x0a)
                case UInt8(ascii: "r"): put(0x0d)
                case UInt8(ascii: "t"): put(0x09)
                case UInt8(ascii: "u"): UTF8.encode(escapedScalar(in: text, at: &index))?.forEach(put)
                default: put(kind)
                }
            }
        }
    }

    /// The scalar whose digits stand at an index, of both escapes if it takes two; steps behind it.
    private static func escapedScalar(in text: UnsafeBufferPointer<UInt8>, at index: inout Int) -> Unicode.Scalar {
        func unit() -> UInt32 {
            var unit: UInt32 = 0
            for _ in 0..<4 where index < text.count {
                unit = unit << 4 | UInt32(hexadecimalDigit(text[index]) ?? 0)
                index += 1
            }
            return unit
        }
        let first = unit()
        guard (0xd800...0xdbff).contains(first) else { return Unicode.Scalar(first) ?? "\u{fffd}" }
        index += 2
        let second = unit()
        guard (0xdc00...0xdfff).contains(second) else { return "\u{fffd}" }
        return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) ?? "\u{fffd}"
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt16? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
