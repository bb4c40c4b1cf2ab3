import JSONText

extension ErrorEnvelope {
    /// The JSON in UTF-8, always the same bytes for the same envelope.
    ///
    /// Members come in the order `error` (`code`, `message`, `details` with `field`, `message`, `id`, `index`, `code`, `limit`,
    /// `used`), `request_id`; there is no white space, `details` and the last five of its members are left out when there are none, and `/` is not
    /// escaped. Every control character is escaped, and so are U+2028 and U+2029, because logs and old JavaScript engines take those for line ends.
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
                json.append(literal: #","index":"#, number: detail.index)
                if let code = detail.codeText {
                    json.append(literal: #","code":"#)
                    json.append(jsonString: code)
                }
                json.append(literal: #","limit":"#, number: detail.limit)
                json.append(literal: #","used":"#, number: detail.used)
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

    /// Appends a member, if there is one.
    fileprivate mutating func append(literal: StaticString, number: Int?) {
        guard let number else { return }
        self.append(literal: literal)
        self.append(contentsOf: String(number).utf8)
    }

    fileprivate mutating func append(jsonString text: String) {
        self.append(UInt8(ascii: "\""))
        self.append(json: text, .errors)
        self.append(UInt8(ascii: "\""))
    }
}
