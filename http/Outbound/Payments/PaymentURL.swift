import Personas

/// The address of the operator's payment service: `https`, or `http` on the same machine. It may be one of the operator's own network.
package struct PaymentURL: Sendable, Equatable {
    /// What every address has to be, in words.
    package static let rule = "must be an address such as https://pay.example/top-ups, or http://127.0.0.1:8090/ on this machine"

    private static let localName = "localhost"
    private static let rules = DownloadURL.Rules(acceptsPlainHTTP: true, acceptsLocalHosts: true, ports: nil)
    private static let loopback = [AddressPrefix.v4(127, 0, 0, 0, length: 8), .single(IPAddress(v6: 1))]

    /// The address, taken apart.
    let url: DownloadURL

    /// Reads an address; nil for any other text.
    package init?(_ text: String) {
        guard let url = try? DownloadURL(text, rules: Self.rules), url.scheme == .https || Self.isLocal(url.host) else { return nil }
        self.url = url
    }

    private static func isLocal(_ host: DownloadURL.Host) -> Bool {
        switch host {
        case .name(let name): name.utf8.elementsEqual(localName.utf8)
        case .address(let address): loopback.contains { $0.contains(address) }
        }
    }
}
