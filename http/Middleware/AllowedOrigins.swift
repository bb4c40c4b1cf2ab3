import ErrorEnvelopeHummingbird

/// The origins whose pages may call the service and read its answers.
///
/// An origin is a scheme, a host and a port (RFC 6454, section 4), without the port where it is that of the scheme. `https://*.example` stands for
/// the origins of all subdomains and for no other, `*` for every page that there is.
package struct AllowedOrigins: Sendable {
    /// A text that is no origin.
    package struct Malformed: Error, Equatable {
        /// The text.
        package let text: String

        /// Names the text.
        package init(text: String) { self.text = text }
    }

    /// Whether every page is let in.
    private(set) var allowsAll = false
    private var patterns: [OriginPattern] = []

    /// How many were listed.
    package var count: Int { patterns.count + (allowsAll ? 1 : 0) }

    /// No origin at all.
    package init() {}

    /// The origins that an operator lists.
    package init(_ texts: [String]) throws(Malformed) {
        for text in texts {
            if text.utf8.elementsEqual("*".utf8) {
                allowsAll = true
            } else if let pattern = OriginPattern(text) {
                patterns.append(pattern)
            } else {
                throw Malformed(text: text)
            }
        }
    }

    /// What a browser is told of a request from an origin (`Access-Control-Allow-Origin`): that its page may read the answer, or that any may;
    /// nil where it may not.
    ///
    /// Pages without an origin of their own, such as those of files, say `null`. That is no origin, and only listed with all others.
    package func permission(for origin: String) -> String? {
        if allowsAll { return "*" }
        return patterns.contains { $0.matches(origin.utf8) } ? origin : nil
    }
}

/// One entry of the list.
private struct OriginPattern: Sendable {
    private static let schemes = [(start: "https://", port: "443"), (start: "http://", port: "80")]

    /// The origin; or where it stands for subdomains, what comes before their names.
    private let start: [UInt8]
    /// What comes behind the names of subdomains, from the dot on; nil for a single origin.
    private var end: [UInt8]?

    init?(_ text: String) {
        let bytes = text.utf8.map(\.asciiLowercased)
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
        if host.starts(with: "*.".utf8) {
            guard Self.isName(host.dropFirst(2)) else { return nil }
            start = Array(scheme.start.utf8)
            end = host.dropFirst() + port
        } else {
            guard Self.isName(host) || Self.isAddress(host) else { return nil }
            start = scheme.start.utf8 + host + port
        }
    }

    func matches(_ origin: String.UTF8View) -> Bool {
        guard let end else { return origin.count == start.count && origin.elementsEqual(start) }
        guard origin.count > start.count + end.count, origin.starts(with: start), origin.suffix(end.count).elementsEqual(end) else {
            return false
        }
        return Self.isName(origin.dropFirst(start.count).dropLast(end.count))
    }

    private static func isPort(_ digits: some Collection<UInt8>) -> Bool {
        guard (1...5).contains(digits.count), digits.first != UInt8(ascii: "0"), digits.allSatisfy(isDigit) else { return false }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } <= 65_535
    }

    /// Whether bytes are names with dots between them, in small letters, as browsers write them.
    private static func isName(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.allSatisfy {
                    isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
                        || $0 == UInt8(ascii: "_")
                }
        }
    }

    /// Whether bytes look like an address of IPv6 in its brackets.
    private static func isAddress(_ bytes: some Collection<UInt8>) -> Bool {
        guard bytes.count > 3, bytes.first == UInt8(ascii: "[") else { return false }
        let address = bytes.dropFirst()
        guard let end = address.firstIndex(of: UInt8(ascii: "]")), address.index(after: end) == address.endIndex else { return false }
        return address[..<end].allSatisfy {
            isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) || $0 == UInt8(ascii: ":")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
