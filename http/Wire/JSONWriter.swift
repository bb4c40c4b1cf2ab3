import JSONText
package import Personas

/// Writes an answer's JSON into memory of its caller's.
///
/// Foundation's encoder takes longer for one item than SQLite takes to find it. This goes through an address, because an array, like NIO's
/// `ByteBuffer`, checks more at every small write than the write costs. It never leaves `write(into:_:)`, and so neither does the address.
package struct JSONWriter: ~Copyable {
    private let room: UnsafeMutableRawBufferPointer
    /// Bytes written so far, with those for which there was no room: they are counted all the same.
    private var count = 0
    private var needsComma = false

    private init(_ room: UnsafeMutableRawBufferPointer) {
        self.room = room
    }

    /// Writes JSON from the beginning of the room.
    /// - Returns: how many bytes it has. Where that is more than there is room for, it is not there as a whole, and may be written again into as much.
    package static func write(into room: UnsafeMutableRawBufferPointer, _ json: (inout JSONWriter) -> Void) -> Int {
        var writer = JSONWriter(room)
        json(&writer)
        return writer.count
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
        let length = name.utf8CodeUnitCount
        if let address = take(length + 3) {
            address.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
            (address + 1).copyMemory(from: name.utf8Start, byteCount: length)
            address.storeBytes(of: UInt8(ascii: "\""), toByteOffset: length + 1, as: UInt8.self)
            address.storeBytes(of: UInt8(ascii: ":"), toByteOffset: length + 2, as: UInt8.self)
        }
        needsComma = false
    }

    /// Writes a member that is a text, or `null`.
    package mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        string(value)
    }

    /// Writes a member that is a text of fixed length: an identifier, a token or a time.
    package mutating func member(_ name: StaticString, _ value: some FixedLengthText) {
        self.name(name)
        string(after: [], value)
    }

    /// Writes a member that is the name of an item.
    package mutating func member(_ name: StaticString, _ value: Name) {
        self.name(name)
        quote()
        value.withUTF8 { put(escaped: $0) }
        unquote()
    }

    /// Writes a member that is one of few words, none of which needs escaping.
    package mutating func member(_ name: StaticString, word value: some RawRepresentable<String>) {
        self.name(name)
        quote()
        put(value.rawValue)
        unquote()
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

    /// Writes a member that is a text, both as their UTF-8. Unlike that of others its name is one that a client chose.
    package mutating func member(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        quote()
        put(escaped: name)
        put(UInt8(ascii: "\""))
        put(UInt8(ascii: ":"))
        put(UInt8(ascii: "\""))
        put(escaped: value)
        unquote()
    }

    /// Writes a string, or `null`.
    package mutating func string(_ value: String?) {
        guard let value else { return raw("null") }
        quote()
        put(escaped: value)
        unquote()
    }

    /// Writes a string that begins with text which is escaped already.
    package mutating func string<Text: FixedLengthText>(after beginning: [UInt8], _ rest: Text) {
        separate()
        if let address = take(beginning.count + Text.textBytes + 2) {
            address.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
            beginning.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: address + 1, count: $0.count).copyMemory(from: $0) }
            rest.putText(at: address + 1 + beginning.count)
            address.storeBytes(of: UInt8(ascii: "\""), toByteOffset: beginning.count + Text.textBytes + 1, as: UInt8.self)
        }
        needsComma = true
    }

    /// Writes JSON that is there already.
    package mutating func json(_ text: String) { raw(text) }

    private mutating func quote() {
        separate()
        put(UInt8(ascii: "\""))
    }

    private mutating func unquote() {
        put(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func put(escaped text: String) {
        var text = text
        text.withUTF8 { put(escaped: $0) }
    }

    private mutating func put(escaped utf8: UnsafeBufferPointer<UInt8>) {
        JSONEscaping.answers.pieces(of: utf8) { put(UnsafeRawBufferPointer($0)) }
    }

    private mutating func raw(_ text: String) {
        separate()
        put(text)
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        put(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        put(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { put(UInt8(ascii: ",")) }
    }

    private mutating func put(_ text: String) {
        var text = text
        text.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        if let address = take(bytes.count), let source = bytes.baseAddress { address.copyMemory(from: source, byteCount: bytes.count) }
    }

    private mutating func put(_ byte: UInt8) {
        if let address = take(1) { address.storeBytes(of: byte, as: UInt8.self) }
    }

    /// Where so many bytes go; nil if there is no room for all of them.
    private mutating func take(_ length: Int) -> UnsafeMutableRawPointer? {
        let start = count
        count += length
        return count <= room.count ? room.baseAddress.map { $0 + start } : nil
    }
}
