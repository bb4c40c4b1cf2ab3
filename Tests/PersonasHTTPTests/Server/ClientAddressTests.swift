import HTTPTypes
import NIOCore
import Personas
import Testing

@testable import PersonasHTTP

/// Whose request it is, by the connection and by what proxies say.
@Suite("The address of a client")
struct ClientAddressTests {
    private static let forwardedFor = HTTPField.Name("X-Forwarded-For")!
    private static let proxies = ["10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48"].compactMap { AddressPrefix($0) }

    private func address(of peer: String, _ lists: [String], behind proxies: [AddressPrefix] = Self.proxies) throws -> String? {
        let addresses = ClientAddresses(trustedProxies: proxies)
        var fields: HTTPFields = [.userAgent: "a"]
        for list in lists { fields.append(HTTPField(name: Self.forwardedFor, value: list)) }
        fields.append(HTTPField(name: .accept, value: "*/*"))
        return addresses.text(
            of: addresses.peer(at: try SocketAddress(ipAddress: peer, port: 4_711)), forwardedFor: fields[values: Self.forwardedFor])
    }

    @Test(
        "is that of its connection, as other programs write it",
        arguments: [
            ("203.0.113.5", "203.0.113.5"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::1", "::1"), ("::ffff:203.0.113.5", "203.0.113.5"),
            ("fe80::1:0:0:2", "fe80::1:0:0:2"),
        ])
    func connection(peer: String, written: String) throws {
        #expect(try address(of: peer, []) == written)
        // Whoever is no proxy in front may claim what it likes.
        for claims in [["198.51.100.7"], ["198.51.100.7, 10.0.0.1"], ["10.0.0.1", "nonsense"]] {
            #expect(try address(of: peer, claims) == written)
            #expect(try address(of: peer, claims, behind: []) == written)
        }
    }

    @Test(
        "is what the proxies in front say, from the end of the list as far as they wrote it",
        arguments: [
            (["198.51.100.7"], "198.51.100.7"),
            // What the client sent itself stands before what the first proxy added.
            (["1.1.1.1, 198.51.100.7"], "198.51.100.7"), (["nonsense, 198.51.100.7"], "198.51.100.7"),
            // A chain of them: each adds the one before.
            (["1.1.1.1, 198.51.100.7, 10.9.9.9, 192.0.2.1"], "198.51.100.7"),
            (["1.1.1.1,198.51.100.7 ,\t10.9.9.9,192.0.2.1 "], "198.51.100.7"),
            // Several fields are one list.
            (["198.51.100.7", "10.9.9.9"], "198.51.100.7"), (["1.1.1.1, 198.51.100.7", "10.9.9.9, 192.0.2.1", "10.1.1.1"], "198.51.100.7"),
            // Where all are proxies, the first of them asked for itself.
            (["10.9.9.9, 192.0.2.1"], "10.9.9.9"), (["10.9.9.9"], "10.9.9.9"),
            // 192.0.2.1 alone is one, not its neighbours.
            (["198.51.100.7, 192.0.2.2"], "192.0.2.2"),
            // Of both families, whatever way they are written.
            (["2001:DB8::0:7"], "2001:db8::7"), (["198.51.100.7, 2001:db8:ffff::1"], "198.51.100.7"),
            (["::ffff:198.51.100.7, ::ffff:10.0.0.9"], "198.51.100.7"),
            // What is no address ends it.
            (["198.51.100.7, unknown"], "10.0.0.1"), (["198.51.100.7, unknown, 10.9.9.9"], "10.9.9.9"), ([""], "10.0.0.1"),
            (["198.51.100.7,"], "10.0.0.1"), (["198.51.100.7,,10.9.9.9"], "10.9.9.9"), (["198.51.100.7", ""], "10.0.0.1"),
            (["198.51.100.7:80"], "10.0.0.1"), (["[2001:db8::7]"], "10.0.0.1"), (["fe80::1%eth0"], "10.0.0.1"),
            (["127.1"], "10.0.0.1"), (["0x7f.0.0.1"], "10.0.0.1"), (["198.51.100.7\u{301}"], "10.0.0.1"),
        ] as [([String], String)])
    func forwarded(lists: [String], written: String) throws {
        #expect(try address(of: "10.0.0.1", lists) == written)
        #expect(try address(of: "::ffff:10.0.0.1", lists) == written)
    }

    @Test("behind more proxies than anybody has is that of the last of these that is looked at")
    func bounded() throws {
        func chain(_ count: Int) -> String { (["198.51.100.7"] + (0..<count).map { "10.1.0.\($0)" }).joined(separator: ", ") }
        #expect(try address(of: "10.0.0.1", [chain(31)]) == "198.51.100.7")
        #expect(try address(of: "10.0.0.1", [chain(32)]) == "10.1.0.0")
        #expect(try address(of: "10.0.0.1", [chain(33)]) == "10.1.0.1")
        #expect(try address(of: "10.0.0.1", Array(repeating: "10.1.0.7", count: 2_000)) == "10.1.0.7")
        let blanks = String(repeating: " ", count: 16_000)
        #expect(try address(of: "10.0.0.1", ["198.51.100.7,\(blanks)"]) == "10.0.0.1")
        #expect(try address(of: "10.0.0.1", [String(repeating: ",", count: 16_000)]) == "10.0.0.1")
        #expect(try address(of: "10.0.0.1", ["198.51.100.7, \(String(repeating: "0", count: 16_000))"]) == "10.0.0.1")
    }

    @Test("is not known on a socket that has none")
    func none() throws {
        let addresses = ClientAddresses(trustedProxies: Self.proxies)
        let fields: HTTPFields = [Self.forwardedFor: "198.51.100.7"]
        #expect(addresses.text(of: addresses.peer(at: nil), forwardedFor: fields[values: Self.forwardedFor]) == nil)
        let socket = try SocketAddress(unixDomainSocketPath: "/run/a.sock")
        #expect(addresses.text(of: addresses.peer(at: socket), forwardedFor: fields[values: Self.forwardedFor]) == nil)
        #expect(!addresses.isTrustedProxy(socket))
    }

    @Test("tells the connections of proxies from those of clients")
    func proxies() throws {
        let addresses = ClientAddresses(trustedProxies: Self.proxies)
        for proxy in ["10.0.0.1", "::ffff:10.0.0.1", "192.0.2.1", "2001:db8:ffff::7"] {
            #expect(addresses.isTrustedProxy(try SocketAddress(ipAddress: proxy, port: 1)))
            #expect(!ClientAddresses(trustedProxies: []).isTrustedProxy(try SocketAddress(ipAddress: proxy, port: 1)))
        }
        for client in ["11.0.0.1", "192.0.2.2", "2001:db8::7", "::10.0.0.1"] {
            #expect(!addresses.isTrustedProxy(try SocketAddress(ipAddress: client, port: 1)))
        }
    }
}
