import Crypto
import Foundation

/// A place in a list as an opaque text, bound to what the list is filtered and ordered by. It grants nothing: whoever reads a place looks only into what is
/// the caller's own.
package enum BoundPlace {
    private static let version: UInt8 = 1
    private static let bindingBytes = 8

    /// The text for a client.
    /// - Parameter list: all that tells the list from others.
    package static func text(_ place: [UInt8], in list: [UInt8]) -> String {
        base64URL([version] + binding(of: place[...], list) + place)
    }

    /// Reads a text.
    /// - Returns: nil for anything that `text` did not make for the same list.
    package static func bytes(_ text: String, in list: [UInt8]) -> [UInt8]? {
        guard let bytes = bytes(base64URL: text), bytes.count > bindingBytes, bytes[0] == version,
            bytes[1...bindingBytes].elementsEqual(binding(of: bytes[(bindingBytes + 1)...], list))
        else { return nil }
        let place = Array(bytes[(bindingBytes + 1)...])
        // One text per place: anything else that decodes to it, such as stray bits at the end, is garbage.
        return self.text(place, in: list).utf8.elementsEqual(text.utf8) ? place : nil
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
