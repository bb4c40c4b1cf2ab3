extension ErrorEnvelope {
    /// The JSON in UTF-8, always the same bytes for the same envelope.
    ///
    /// Members come in the order `error` (`code`, `message`, `details` with `field`, `message`, `id`), `request_id`; there is no white
    /// space, `details` and `id` are left out when there are none, and `/` is not escaped. Every control character is escaped, and so
    /// are U+2028 and U+2029, because logs and old JavaScript engines take those for line ends.
    public func encoded() -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(96 + self.error.message.utf8.count + 96 * self.error.details.count)
        json.append(literal: #"{"error":{"code":"#)
        json.append(jsonString: self.error.codeText)
        json.append(literal: #","message":"#)
        json.append(jsonString: self.error.message)
        if !self.error.details.isEmpty {
            json.append(literal: #","details":["#)
            for (index, detail) in self.error.details.enumerated() {
                json.append(literal: index == 0 ? #"{"field":"# : #",{"field":"#)
                json.append(jsonString: detail.field)
                json.append(literal: #","message":"#)
                json.append(jsonString: detail.message)
                if let id = detail.id {
                    json.append(literal: #","id":"#)
                    json.append(jsonString: id)
                }
                json.append(UInt8(ascii: "}"))
            }
            json.append(UInt8(ascii: "]"))
        }
        json.append(literal: #"},"request_id":"#)
        json.append(jsonString: self.requestID)
        json.append(UInt8(ascii: "}"))
        return json
    }
}

extension [UInt8] {
    fileprivate mutating func append(literal: StaticString) {
        self.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Appends the text in quotes, copying runs that need no escape as a whole.
    fileprivate mutating func append(jsonString text: String) {
        self.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            var start = 0
            var index = 0
            while index < utf8.count {
                guard let (escape, length) = Self.escape(of: utf8, at: index) else {
                    index += 1
                    continue
                }
                self.append(contentsOf: utf8[start..<index])
                self.append(contentsOf: escape.utf8)
                index += length
                start = index
            }
            self.append(contentsOf: utf8[start...])
        }
        self.append(UInt8(ascii: "\""))
    }

    /// The escape for the character that starts at `index` and its length in UTF-8, or `nil` when it stands for itself.
    private static func escape(of utf8: UnsafeBufferPointer<UInt8>, at index: Int) -> (String, Int)? {
        switch utf8[index] {
        case UInt8(ascii: "\""): (#"\""#, 1)
        case UInt8(ascii: "\\"): (#"\\"#, 1)
        case 0x08: (#"\b"#, 1)
        case 0x09: (#"\t"#, 1)
        case 0x0A: (#"\n"#, 1)
        case 0x0C: (#"\f"#, 1)
        case 0x0D: (#"\r"#, 1)
        case let byte where byte < 0x20 || byte == 0x7F: (Self.unicodeEscape(of: UInt16(byte)), 1)
        case 0xC2 where utf8[index + 1] < 0xA0: (Self.unicodeEscape(of: UInt16(utf8[index + 1])), 2)
        case 0xE2 where utf8[index + 1] == 0x80 && utf8[index + 2] == 0xA8: (#"\u2028"#, 3)
        case 0xE2 where utf8[index + 1] == 0x80 && utf8[index + 2] == 0xA9: (#"\u2029"#, 3)
        default: nil
        }
    }

    private static func unicodeEscape(of character: UInt16) -> String {
        let digits = String(character, radix: 16)
        return #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
