import ErrorEnvelopeHummingbird

/// A scheme, a host and a port, without the port where it is that of the scheme, as browsers write them (RFC 6454, section 4).
struct Origin: Sendable {
    private static let schemes = [(start: "https://", port: "443"), (start: "http://", port: "80")]

    /// The scheme with what separates it from the host.
    let start: [UInt8]
    /// In small letters. Only `isWhole` says whether it is a host.
    let host: [UInt8]
    /// With its colon; empty where it goes without saying.
    let port: [UInt8]

    /// Takes a text apart; nil where its scheme or its port is none.
    init?(_ text: some Sequence<UInt8>) {
        let bytes = text.map(\.asciiLowercased)
        guard let scheme = Self.schemes.first(where: { bytes.starts(with: $0.start.utf8) }) else { return nil }
        var host = bytes.dropFirst(scheme.start.utf8.count)
        var port: [UInt8] = []
        if let colon = host.lastIndex(of: UInt8(ascii: ":")), host.last != UInt8(ascii: "]") {
            let digits = host[(colon + 1)...]
            guard Self.isPort(digits) else { return nil }
            // Browsers leave it out where it goes without saying.
            if !digits.elementsEqual(scheme.port.utf8) { port = Array(host[colon...]) }
            host = host[..<colon]
        }
        start = Array(scheme.start.utf8)
        self.host = Array(host)
        self.port = port
    }

    /// The origin of an address that may go on with a path.
    init?(ofURL url: String) {
        // What is between the second slash and the third is the host with its port.
        let parts = url.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 3, omittingEmptySubsequences: false)
        self.init(parts.prefix(3).joined(separator: [UInt8(ascii: "/")]))
        guard isWhole else { return nil }
    }

    /// Whether the host is one: names, or an address.
    var isWhole: Bool { Self.isName(host) || isAddress }

    /// All of it.
    var bytes: [UInt8] { start + host + port }

    /// What stands for the origin in a Content-Security-Policy (Level 3, section 2.3.1), whose grammar has no addresses of IPv6 and no underscores; nil
    /// where a browser would complain of it.
    var policySource: String? {
        isAddress || host.contains(UInt8(ascii: "_")) ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// Whether bytes are names with dots between them, in small letters, as browsers write them.
    static func isName(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.allSatisfy {
                    isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
                        || $0 == UInt8(ascii: "_")
                }
        }
    }

    /// Whether the host looks like an address of IPv6 in its brackets.
    private var isAddress: Bool {
        guard host.count > 3, host.first == UInt8(ascii: "[") else { return false }
        let address = host.dropFirst()
        guard let end = address.firstIndex(of: UInt8(ascii: "]")), address.index(after: end) == address.endIndex else { return false }
        return address[..<end].allSatisfy {
            Self.isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) || $0 == UInt8(ascii: ":")
        }
    }

    private static func isPort(_ digits: some Collection<UInt8>) -> Bool {
        guard (1...5).contains(digits.count), digits.first != UInt8(ascii: "0"), digits.allSatisfy(isDigit) else { return false }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } <= 65_535
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
