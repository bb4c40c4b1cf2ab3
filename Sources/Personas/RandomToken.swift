/// 128 bits from the system's secure generator: a client that has the token may do what it stands for.
///
/// Media URLs and training leases are such capabilities.
package struct RandomToken: Sendable, Hashable {
    private let high: UInt64
    private let low: UInt64

    /// A fresh token.
    package static func random() -> RandomToken {
        var generator = SystemRandomNumberGenerator()
        return RandomToken(high: generator.next(), low: generator.next())
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Takes sixteen stored bytes; nil for any other number.
    package init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Parses the 32 lower-case hexadecimal digits of `text`; nil for anything else.
    package init?(text: some StringProtocol) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x66 }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// Hands out the sixteen bytes as they are stored.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: (high.bigEndian, low.bigEndian), body)
    }

    /// The sixteen bytes as they are stored.
    package var bytes: [UInt8] { withBytes { Array($0) } }

    /// Compares all bits whatever the first ones say, so that timing tells nothing about a token.
    package static func == (left: RandomToken, right: RandomToken) -> Bool {
        (left.high ^ right.high) | (left.low ^ right.low) == 0
    }
}

extension RandomToken: FixedLengthText {
    /// Characters of a token as it stands in a URL or a body: lower-case hexadecimal digits.
    package static let textBytes = 32

    /// Puts the token as it stands in a URL or a body.
    package func putText(at address: UnsafeMutableRawPointer) {
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: high >> 32)), at: 0)
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: high)), at: 8)
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: low >> 32)), at: 16)
        address.put(hexadecimalDigits(of: UInt32(truncatingIfNeeded: low)), at: 24)
    }
}
