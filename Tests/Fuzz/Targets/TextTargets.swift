import ErrorEnvelope
import Personas
import PersonasWire

extension FuzzTarget {
    /// Cursors: the first two bytes choose the list, the others are the text of a cursor and once more the position to make one of.
    static let cursors = FuzzTarget(
        name: "cursors",
        pieces: utf8("AQ", "AAAA", "____", "----", "=", "A", "-", "_", "+", "/", " ", "\n", "é", "%3D", "\0") + [[0], [0xFF], [0x80]],
        check: { (bytes) throws(BrokenProperty) in
            let choices = bytes.prefix(2).map(Int.init) + [0, 0]
            let sorts = PikzonalitySort.allCases
            let sort = sorts[choices[0] % sorts.count]
            let modes: [Mode?] = [nil] + Mode.allCases
            let search = choices[1] & 8 == 0 ? nil : "q"
            let filter = PikzonalityFilter(
                mode: modes[choices[1] % modes.count], search: search, externalID: choices[1] & 16 == 0 ? nil : "x",
                metadata: choices[1] & 32 == 0 ? [] : [MetadataMember(key: "k", value: "v")])
            let rest = bytes.dropFirst(2)

            let text = String(decoding: rest, as: UTF8.self)
            if let cursor = Cursor(text: text, filter: filter, sort: sort) {
                try require(cursor.text(filter: filter, sort: sort) == text, "a cursor that is read is written as it was")
            }
            try checkOwn(place: rest, filter, sort)
        })

    /// Makes a cursor and reads it, for its own list and for others, whole and damaged.
    private static func checkOwn(place: ArraySlice<UInt8>, _ filter: PikzonalityFilter, _ sort: PikzonalitySort) throws(BrokenProperty) {
        let padded = Array(place.prefix(24)) + Array(repeating: 0, count: max(0, 24 - place.count))
        guard let id = padded[..<16].withUnsafeBytes({ Identifier(bytes: $0) }) else {
            throw BrokenProperty(description: "any sixteen bytes are an id")
        }
        let milliseconds = padded[16...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let position = PikzonalityPosition(
            nameKey: sort.isByName ? String(decoding: place.dropFirst(24), as: UTF8.self) : "",
            createdAt: Timestamp(milliseconds: Int64(bitPattern: milliseconds)), id: id)
        let text = Cursor(position: position).text(filter: filter, sort: sort)
        let own = Cursor(text: text, filter: filter, sort: sort)?.position
        guard !position.nameKey.holdsNull else {
            return try require(own == nil, "a cursor with U+0000 in its name, which no item has, is none")
        }
        guard let read = own else { throw BrokenProperty(description: "a cursor can be read by the list that made it") }
        try require(
            read == position && read.nameKey.utf8.elementsEqual(position.nameKey.utf8), "a cursor says where it was made")
        var other = filter
        other.search = filter.search == nil ? "q" : nil
        try require(Cursor(text: text, filter: other, sort: sort) == nil, "a cursor is of no use to another list")
        try require(Cursor(text: String(text.dropLast()), filter: filter, sort: sort) == nil, "a cursor that lost its end is none")
        var changed = Array(text.utf8)
        let index = (Int(padded[0]) << 8 | Int(padded[1])) % changed.count
        changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        try require(
            Cursor(text: String(decoding: changed, as: UTF8.self), filter: filter, sort: sort) == nil, "a cursor that was changed is none")
    }

    /// Idempotency keys, as they stand in a header.
    static let idempotencyKeys = FuzzTarget(
        name: "idempotency-keys",
        pieces: utf8(
            "\"", "\\", "\\\"", " ", "\t", "\r\n", "é", "\u{7f}", "\0", "key", ";a=1", ",", ":", "?1",
            "018f4e5a-1b2c-7d3e-8f90-a1b2c3d4e5f6")
            + [Array(repeating: UInt8(ascii: "x"), count: 128)],
        check: { (bytes) throws(BrokenProperty) in
            guard let key = try? IdempotencyKey(quotable: String(decoding: bytes, as: UTF8.self)) else { return }
            try require((1...255).contains(key.text.utf8.count), "an accepted key has 1 to 255 characters")
            try require(key.text.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "an accepted key is visible ASCII")
            // Quotes and what escapes them may be part of one form and not of the other.
            guard !key.text.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else { return }
            try require((try? IdempotencyKey(quotable: key.text))?.text == key.text, "a key means the same bare")
            try require((try? IdempotencyKey(quotable: "\"\(key.text)\""))?.text == key.text, "a key means the same in quotes")
        })

    /// The envelope of errors, as a client reads it.
    static let envelopes = FuzzTarget(
        name: "envelopes",
        pieces: utf8(
            "{\"error\":", "\"code\":", "\"message\":", "\"details\":[", "\"field\":", "\"id\":", "\"request_id\":", "null", "NOT_FOUND")
            + utf8(
                "[", "]", "{", "}", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "\\ufeff", "\u{feff}", "\u{2028}", "\u{85}", "é", "1e400")
            + [[0], [0xFF], [0xED, 0xA0, 0x80], Array(repeating: 0x5B, count: 513)],
        check: { (bytes) throws(BrokenProperty) in
            if let envelope = try? ErrorEnvelope(decoding: bytes) { try checkRoundTrip(envelope) }
            let text = String(decoding: bytes.prefix(2_000), as: UTF8.self)
            let code = ErrorCode.allCases[Int(bytes.first ?? 0) % ErrorCode.allCases.count]
            let details =
                bytes.count % 3 == 0
                ? [] : [ErrorDetail(field: text, message: text, id: bytes.count % 3 == 1 ? text : nil, index: bytes.count, code: code)]
            try checkRoundTrip(ErrorEnvelope(code: code, message: text, details: details, requestID: text))
        })

    private static func checkRoundTrip(_ envelope: ErrorEnvelope) throws(BrokenProperty) {
        let json = envelope.encoded()
        guard let read = try? ErrorEnvelope(decoding: json, bytesMax: .max) else {
            throw BrokenProperty(description: "an envelope that is written can be read")
        }
        try require(read == envelope && read.encoded() == json, "an envelope that is read says what was written")
        let text = String(decoding: json, as: UTF8.self).unicodeScalars
        try require(
            text.allSatisfy { $0.properties.generalCategory != .control && $0 != "\u{2028}" && $0 != "\u{2029}" },
            "a written envelope is one line without control characters")
        try require((try? JSONObject(json)) != nil, "the service's own reader reads what its errors are")
    }
}
