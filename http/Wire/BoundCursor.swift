import Crypto
import Foundation

/// Where in a list a page begins, as an opaque text that is bound to the list. It grants nothing: every page is cut from the caller's own rows whatever the
/// cursor says.
package enum BoundCursor {
    private static let version: UInt8 = 1
    private static let bindingBytes = 8

    /// The text for a client.
    /// - Parameters:
    ///   - place: what tells the row that the page follows from all others of the list.
    ///   - list: what tells the list from all others.
    package static func text(_ place: [UInt8], list: [UInt8]) -> String { base64URL([version] + binding(of: place[...], list) + place) }

    /// The place in a text.
    /// - Returns: nil for anything that `text` did not make for the same list.
    package static func place(_ text: String, list: [UInt8]) -> [UInt8]? {
        guard let bytes = bytes(base64URL: text), bytes.count > bindingBytes, bytes[0] == version else { return nil }
        let place = bytes[(1 + bindingBytes)...]
        guard bytes[1...bindingBytes].elementsEqual(binding(of: place, list)) else { return nil }
        // One text per place: anything else that decodes to it, such as stray bits at the end, is garbage.
        return self.text(Array(place), list: list).utf8.elementsEqual(text.utf8) ? Array(place) : nil
    }

    /// Base64 with the alphabet that URLs take as it is, without padding (RFC 4648, section 5).
    private static func base64URL(_ bytes: [UInt8]) -> String {
        let text = Data(bytes).base64EncodedString().utf8.prefix { $0 != UInt8(ascii: "=") }
        return String(
            decoding: text.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 },
            as: UTF8.self)
    }

    private static func bytes(base64URL text: String) -> [UInt8]? {
        var base64 = text.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "+") : $0 == UInt8(ascii: "_") ? UInt8(ascii: "/") : $0 }
        base64 += Array(repeating: UInt8(ascii: "="), count: (4 - base64.count % 4) % 4)
        return Data(base64Encoded: Data(base64)).map { [UInt8]($0) }
    }

    /// Ties a place to its list, and tells a text that lost its end on the way from a whole one.
    private static func binding(of place: ArraySlice<UInt8>, _ list: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: place)
        hash.update(data: list)
        return Array(hash.finalize().prefix(bindingBytes))
    }
}
