package import Personas

/// Says which addresses a download may connect to.
///
/// The ranges are those of the IANA special-purpose address registries (RFC 6890 and its updates).
package struct AddressPolicy: Sendable {
    /// Whether addresses of the operator's own machine and network are taken too, for development.
    package var acceptsPrivate: Bool
    /// Ranges that are never taken, for example the NAT64 prefix of the operator's own network (RFC 6052), which only operators can know.
    package var blocked: [AddressPrefix]
    /// Ranges that are taken although they are not public; `blocked` goes before them.
    package var exempt: [AddressPrefix]

    /// Takes public addresses alone, unless told otherwise.
    package init(acceptsPrivate: Bool = false, blocked: [AddressPrefix] = [], exempt: [AddressPrefix] = []) {
        self.acceptsPrivate = acceptsPrivate
        self.blocked = blocked
        self.exempt = exempt
    }

    /// Whether a download may connect to the address.
    package func allows(_ address: IPAddress) -> Bool {
        if blocked.contains(where: { $0.contains(address) }) { return false }
        if exempt.contains(where: { $0.contains(address) }) { return true }
        if acceptsPrivate, Self.privatePrefixes.contains(where: { $0.contains(address) }) { return true }
        return Self.isPublic(address)
    }

    /// Whether an address is globally reachable unicast, and not a tunnel onto an IPv4 address that is not.
    package static func isPublic(_ address: IPAddress) -> Bool {
        switch address.family {
        case .v4:
            return !notPublicIPv4.contains { $0.contains(address) }
        case .v6:
            guard globalUnicast.contains(address), !notPublicIPv6.contains(where: { $0.contains(address) }) else { return false }
            guard let embedded = isatapAddress(in: address) else { return true }
            return isPublic(embedded)
        }
    }

    /// The IPv4 address within an ISATAP interface identifier (RFC 5214, 6.1): `0000:5efe` or `0200:5efe` before it.
    private static func isatapAddress(in address: IPAddress) -> IPAddress? {
        let identifier = UInt64(truncatingIfNeeded: address.bits)
        guard identifier >> 32 & 0xfdff_ffff == 0x0000_5efe else { return nil }
        return IPAddress(v4: UInt32(truncatingIfNeeded: identifier))
    }

    private static let notPublicIPv4: [AddressPrefix] = [
        .v4(0, 0, 0, 0, length: 8),  // This host on this network, RFC 791.
        .v4(10, 0, 0, 0, length: 8),  // Private, RFC 1918.
        .v4(100, 64, 0, 0, length: 10),  // Behind a carrier's NAT, RFC 6598.
        .v4(127, 0, 0, 0, length: 8),  // Loopback, RFC 1122.
        .v4(169, 254, 0, 0, length: 16),  // Link-local, RFC 3927; clouds answer with their secrets here.
        .v4(172, 16, 0, 0, length: 12),  // Private, RFC 1918.
        .v4(192, 0, 0, 0, length: 24),  // Protocol assignments, RFC 6890.
        .v4(192, 0, 2, 0, length: 24),  // Documentation, RFC 5737.
        .v4(192, 88, 99, 0, length: 24),  // 6to4 relays, RFC 7526.
        .v4(192, 168, 0, 0, length: 16),  // Private, RFC 1918.
        .v4(198, 18, 0, 0, length: 15),  // Benchmarks, RFC 2544.
        .v4(198, 51, 100, 0, length: 24),  // Documentation, RFC 5737.
        .v4(203, 0, 113, 0, length: 24),  // Documentation, RFC 5737.
        .v4(224, 0, 0, 0, length: 3),  // Multicast, reserved and broadcast, RFC 1112.
    ]

    /// The only IPv6 range that is assigned to the public (RFC 4291, 2.4).
    ///
    /// What it leaves out by itself: loopback, v4-mapped and v4-compatible addresses, both well-known NAT64 prefixes, the discard
    /// prefix, unique local, link-local, site-local and multicast addresses, and the segment routing identifiers.
    private static let globalUnicast = AddressPrefix.v6(0x2000, length: 3)

    private static let notPublicIPv6: [AddressPrefix] = [
        .v6(0x2001, length: 23),  // Protocol assignments, RFC 2928: Teredo, ORCHID and benchmarks among them.
        .v6(0x2001, 0x0db8, length: 32),  // Documentation, RFC 3849.
        .v6(0x2002, length: 16),  // 6to4, RFC 3056: any IPv4 address lies in it.
        .v6(0x3fff, length: 20),  // Documentation, RFC 9637.
    ]

    private static let privatePrefixes: [AddressPrefix] = [
        .v4(10, 0, 0, 0, length: 8),
        .v4(100, 64, 0, 0, length: 10),
        .v4(127, 0, 0, 0, length: 8),
        .v4(172, 16, 0, 0, length: 12),
        .v4(192, 168, 0, 0, length: 16),
        .single(IPAddress(v6: 1)),  // Loopback, RFC 4291.
        .v6(0xfc00, length: 7),  // Unique local, RFC 4193.
    ]
}
