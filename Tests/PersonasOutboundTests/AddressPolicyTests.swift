import Testing

@testable import Personas
import PersonasOutbound

/// An address and whether strangers may send us there.
struct AddressVector: Sendable, CustomTestStringConvertible {
    let text: String
    let isPublic: Bool
    let why: String

    init(_ text: String, _ isPublic: Bool, _ why: String) {
        (self.text, self.isPublic, self.why) = (text, isPublic, why)
    }

    var testDescription: String { "\(text) (\(why))" }
}

@Suite("Address policy")
struct AddressPolicyTests {
    static let vectors: [AddressVector] = [
        .init("0.0.0.0", false, "unspecified"),
        .init("0.255.255.255", false, "last of this network"),
        .init("1.0.0.0", true, "first after this network"),
        .init("9.255.255.255", true, "last before private 10/8"),
        .init("10.0.0.0", false, "private 10/8"),
        .init("10.255.255.255", false, "private 10/8, last"),
        .init("11.0.0.0", true, "first after private 10/8"),
        .init("93.184.216.34", true, "public"),
        .init("100.63.255.255", true, "last before carrier NAT"),
        .init("100.64.0.0", false, "carrier NAT"),
        .init("100.100.100.200", false, "metadata service in the carrier range"),
        .init("100.127.255.255", false, "carrier NAT, last"),
        .init("100.128.0.0", true, "first after carrier NAT"),
        .init("126.255.255.255", true, "last before loopback"),
        .init("127.0.0.1", false, "loopback"),
        .init("127.255.255.254", false, "loopback, far end"),
        .init("128.0.0.0", true, "first after loopback"),
        .init("169.253.255.255", true, "last before link-local"),
        .init("169.254.169.254", false, "cloud metadata"),
        .init("169.255.0.0", true, "first after link-local"),
        .init("172.15.255.255", true, "last before private 172.16/12"),
        .init("172.16.0.0", false, "private 172.16/12"),
        .init("172.31.255.255", false, "private 172.16/12, last"),
        .init("172.32.0.0", true, "first after private 172.16/12"),
        .init("192.0.0.8", false, "protocol assignments"),
        .init("192.0.1.0", true, "between assignments and documentation"),
        .init("192.0.2.1", false, "documentation 1"),
        .init("192.88.99.1", false, "6to4 relay"),
        .init("192.167.255.255", true, "last before private 192.168/16"),
        .init("192.168.0.1", false, "private 192.168/16"),
        .init("192.169.0.0", true, "first after private 192.168/16"),
        .init("198.17.255.255", true, "last before benchmarks"),
        .init("198.18.0.0", false, "benchmarks"),
        .init("198.19.255.255", false, "benchmarks, last"),
        .init("198.20.0.0", true, "first after benchmarks"),
        .init("198.51.100.7", false, "documentation 2"),
        .init("203.0.113.9", false, "documentation 3"),
        .init("223.255.255.255", true, "last before multicast"),
        .init("224.0.0.1", false, "multicast"),
        .init("240.0.0.1", false, "reserved"),
        .init("255.255.255.255", false, "broadcast"),
        .init("::", false, "unspecified"),
        .init("::1", false, "loopback"),
        .init("::127.0.0.1", false, "v4-compatible loopback"),
        .init("::ffff:127.0.0.1", false, "mapped loopback"),
        .init("::ffff:169.254.169.254", false, "mapped metadata"),
        .init("::ffff:8.8.8.8", false, "mapped, although public"),
        .init("::ffff:0:127.0.0.1", false, "translated, RFC 2765"),
        .init("64:ff9b::7f00:1", false, "NAT64 of loopback"),
        .init("64:ff9b::8.8.8.8", false, "NAT64 of a public address"),
        .init("64:ff9b:1::a9fe:a9fe", false, "local-use NAT64, RFC 8215"),
        .init("100::1", false, "discard"),
        .init("1fff:ffff::1", false, "last before global unicast"),
        .init("2001::1", false, "Teredo"),
        .init("2001:0:4136:e378:8000:63bf:3fff:fdd2", false, "Teredo with a client"),
        .init("2001:2::1", false, "benchmarks"),
        .init("2001:10::1", false, "ORCHID"),
        .init("2001:20::1", false, "ORCHIDv2"),
        .init("2001:1ff:ffff::1", false, "protocol assignments, last"),
        .init("2001:200::1", true, "first after protocol assignments"),
        .init("2001:db7:ffff::1", true, "last before documentation"),
        .init("2001:db8::1", false, "documentation"),
        .init("2001:db9::1", true, "first after documentation"),
        .init("2001:4860:4860::8888", true, "public"),
        .init("2002:7f00:1::1", false, "6to4 of loopback"),
        .init("2002:a9fe:a9fe::1", false, "6to4 of metadata"),
        .init("2002:808:808::1", false, "6to4 of a public address"),
        .init("2003::1", true, "first after 6to4"),
        .init("2606:2800:220:1:248:1893:25c8:1946", true, "public"),
        .init("2a00:1450::5efe:7f00:1", false, "ISATAP of loopback"),
        .init("2a00:1450::200:5efe:a9fe:a9fe", false, "ISATAP of metadata, universal bit set"),
        .init("2a00:1450::5efe:808:808", true, "ISATAP of a public address"),
        .init("2a00:1450::100:5efe:7f00:1", true, "no ISATAP identifier"),
        .init("3ffe:ffff::1", true, "last before new documentation"),
        .init("3fff::1", false, "new documentation"),
        .init("3fff:fff:ffff::1", false, "new documentation, last"),
        .init("3fff:1000::1", true, "first after new documentation"),
        .init("4000::1", false, "first after global unicast"),
        .init("5f00::1", false, "segment routing"),
        .init("fc00::1", false, "unique local"),
        .init("fd00:ec2::254", false, "metadata over IPv6"),
        .init("fe80::1", false, "link-local"),
        .init("fec0::1", false, "site-local"),
        .init("ff02::1", false, "multicast"),
    ]

