package import Personas

/// The URL of a download, taken apart strictly and put together anew.
///
/// General parsers disagree about backslashes, percent signs in hosts and Unicode, and every disagreement is a way past a check.
/// So this one refuses what it does not know, and what is requested is built from its parts and never from the text that came.
package struct DownloadURL: Sendable, Hashable {
    /// How to reach the host.
    package enum Scheme: String, Sendable, Hashable, CaseIterable {
        /// Without TLS, for development.
        case http
        /// With TLS.
        case https

        /// The port where a URL names none.
        package var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    /// Where to connect.
    package enum Host: Sendable, Hashable {
        /// A name in lower case: letters, digits and hyphens in labels of at most 63, without a dot at its end.
        case name(String)
        /// An address that the URL spells out.
        case address(IPAddress)
    }

    /// What is taken beyond the strict form.
    package struct Rules: Sendable {
        /// Whether plain `http` is taken.
        package var acceptsPlainHTTP: Bool
        /// Whether addresses and names of one label, such as `localhost`, are taken as hosts.
        package var acceptsLocalHosts: Bool
        /// The ports that are taken; nil for all.
        package var ports: Set<Int>?

        package init(acceptsPlainHTTP: Bool, acceptsLocalHosts: Bool, ports: Set<Int>?) {
            self.acceptsPlainHTTP = acceptsPlainHTTP
            self.acceptsLocalHosts = acceptsLocalHosts
            self.ports = ports
        }

        /// What strangers may name: `https`, a full name and port 443.
        package static let strict = Rules(acceptsPlainHTTP: false, acceptsLocalHosts: false, ports: [443])
        /// What developers may name on their own machine.
        package static let development = Rules(acceptsPlainHTTP: true, acceptsLocalHosts: true, ports: nil)
    }

    /// Why a URL is not taken.
    package enum Problem: Error, Sendable, Equatable {
        /// It has not the form that the rules know.
        case malformed
        /// It has the form, but names a host or port that is not to be reached.
        case forbidden
    }

    /// How to reach the host.
    package let scheme: Scheme
    /// Where to connect.
    package let host: Host
    /// The port, named or not: 1–65,535.
    package let port: Int
    /// The path with its percent signs, without dot segments; begins with a slash.
    package let path: String
    /// What follows the question mark, with its percent signs; nil where there is none.
    package let query: String?

    /// Takes an absolute URL apart. A fragment is dropped, because it is never sent.
    package init(_ text: String, rules: Rules) throws(Problem) {
        try self.init(URLReference(text), defaultScheme: nil, rules: rules)
    }

    /// The URL that a `Location` header of an answer from this URL points to (RFC 9110, 10.2.2).
    package func following(_ location: String, rules: Rules) throws(Problem) -> DownloadURL {
        let reference = try URLReference(location)
        if reference.scheme != nil || reference.authority != nil {
            return try DownloadURL(reference, defaultScheme: scheme, rules: rules)
        }
        if reference.path.isEmpty {
            return DownloadURL(scheme: scheme, host: host, port: port, path: path, query: reference.query ?? query)
        }
        let slash = UInt8(ascii: "/")
        let folder = reference.path.utf8.first == slash ? "" : path[...(path.utf8.lastIndex(of: slash) ?? path.startIndex)]
        return DownloadURL(scheme: scheme, host: host, port: port, path: folder + reference.path, query: reference.query)
    }

    /// The host as it stands in a URL: an IPv6 address in brackets.
    package var hostText: String {
        switch host {
        case .name(let name): name
        case .address(let address): address.family == .v6 ? "[\(address)]" : address.description
        }
    }

    /// The whole URL, built from its parts.
    package var text: String {
        "\(scheme.rawValue)://\(hostText)\(port == scheme.defaultPort ? "" : ":\(port)")\(path)\(query.map { "?\($0)" } ?? "")"
    }

    private init(scheme: Scheme, host: Host, port: Int, path: String, query: String?) {
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = URLReference.removingDotSegments(from: path)
        self.query = query
    }

    private init(_ reference: URLReference, defaultScheme: Scheme?, rules: Rules) throws(Problem) {
        let scheme = reference.scheme.map { text in Scheme.allCases.first { $0.rawValue.utf8.elementsEqual(text) } } ?? defaultScheme
        guard let scheme, scheme == .https || rules.acceptsPlainHTTP, let authority = reference.authority else { throw .malformed }
        let (hostPart, portPart) = try Self.split(authority)
        let host = try Self.host(from: hostPart, rules: rules)
        let port = try portPart.map { text throws(Problem) in try Self.port(from: text) } ?? scheme.defaultPort
        if let ports = rules.ports, !ports.contains(port) { throw .forbidden }
        self.init(scheme: scheme, host: host, port: port, path: reference.path, query: reference.query)
    }

    /// Splits `host`, `host:port` and their forms with brackets; user information is refused.
    private static func split(_ authority: ArraySlice<UInt8>) throws(Problem) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
        guard !authority.contains(UInt8(ascii: "@")) else { throw .malformed }
        let hostEnd: Int
        if authority.first == UInt8(ascii: "[") {
            guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else { throw .malformed }
            hostEnd = bracket + 1
        } else {
            hostEnd = authority.firstIndex(of: UInt8(ascii: ":")) ?? authority.endIndex
        }
        guard hostEnd < authority.endIndex else { return (authority, nil) }
        guard authority[hostEnd] == UInt8(ascii: ":") else { throw .malformed }
        return (authority[..<hostEnd], authority[(hostEnd + 1)...])
    }

    private static func port(from text: ArraySlice<UInt8>) throws(Problem) -> Int {
        guard text.allSatisfy({ 0x30...0x39 ~= $0 }), text.first != UInt8(ascii: "0"),
            let port = Int(String(decoding: text, as: UTF8.self)), port <= 65_535
        else { throw .malformed }
        return port
    }

    private static func host(from text: ArraySlice<UInt8>, rules: Rules) throws(Problem) -> Host {
        if text.first == UInt8(ascii: "[") {
            guard text.last == UInt8(ascii: "]"), let address = IPAddress(String(decoding: text.dropFirst().dropLast(), as: UTF8.self)),
                address.family == .v6
            else { throw .malformed }
            guard rules.acceptsLocalHosts else { throw .forbidden }
            return .address(address)
        }
        var bytes = text.map(\.lowercasedASCII)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard bytes.count <= 253, labels.allSatisfy(isLabel), let last = labels.last else { throw .malformed }
        let name = String(decoding: bytes, as: UTF8.self)
        // getaddrinfo reads every name whose last label is a number as an IPv4 address: 127.1, 0x7f.1, 2130706433, 0177.0.0.1.
        // No top-level domain begins with a digit, so that is the whole test.
        if let first = last.first, 0x30...0x39 ~= first {
            guard rules.acceptsLocalHosts, let address = IPAddress(name), address.description.utf8.elementsEqual(bytes) else {
                throw .forbidden
            }
            return .address(address)
        }
        guard labels.count > 1 || rules.acceptsLocalHosts else { throw .forbidden }
        return .name(name)
    }

    private static func isLabel(_ label: ArraySlice<UInt8>) -> Bool {
        let hyphen = UInt8(ascii: "-")
        let isLDH = label.allSatisfy { 0x61...0x7a ~= $0 || 0x30...0x39 ~= $0 || $0 == hyphen }
        return isLDH && 1...63 ~= label.count && label.first != hyphen && label.last != hyphen
    }
}

