import CLibUUID

/// A UUID: parsed, made and printed by libuuid.
///
/// The sixteen bytes are kept in two machine words, so that an identifier is copied and compared without touching the heap.
package struct Identifier: Sendable, Hashable, Comparable {
    private let high: UInt64
    private let low: UInt64

    private init(uuid: uuid_t) {
        (high, low) = withUnsafeBytes(of: uuid) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// Takes sixteen bytes, as they are stored; nil for any other number.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Parses the 8-4-4-4-12 form in either case; nil for anything else, braces and missing hyphens included.
    package init?(_ text: some StringProtocol) {
        guard Identifier.isWellFormed(text) else { return nil }
        var uuid: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let parsed = withUnsafeMutablePointer(to: &uuid) { pointer in
            pointer.withMemoryRebound(to: UInt8.self, capacity: 16) { bytes in text.withCString { uuid_parse($0, bytes) } }
        }
        guard parsed == 0 else { return nil }
        self.init(uuid: uuid)
    }

    /// Whether a text is of the 8-4-4-4-12 form. Asked before `uuid_parse`, because Foundation on Linux exports a function of that name too,
    /// which is linked first and takes signs, spaces and `0x` for digits.
    private static func isWellFormed(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count == 36 else { return false }
        return text.utf8.enumerated().allSatisfy { offset, byte in
            switch offset {
            case 8, 13, 18, 23: byte == UInt8(ascii: "-")
            default: (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
            }
        }
    }

    /// A random identifier (RFC 9562 version 4).
    package static func random() -> Identifier {
        var uuid: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        withUnsafeMutablePointer(to: &uuid) { pointer in
            pointer.withMemoryRebound(to: UInt8.self, capacity: 16) { uuid_generate_random($0) }
        }
        return Identifier(uuid: uuid)
    }

    /// A time-ordered identifier (RFC 9562 version 7): rows made one after another lie side by side in the tables.
    ///
    /// Debian 12's libuuid knows no version 7; the random part is libuuid's, the 48 bits of time are laid over it.
    package static func timeOrdered(at time: Timestamp) -> Identifier {
        let random = Identifier.random()
        let milliseconds = UInt64(truncatingIfNeeded: max(0, time.milliseconds)) & 0xffff_ffff_ffff
        return Identifier(high: milliseconds << 16 | 0x7000 | random.high & 0x0fff, low: random.low)
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Hands out the sixteen bytes in network order, as they are stored.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: (high.bigEndian, low.bigEndian), body)
    }

    /// The sixteen bytes in network order.
    package var bytes: [UInt8] { withBytes { Array($0) } }

    /// The lower-case hyphenated form, 36 characters.
    package var text: String {
        withBytes { bytes in
            String(unsafeUninitializedCapacity: 37) { buffer in
                buffer.withMemoryRebound(to: CChar.self) { characters in
                    guard let source = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), let target = characters.baseAddress else {
                        return 0
                    }
                    uuid_unparse_lower(source, target)
                    return 36
                }
            }
        }
    }

    /// Orders as the stored bytes do.
    package static func < (left: Identifier, right: Identifier) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension Identifier: CustomStringConvertible {
    /// The lower-case hyphenated form.
    package var description: String { text }
}

extension Identifier: Codable {
    /// Reads the text form; refuses anything else.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let identifier = Identifier(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
        }
        self = identifier
    }

    /// Writes the text form.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
