import Foundation

/// An IPv4 or IPv6 address as a number, so that ranges are compared by arithmetic and never by text.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// The two families of addresses.
    package enum Family: Sendable, Hashable {
        /// 32-bit addresses (RFC 791).
        case v4
        /// 128-bit addresses (RFC 4291).
        case v6

        /// The width of an address in bits.
        package var bitCount: Int {
            switch self {
            case .v4: 32
            case .v6: 128
            }
        }
    }

    /// The family that `bits` is to be read in. A v4-mapped IPv6 address stays IPv6 here.
    package let family: Family
    /// The address in host order; IPv4 fills the low 32 bits.
    package let bits: UInt128

    /// An IPv4 address from its number.
    package init(v4 number: UInt32) {
        family = .v4
        bits = UInt128(number)
    }

    /// An IPv6 address from its number.
    package init(v6 number: UInt128) {
        family = .v6
        bits = number
    }

    /// Reads four decimal numbers with dots, or an IPv6 address (RFC 4291, 2.2) without brackets and zone.
    ///
    /// The short, octal and hexadecimal IPv4 forms that `inet_aton` reads are no addresses here.
    package init?(_ text: String) {
        var v4: UInt32 = 0
        var v6: UInt128 = 0
        // A NUL would end the text early for the C function.
        guard !text.utf8.contains(0) else { return nil }
        if withUnsafeMutableBytes(of: &v4, { inet_pton(AF_INET, text, $0.baseAddress) }) == 1 {
            self.init(v4: UInt32(bigEndian: v4))
        } else if withUnsafeMutableBytes(of: &v6, { inet_pton(AF_INET6, text, $0.baseAddress) }) == 1 {
            self.init(v6: UInt128(bigEndian: v6))
        } else {
            return nil
        }
    }

    /// The IPv4 address that an IPv6 one stands for on a socket of both families (RFC 4291, section 2.5.5.2), or the address itself.
    package var unmapped: IPAddress {
        family == .v6 && bits >> 32 == 0xFFFF ? IPAddress(v4: UInt32(truncatingIfNeeded: bits)) : self
    }

    /// The text that `init(_: String)` reads: dotted decimal, or eight groups of hexadecimal digits.
    package var description: String {
        switch family {
        case .v4: canonicalText
        case .v6: (0..<8).map { String(UInt16(truncatingIfNeeded: bits >> (112 - 16 * $0)), radix: 16) }.joined(separator: ":")
        }
    }

    /// The text by which other programs know the address: dotted decimal, or the form of RFC 5952 with its run of zeros left out.
    package var canonicalText: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            let written =
                switch family {
                case .v4:
                    withUnsafeBytes(of: UInt32(truncatingIfNeeded: bits).bigEndian) {
                        inet_ntop(AF_INET, $0.baseAddress, text.baseAddress, socklen_t(text.count))
                    }
                case .v6:
                    withUnsafeBytes(of: bits.bigEndian) { inet_ntop(AF_INET6, $0.baseAddress, text.baseAddress, socklen_t(text.count)) }
                }
            // It fails for other families and for too little room alone.
            guard let written else { preconditionFailure("an address of a known family has a text") }
            return String(cString: written)
        }
    }
}

/// A range of addresses that share their first bits (CIDR, RFC 4632).
package struct AddressPrefix: Sendable, Hashable, CustomStringConvertible {
    /// The first address of the range.
    package let first: IPAddress
    /// How many leading bits count.
    package let length: Int

    /// Reads `198.51.100.0/24`, `2001:db8::/32` or a single address; nil for anything else, and where bits after the prefix are set.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let head = parts.first, let address = IPAddress(String(head)) else { return nil }
        var length = address.family.bitCount
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(parts[1]), number <= length else {
                return nil
            }
            length = number
        }
        guard address.bits == Self.leadingBits(of: address, length) << UInt128(address.family.bitCount - length) else { return nil }
        first = address
        self.length = length
    }

    /// A range of IPv4 from the four numbers of its first address.
    package static func v4(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, length: Int) -> AddressPrefix {
        AddressPrefix(first: IPAddress(v4: UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)), length: length)
    }

    /// A range of IPv6 from the first two groups of its first address, the others being zero.
    package static func v6(_ a: UInt16, _ b: UInt16 = 0, length: Int) -> AddressPrefix {
        AddressPrefix(first: IPAddress(v6: UInt128(a) << 112 | UInt128(b) << 96), length: length)
    }

    /// One address alone.
    package static func single(_ address: IPAddress) -> AddressPrefix {
        AddressPrefix(first: address, length: address.family.bitCount)
    }

    private init(first: IPAddress, length: Int) {
        self.first = first
        self.length = length
    }

    /// Whether an address lies in the range. Addresses of the other family never do.
    package func contains(_ address: IPAddress) -> Bool {
        address.family == first.family && Self.leadingBits(of: address, length) == Self.leadingBits(of: first, length)
    }

    /// The range as `init(_: String)` reads it.
    package var description: String { "\(first)/\(length)" }

    private static func leadingBits(of address: IPAddress, _ length: Int) -> UInt128 {
        // A shift by the full width gives zero, which is right for a prefix without bits.
        address.bits >> UInt128(address.family.bitCount - length)
    }
}