    @Test("An address is public or not", arguments: vectors)
    func isPublic(vector: AddressVector) throws {
        let address = try #require(IPAddress(vector.text))
        #expect(AddressPolicy.isPublic(address) == vector.isPublic)
        #expect(AddressPolicy().allows(address) == vector.isPublic)
    }

    @Test(
        "Development takes the own machine and private networks, and no more",
        arguments: [
            ("127.0.0.1", true), ("10.1.2.3", true), ("172.17.0.2", true), ("192.168.1.1", true), ("100.64.0.1", true), ("::1", true),
            ("fd00::1", true), ("8.8.8.8", true), ("169.254.169.254", false), ("0.0.0.0", false), ("::ffff:127.0.0.1", false),
            ("fe80::1", false), ("224.0.0.1", false), ("::2", false),
        ]
    )
    func development(text: String, isAllowed: Bool) throws {
        let address = try #require(IPAddress(text))
        #expect(AddressPolicy(acceptsPrivate: true).allows(address) == isAllowed)
    }

    @Test("Blocked ranges go before everything else, exempt ones before the public rule")
    func lists() throws {
        let nat64 = try #require(AddressPrefix("2a00:1450:64::/96"))
        let loopback = try #require(AddressPrefix("127.0.0.1"))
        let inside = try #require(IPAddress("2a00:1450:64::7f00:1"))
        let outside = try #require(IPAddress("2a00:1450:64::1:7f00:1"))
        let policy = AddressPolicy(blocked: [nat64])
        #expect(!policy.allows(inside))
        #expect(policy.allows(outside))
        #expect(AddressPolicy(exempt: [loopback]).allows(loopback.first))
        #expect(!AddressPolicy(acceptsPrivate: true, blocked: [loopback], exempt: [loopback]).allows(loopback.first))
    }

    @Test(
        "A range is read and written",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("8.8.8.8", "8.8.8.8/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "0:0:0:0:0:0:0:0/0"),
            ("64:ff9b::/96", "64:ff9b:0:0:0:0:0:0/96"), ("::1", "0:0:0:0:0:0:0:1/128"),
        ]
    )
    func prefix(text: String, written: String) throws {
        let prefix = try #require(AddressPrefix(text))
        #expect(prefix.description == written)
        #expect(prefix.contains(prefix.first))
        #expect(AddressPrefix(written) == prefix)
    }

    @Test(
        "What is no range is not read as one",
        arguments: [
            "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10/8", "::/129",
            "fe80::%eth0/64",
            "2001:db8::1/32", "example.com/24",
        ]
    )
    func noPrefix(text: String) {
        #expect(AddressPrefix(text) == nil)
    }

    @Test(
        "Only the usual form of an address is one",
        arguments: [
            "127.1", "127.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.0.0.1.", "127.0.0.256", "127.0.0.01",
            " 127.0.0.1",
            "127.0.0.1 ", "127.0.0.1\0", "[::1]", "fe80::1%1", "fe80::1%eth0", "::g", "1::2::3", "１２７.0.0.1", "",
        ]
    )
    func noAddress(text: String) {
        #expect(IPAddress(text) == nil)
    }
}
