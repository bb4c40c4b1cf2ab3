import CLibUUID

/// A UUID.
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
    ///
    /// By libuuid's `uuid_parse_range`, because Foundation on Linux exports a `uuid_parse` of its own, which is linked first and takes signs,
    /// spaces and `0x` for digits.
    package init?(_ text: String) {
        var uuid: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        let parsed = withUnsafeMutablePointer(to: &uuid) { pointer in
            pointer.withMemoryRebound(to: UInt8.self, capacity: 16) { bytes in
                text.withCString { uuid_parse_range($0, $0 + text.utf8.count, bytes) }
            }
        }
        guard parsed == 0 else { return nil }
        self.init(uuid: uuid)
    }

    /// A random identifier (RFC 9562 version 4).
    ///
    /// Not by `uuid_generate_random`, which Foundation on Linux replaces by its own: that opens, reads and closes `/dev/urandom` each time.
    package static func random() -> Identifier {
        var generator = SystemRandomNumberGenerator()
        let high: UInt64 = generator.next()
        let low: UInt64 = generator.next()
        return Identifier(high: high & ~0xf000 | 0x4000, low: low & ~(0b11 << 62) | 0b10 << 62)
    }

    /// A time-ordered identifier (RFC 9562 version 7): rows made one after another lie side by side in the tables.
    ///
    /// Debian 12's libuuid knows no version 7, so the 48 bits of time are laid over a random identifier.
    package static func timeOrdered(at time: Timestamp) -> Identifier {
        let random = Identifier.random()
        let milliseconds = UInt64(truncatingIfNeeded: max(0, time.milliseconds)) & 0xffff_ffff_ffff
        return Identifier(high: milliseconds << 16 | 0x7000 | random.high & 0x0fff, low: random.low)
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The nil UUID (RFC 9562, section 5.9), which stands before all others: where a list begins.
    package static let nilUUID = Identifier(high: 0, low: 0)
    /// The max UUID (RFC 9562, section 5.10), which stands behind all others: where a list begins that goes back.
    package static let maxUUID = Identifier(high: .max, low: .max)

    /// Hands out the sixteen bytes in network order, as they are stored.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: (high.bigEndian, low.bigEndian), body)
    }

    /// The sixteen bytes in network order.
    package var bytes: [UInt8] { withBytes { Array($0) } }

    /// Orders as the stored bytes do.
    package static func < (left: Identifier, right: Identifier) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension Identifier: FixedLengthText {
    /// Characters of the lower-case hyphenated form.
    package static let textBytes = 36

    /// Puts the lower-case hyphenated form.
    package func putText(at address: UnsafeMutableRawPointer) {
        let second = hexadecimalDigits(of: UInt32(truncatingIfNeeded: high))
        let third = hexadecimalDigits(of: UInt32(truncatingIfNeeded: low >> 32))
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: high >> 32)), at: 0)
        address.put(UInt32(truncatingIfNeeded: second), at: 9)
        address.put(UInt32(truncatingIfNeeded: second >> 32), at: 14)
        address.put(UInt32(truncatingIfNeeded: third), at: 19)
        address.put(UInt32(truncatingIfNeeded: third >> 32), at: 24)
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: low)), at: 28)
        let hyphen = UInt8(ascii: "-")
        address.put(hyphen, at: 8)
        address.put(hyphen, at: 13)
        address.put(hyphen, at: 18)
        address.put(hyphen, at: 23)
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
