import JSONText

extension ErrorEnvelope {
    /// The JSON in UTF-8, always the same bytes for the same envelope.
    ///
    /// Members come in the order `error` (`code`, `message`, `details` with `field`, `message`, `id`, `index`, `code`), `request_id`;
    /// there is no white space, `details` and the last three of its members are left out when there are none, and `/` is not escaped. Every
    /// control character is escaped, and so are U+2028 and U+2029, because logs and old JavaScript engines take those for line ends.
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
                if let index = detail.index {
                    json.append(literal: #","index":"#)
                    json.append(contentsOf: String(index).utf8)
                }
                if let code = detail.codeText {
                    json.append(literal: #","code":"#)
                    json.append(jsonString: code)
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

    fileprivate mutating func append(jsonString text: String) {
        self.append(UInt8(ascii: "\""))
        self.append(json: text, .errors)
        self.append(UInt8(ascii: "\""))
    }
}
