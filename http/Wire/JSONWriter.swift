import JSONText

/// Writes an answer's JSON.
///
/// Foundation's encoder takes longer for one item than SQLite takes to find it. The bytes are gathered in an array, because NIO's `ByteBuffer`
/// checks more at every small write than these writes cost.
package struct JSONWriter {
    /// What was written so far.
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// A writer with room for so many bytes, which grows as needed.
    package init(capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    /// Writes an object with what `members` writes.
    package mutating func object(_ members: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        members(&self)
        close(UInt8(ascii: "}"))
    }

    /// Writes an array of what `elements` writes. The loop is the caller's, because a generic one is not specialised beyond its module, and then
    /// takes a fifth more of the time of a list.
    package mutating func array(_ elements: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        elements(&self)
        close(UInt8(ascii: "]"))
    }

    /// Begins a member; its value must follow. Names need no escaping.
    package mutating func name(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        put(name)
        put("\":")
        needsComma = false
    }

    /// Writes a member that is a text, or `null`.
    package mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        string(value)
    }

    /// Writes a member that is a whole number.
    package mutating func member(_ name: StaticString, _ value: Int) {
        self.name(name)
        raw(String(value))
    }

    /// Writes a member that is `true` or `false`.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        raw(value ? "true" : "false")
    }

    /// Writes a string, or `null`.
    package mutating func string(_ value: String?) {
        guard let value else { return raw("null") }
        string(of: value)
    }

    /// Writes a string that is put together from parts.
    package mutating func string(of parts: String...) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for part in parts { bytes.append(json: part, .answers) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }
}
