import Crypto
import Foundation
package import Personas

/// Where the next page begins, as an opaque text. It is bound to the list's filters and order, and grants nothing: every page is cut from the
/// caller's own items whatever the cursor says.
package struct Cursor {
    private static let version: UInt8 = 1
    private static let bindingBytes = 8

    /// The last item of the page before.
    package let position: PikzonalityPosition

    /// A cursor for the page after an item.
    package init(position: PikzonalityPosition) {
        self.position = position
    }

    /// Reads a cursor.
    /// - Returns: nil for anything that `text` did not make for the same filters and order.
    package init?(text: String, filter: PikzonalityFilter, sort: PikzonalitySort) {
        guard let bytes = Self.bytes(base64URL: text), bytes.count >= 33, bytes[0] == Self.version,
            bytes[1...8].elementsEqual(Self.binding(of: bytes[9...], filter, sort)),
            let id = bytes[9..<25].withUnsafeBytes({ Identifier(bytes: $0) }),
            let nameKey = String(validating: bytes[33...], as: UTF8.self)
        else { return nil }
        let milliseconds = bytes[25..<33].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        position = PikzonalityPosition(nameKey: nameKey, createdAt: Timestamp(milliseconds: Int64(bitPattern: milliseconds)), id: id)
        // One text per position: anything else that decodes to it, such as stray bits at the end, is garbage.
        guard self.text(filter: filter, sort: sort).utf8.elementsEqual(text.utf8) else { return nil }
    }

    /// The text for a client.
    package func text(filter: PikzonalityFilter, sort: PikzonalitySort) -> String {
        var place = position.id.bytes
        withUnsafeBytes(of: position.createdAt.milliseconds.bigEndian) { place.append(contentsOf: $0) }
        if sort.isByName { place.append(contentsOf: position.nameKey.utf8) }
        let bytes = [Self.version] + Self.binding(of: place[...], filter, sort) + place
        return Self.base64URL(bytes)
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

    /// Ties a position to its list, and tells a text that lost its end on the way from a whole one.
    private static func binding(of place: ArraySlice<UInt8>, _ filter: PikzonalityFilter, _ sort: PikzonalitySort) -> [UInt8] {
        let list = [filter.mode?.rawValue ?? "", filter.status?.rawValue ?? "", sort.word, filter.search ?? ""].joined(separator: "\n")
        var hash = SHA256()
        hash.update(data: place)
        hash.update(data: Array(list.utf8))
        if filter.externalID != nil || !filter.metadata.isEmpty {
            // No text has this byte, so that no list without these filters has the same hash. Their own texts have neither of the others within.
            let labels = filter.metadata.flatMap { [$0.key, Data($0.value.utf8).base64EncodedString()] }
            hash.update(data: [0xFF] + Array(([filter.externalID ?? ""] + labels).joined(separator: "\n").utf8))
        }
        return Array(hash.finalize().prefix(bindingBytes))
    }
}
