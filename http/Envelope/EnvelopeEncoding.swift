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
        json.append(literal: #"{"error":"#)
        json.append(error: self.error)
        json.append(literal: #","request_id":"#)
        json.append(jsonString: self.requestID)
        json.append(UInt8(ascii: "}"))
        return json
    }
}

extension ErrorBody {
    /// The JSON in UTF-8, the same bytes as within an envelope, for answers that tell of several failures.
    public func encoded() -> [UInt8] {
        var json: [UInt8] = []
        json.append(error: self)
        return json
    }
}

extension [UInt8] {
    fileprivate mutating func append(error: ErrorBody) {
        self.append(literal: #"{"code":"#)
        self.append(jsonString: error.codeText)
        self.append(literal: #","message":"#)
        self.append(jsonString: error.message)
        if !error.details.isEmpty {
            self.append(literal: #","details":["#)
            for (index, detail) in error.details.enumerated() {
                self.append(literal: index == 0 ? #"{"field":"# : #",{"field":"#)
                self.append(jsonString: detail.field)
                self.append(literal: #","message":"#)
                self.append(jsonString: detail.message)
                if let id = detail.id {
                    self.append(literal: #","id":"#)
                    self.append(jsonString: id)
                }
                self.append(literal: #","index":"#, number: detail.index)
                if let code = detail.codeText {
                    self.append(literal: #","code":"#)
                    self.append(jsonString: code)
                }
                self.append(literal: #","limit":"#, number: detail.limit)
                self.append(literal: #","used":"#, number: detail.used)
                self.append(UInt8(ascii: "}"))
            }
            self.append(UInt8(ascii: "]"))
        }
        self.append(UInt8(ascii: "}"))
    }

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
