import Personas
import Testing

@Suite("IP addresses")
struct IPAddressTests {
    @Test(
        "The canonical text is that of RFC 5952",
        arguments: [
            ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("192.0.2.10", "192.0.2.10"), ("::", "::"), ("::1", "::1"),
            ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"), ("2001:DB8::ABCD", "2001:db8::abcd"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ])
    func canonicalText(text: String, written: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.canonicalText == written)
        #expect(IPAddress(written) == address)
    }
}
