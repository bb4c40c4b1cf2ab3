import Personas

/// Where a store answers: `https://s3.example`, with a port where it is not the usual one. Plain `http` is for this machine alone.
struct S3Endpoint: Sendable, Equatable {
    private static let loopback = AddressPrefix.v4(127, 0, 0, 0, length: 8)
    private static let hostBytesMax = 253

    /// `https` or `http`.
    let scheme: String
    /// The host, and the port where it is not the usual one of the scheme.
    let authority: String
    /// Whether the host is an address and no name.
    let isAddress: Bool

    /// Reads one.
    /// - Throws: `configuration`.
    init(_ text: String) throws(Failure) {
        guard let scheme = ["https", "http"].first(where: { text.utf8.starts(with: "\($0)://".utf8) }) else {
            throw S3Location.refusal("has an endpoint that does not begin with https://")
        }
        var rest = Array(text.utf8.dropFirst(scheme.utf8.count + 3))
        if rest.last == UInt8(ascii: "/") { rest.removeLast() }
        let isBracketed = rest.first == UInt8(ascii: "[") && rest.contains(UInt8(ascii: "]"))
        let hostBytes =
            isBracketed
            ? rest.prefix { $0 != UInt8(ascii: "]") } + [UInt8(ascii: "]")] : rest.prefix { $0 != UInt8(ascii: ":") }
        let host = String(decoding: hostBytes, as: UTF8.self)
        let address = IPAddress(isBracketed ? String(decoding: hostBytes.dropFirst().dropLast(), as: UTF8.self) : host)
        guard isBracketed ? address != nil : address != nil || Self.isName(hostBytes) else {
            throw S3Location.refusal("has an endpoint that is not a host, with a port at most: a name in small letters or an address")
        }
        let isLocal = address.map { Self.loopback.contains($0) || $0 == IPAddress(v6: 1) } ?? (host == "localhost")
        guard scheme == "https" || isLocal else { throw S3Location.refusal("has an endpoint with plain http on another machine") }
        self.scheme = scheme
        isAddress = address != nil
        let port = try Self.port(Array(rest.dropFirst(hostBytes.count)))
        let usualPort = scheme == "https" ? 443 : 80
        authority = port == nil || port == usualPort ? host : "\(host):\(port ?? usualPort)"
    }

    private static func port(_ text: [UInt8]) throws(Failure) -> Int? {
        guard !text.isEmpty else { return nil }
        let digits = text.dropFirst()
        guard text[0] == UInt8(ascii: ":"), 1...5 ~= digits.count, digits.allSatisfy({ 0x30...0x39 ~= $0 }),
            let port = Int(String(decoding: digits, as: UTF8.self)), 1...65_535 ~= port
        else { throw S3Location.refusal("has an endpoint with more than a host and a port") }
        return port
    }

    private static func isName(_ host: ArraySlice<UInt8>) -> Bool {
        let parts = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return host.count <= hostBytesMax
            && parts.allSatisfy { part in
                1...63 ~= part.count && part.first != UInt8(ascii: "-") && part.last != UInt8(ascii: "-")
                    && part.allSatisfy { S3Location.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
            }
            // Systems take a name that ends with a number for an address in one of its odd forms.
            && !(parts.last?.allSatisfy { 0x30...0x39 ~= $0 } ?? true)
    }
}
