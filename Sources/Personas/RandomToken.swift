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

    /// The sixteen bytes as they are stored.
    package var bytes: [UInt8] {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
    }

    /// The token as it stands in a URL or a body: 32 lower-case hexadecimal digits.
    package var text: String {
        String(unsafeUninitializedCapacity: 32) { buffer in
            buffer.putHexadecimal(high, digits: 16, at: 0)
            buffer.putHexadecimal(low, digits: 16, at: 16)
            return 32
        }
    }

    /// Compares all bits whatever the first ones say, so that timing tells nothing about a token.
    package static func == (left: RandomToken, right: RandomToken) -> Bool {
        (left.high ^ right.high) | (left.low ^ right.low) == 0
    }
}
