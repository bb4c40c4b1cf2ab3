import NIOCore

/// Writes an answer's JSON.
///
/// Foundation's encoder takes longer for one item than SQLite takes to find it. The bytes are gathered in an array, because a `ByteBuffer` checks
/// more at every small write than these writes cost.
struct JSONWriter {
    private var bytes: [UInt8] = []
    private var needsComma = false

    init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    /// What was written so far, to be sent.
    var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

    /// Writes an object with whatever `members` writes.
    mutating func object(_ members: (inout JSONWriter) -> Void) {
        container(open: "{", close: "}", members)
    }

    /// Writes an array of whatever `element` writes for each.
    mutating func array<Elements: Sequence>(_ elements: Elements, _ element: (inout JSONWriter, Elements.Element) -> Void) {
        container(open: "[", close: "]") { writer in
            for value in elements { element(&writer, value) }
        }
    }

    /// Begins a member; its value must follow. Names need no escaping.
    mutating func name(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        put(name)
        put("\":")
        needsComma = false
    }

    mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        string(value)
    }

    mutating func member(_ name: StaticString, _ value: Int) {
        self.name(name)
        raw(String(value))
    }

    mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        raw(value ? "true" : "false")
    }

    /// Writes a string, or `null`.
    mutating func string(_ value: String?) {
        guard let value else { return raw("null") }
        string(of: value)
    }

    /// Writes a string that is put together from parts.
    mutating func string(of parts: String...) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for part in parts { escaped(part) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func escaped(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            var start = 0
            for index in 0..<utf8.count {
                let byte = utf8[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7f else { continue }
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
                escape(byte)
                start = index + 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start...]))
        }
    }

    private mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func container(open: StaticString, close: StaticString, _ body: (inout JSONWriter) -> Void) {
        separate()
        put(open)
        needsComma = false
        body(&self)
        put(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): put("\\\"")
        case UInt8(ascii: "\\"): put("\\\\")
        case 0x0a: put("\\n")
        case 0x0d: put("\\r")
        case 0x09: put("\\t")
        default:
            let digits = Array("0123456789abcdef".utf8)
            put("\\u00")
            bytes.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 0xf)]])
        }
    }
}