/// The parts of a URL reference (RFC 3986, appendix B), of printable ASCII without spaces and backslashes.
struct URLReference {
    /// What stands before the first colon, if that can be a scheme; in lower case.
    let scheme: [UInt8]?
    /// What follows two slashes.
    let authority: ArraySlice<UInt8>?
    /// The path with every byte encoded that a path may not hold.
    let path: String
    /// What follows the question mark, encoded in the same way.
    let query: String?

    /// Takes a reference apart; the fragment is dropped. By bytes, because nothing else than ASCII is let in.
    init(_ text: String) throws(DownloadURL.Problem) {
        let isPlain =
            text.utf8.count <= Limits.imageURLCharactersMax
            && text.utf8.allSatisfy { 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "\\") }
        guard isPlain else { throw .malformed }
        var rest = Array(text.utf8)[...]
        if let fragment = rest.firstIndex(of: UInt8(ascii: "#")) { rest = rest[..<fragment] }
        let delimiter = rest.firstIndex { ":/?".utf8.contains($0) }
        if let delimiter, rest[delimiter] == UInt8(ascii: ":") {
            scheme = rest[..<delimiter].map(\.lowercasedASCII)
            rest = rest[(delimiter + 1)...]
        } else {
            scheme = nil
        }
        if rest.starts(with: "//".utf8) {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex { "/?".utf8.contains($0) } ?? rest.endIndex
            authority = rest[..<end]
            rest = rest[end...]
        } else {
            authority = nil
        }
        let question = rest.firstIndex(of: UInt8(ascii: "?"))
        path = Self.encoded(rest[..<(question ?? rest.endIndex)])
        query = question.map { Self.encoded(rest[($0 + 1)...]) }
    }

    /// Encodes what may stand neither in a path nor in a query (RFC 3986, 3.3 and 3.4), and percent signs that encode nothing.
    ///
    /// What is already right stays as it is to the byte, because signatures cover it.
    private static func encoded(_ bytes: ArraySlice<UInt8>) -> String {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(bytes.count)
        for (index, byte) in zip(bytes.indices, bytes) {
            let isEncoding =
                byte == UInt8(ascii: "%") && index + 2 < bytes.endIndex && isHexDigit(bytes[index + 1]) && isHexDigit(bytes[index + 2])
            if isEncoding || isAllowed(byte) {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 0xf)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x46 ~= byte || 0x61...0x66 ~= byte
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x41...0x5a ~= byte || 0x61...0x7a ~= byte || "-._~!$&'()*+,;=:@/?".utf8.contains(byte)
    }

    /// Resolves `.` and `..` (RFC 3986, 5.2.4); the result begins with a slash.
    static func removingDotSegments(from path: String) -> String {
        var kept: [Substring.UTF8View] = []
        let segments = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst()
        for segment in segments {
            if segment.elementsEqual("..".utf8) {
                _ = kept.popLast()
            } else if !segment.elementsEqual(".".utf8) {
                kept.append(segment)
            }
        }
        // A path that ends in a dot segment names a folder.
        if let last = segments.last, last.elementsEqual(".".utf8) || last.elementsEqual("..".utf8) { kept.append(""[...].utf8) }
        return "/" + String(decoding: Array(kept.joined(separator: "/".utf8)), as: UTF8.self)
    }
}
