import Foundation
package import Personas

/// Where the next page begins, as an opaque text. It is bound to the list's filters and order, and grants nothing: every page is cut from the
/// caller's own items whatever the cursor says.
package struct Cursor {
    /// The last item of the page before.
    package let position: PikzonalityPosition

    /// A cursor for the page after an item.
    package init(position: PikzonalityPosition) {
        self.position = position
    }

    /// Reads a cursor.
    /// - Returns: nil for anything that `text` did not make for the same filters and order.
    package init?(text: String, filter: PikzonalityFilter, sort: PikzonalitySort) {
        guard let bytes = BoundPlace.bytes(text, in: Self.list(filter, sort)), bytes.count >= 24, sort.isByName || bytes.count == 24,
            let id = bytes[..<16].withUnsafeBytes({ Identifier(bytes: $0) }), let nameKey = String(validating: bytes[24...], as: UTF8.self)
        else { return nil }
        let milliseconds = bytes[16..<24].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        position = PikzonalityPosition(nameKey: nameKey, createdAt: Timestamp(milliseconds: Int64(bitPattern: milliseconds)), id: id)
    }

    /// The text for a client.
    package func text(filter: PikzonalityFilter, sort: PikzonalitySort) -> String {
        var place = position.id.bytes
        withUnsafeBytes(of: position.createdAt.milliseconds.bigEndian) { place.append(contentsOf: $0) }
        if sort.isByName { place.append(contentsOf: position.nameKey.utf8) }
        return BoundPlace.text(place, in: Self.list(filter, sort))
    }

    /// What tells a list from others.
    private static func list(_ filter: PikzonalityFilter, _ sort: PikzonalitySort) -> [UInt8] {
        let list = [filter.mode?.rawValue ?? "", filter.status?.rawValue ?? "", sort.word, filter.search ?? ""].joined(separator: "\n")
        guard filter.externalID != nil || !filter.metadata.isEmpty else { return Array(list.utf8) }
        // No text has this byte, so that no list without these filters has the same bytes. Their own texts have neither of the others within.
        let labels = filter.metadata.flatMap { [$0.key, Data($0.value.utf8).base64EncodedString()] }
        return Array(list.utf8) + [0xFF] + Array(([filter.externalID ?? ""] + labels).joined(separator: "\n").utf8)
    }
}
