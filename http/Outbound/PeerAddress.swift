package import NIOCore
package import Personas

extension IPAddress {
    /// The address of a socket, without its port; nil for a Unix domain socket and for an IPv6 address that is bound to a zone.
    package init?(_ socketAddress: SocketAddress) {
        guard let text = socketAddress.ipAddress, let address = IPAddress(text) else { return nil }
        self = address
    }
}
