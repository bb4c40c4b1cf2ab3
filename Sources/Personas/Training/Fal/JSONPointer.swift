/// A place in a JSON document (RFC 6901), such as `/images/0/url`.
package struct JSONPointer: Sendable, Equatable {
    /// The names and indexes that lead there, unescaped, as their UTF-8; none for the whole document.
    package let tokens: [[UInt8]]

    /// The whole document.
    package static let root = JSONPointer(tokens: [])

    /// Reads a pointer; nil for a text that is none.
    package init?(_ text: String) {
        guard !text.utf8.isEmpty else {
            tokens = []
            return
        }
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard let first = parts.first, first.isEmpty else { return nil }
        var tokens: [[UInt8]] = []
        for part in parts.dropFirst() {
            guard let token = Self.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    private init(tokens: [[UInt8]]) {
        self.tokens = tokens
    }

    /// A pointer to a member within what this one points to.
    package func member(_ name: String) -> JSONPointer { JSONPointer(tokens: tokens + [Array(name.utf8)]) }

    /// A pointer to an element within what this one points to.
    package func element(_ index: Int) -> JSONPointer { member(String(index)) }

    /// The same pointer within what another one points to.
    package func within(_ other: JSONPointer) -> JSONPointer { JSONPointer(tokens: other.tokens + tokens) }

    /// The index that a token is in an array: digits without a zero in front; nil for all else.
    package static func index(of token: [UInt8]) -> Int? {
        guard let first = token.first, token.count <= 9, token.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            token.count == 1 || first != UInt8(ascii: "0")
        else { return nil }
        return token.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    /// A token with `~1` as `/` and `~0` as `~`; nil for any other use of `~`.
    private static func unescaped(_ part: Substring.UTF8View) -> [UInt8]? {
        var token: [UInt8] = []
        var rest = part.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "~") else {
                token.append(byte)
                continue
            }
            switch rest.next() {
            case UInt8(ascii: "0"): token.append(UInt8(ascii: "~"))
            case UInt8(ascii: "1"): token.append(UInt8(ascii: "/"))
            default: return nil
            }
        }
        return token
    }
}
