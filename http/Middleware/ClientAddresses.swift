import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import NIOCore
import Personas

/// The other end of a connection. It says the same of every request of the connection, so that it need be made only once.
struct ConnectionPeer: Sendable {
    /// The address without its port, as logs write it; nil where the connection has none.
    let text: String?
    fileprivate let isTrustedProxy: Bool
}

/// Finds the address of the client behind a request.
struct ClientAddresses: Sendable {
    /// The proxies between a client and the service that are looked behind at most.
    private static let proxiesMax = 32
    /// The longest text of an address, `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
    private static let addressBytesMax = 45

    private let trustedProxies: [AddressPrefix]

    /// - Parameter trustedProxies: networks of proxies in front, whose word on their clients is taken.
    init(trustedProxies: [AddressPrefix]) {
        self.trustedProxies = trustedProxies
    }

    /// Whether an address is that of a proxy in front.
    func isTrustedProxy(_ address: SocketAddress) -> Bool {
        // Most services have none, and are not to pay for the question.
        !trustedProxies.isEmpty && IPAddress(address).map { isTrustedProxy($0.unmapped) } ?? false
    }

    private func isTrustedProxy(_ address: IPAddress) -> Bool { trustedProxies.contains { $0.contains(address) } }

    /// What there is to know of the other end of a connection.
    func peer(at address: SocketAddress?) -> ConnectionPeer {
        let address = address.flatMap { IPAddress($0) }?.unmapped
        return ConnectionPeer(text: address?.canonicalText, isTrustedProxy: address.map(isTrustedProxy) ?? false)
    }

    /// The address of the client, as logs write it: that of the connection or, where a proxy in front has made it, what the proxies say in
    /// `X-Forwarded-For`.
    ///
    /// Each proxy adds to the end of the list for whom it passes the request on, so that the list is believed from its end, as long as it was
    /// written by proxies in front. What lies before the first other address, and before anything that is no address, is whatever a client likes.
    /// - Parameter fields: the values of all fields of this name, in their order.
    func text(of peer: ConnectionPeer, forwardedFor fields: @autoclosure () -> [String]) -> String? {
        guard peer.isTrustedProxy else { return peer.text }
        return forwardedAddress(in: fields())?.canonicalText ?? peer.text
    }

    private func forwardedAddress(in fields: [String]) -> IPAddress? {
        var nearest: IPAddress?
        var passed = 0
        // Several fields are one list (RFC 9110, section 5.3).
        for field in fields.reversed() {
            var rest = Array(field.utf8)[...]
            while true {
                let start = rest.lastIndex(of: UInt8(ascii: ",")).map { $0 + 1 } ?? rest.startIndex
                guard passed < Self.proxiesMax, let address = Self.address(rest[start...]) else { return nearest }
                nearest = address
                guard isTrustedProxy(address) else { return nearest }
                passed += 1
                guard start > rest.startIndex else { break }
                rest = rest[..<(start - 1)]
            }
        }
        return nearest
    }

    private static func address(_ entry: ArraySlice<UInt8>) -> IPAddress? {
        let text = entry.withoutOuterBlanks
        guard text.count <= addressBytesMax else { return nil }
        return IPAddress(String(decoding: text, as: UTF8.self))?.unmapped
    }
}

extension IPAddress {
    /// The address of a socket without its port; nil for a Unix domain socket.
    fileprivate init?(_ address: SocketAddress) {
        // Where the address stands in `sockaddr_in` and `sockaddr_in6`.
        let (v4, v6) = (4, 8)
        switch address {
        case .v4:
            self.init(
                v4: address.withSockAddr { pointer, size in
                    UInt32(
                        bigEndian: UnsafeRawBufferPointer(start: pointer, count: size).loadUnaligned(fromByteOffset: v4, as: UInt32.self))
                })
        case .v6:
            self.init(
                v6: address.withSockAddr { pointer, size in
                    UInt128(
                        bigEndian: UnsafeRawBufferPointer(start: pointer, count: size).loadUnaligned(fromByteOffset: v6, as: UInt128.self))
                })
        case .unixDomainSocket: return nil
        }
    }
}
