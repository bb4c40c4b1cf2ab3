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
    /// The origin; or where it stands for subdomains, what comes before their names.
    private let start: [UInt8]
    /// What comes behind the names of subdomains, from the dot on; nil for a single origin.
    private var end: [UInt8]?

    init?(_ text: String) {
        guard let origin = Origin(text.utf8) else { return nil }
        if origin.host.starts(with: "*.".utf8) {
            guard Origin.isName(origin.host.dropFirst(2)) else { return nil }
            start = origin.start
            end = origin.host.dropFirst() + origin.port
        } else {
            guard origin.isWhole else { return nil }
            start = origin.bytes
        }
    }

    func matches(_ origin: String.UTF8View) -> Bool {
        guard let end else { return origin.count == start.count && origin.elementsEqual(start) }
        guard origin.count > start.count + end.count, origin.starts(with: start), origin.suffix(end.count).elementsEqual(end) else {
            return false
        }
        return Origin.isName(origin.dropFirst(start.count).dropLast(end.count))
    }
}
