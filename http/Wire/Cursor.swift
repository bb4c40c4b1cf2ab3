import Foundation
package import Personas

/// Where the next page of a list of items begins. It is bound to the list's filters and order.
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
        guard let place = BoundCursor.place(text, list: Self.list(filter, sort)), let (id, milliseconds) = Self.moment(in: place),
            let nameKey = String(validating: place[24...], as: UTF8.self), !nameKey.holdsNull
        else { return nil }
        position = PikzonalityPosition(nameKey: nameKey, createdAt: Timestamp(milliseconds: milliseconds), id: id)
        // Names are no part of the place where times are compared.
        guard sort.isByName || nameKey.isEmpty else { return nil }
    }

    /// The text for a client.
    package func text(filter: PikzonalityFilter, sort: PikzonalitySort) -> String {
        let place = Self.place(position.id, position.createdAt.milliseconds)
        return BoundCursor.text(sort.isByName ? place + Array(position.nameKey.utf8) : place, list: Self.list(filter, sort))
    }

    /// An identifier and a number in the form in which cursors hold them.
    fileprivate static func place(_ id: Identifier, _ number: Int64) -> [UInt8] {
        id.bytes + withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// Reads what `place` wrote, at the beginning of a place.
    fileprivate static func moment(in place: [UInt8]) -> (id: Identifier, number: Int64)? {
        guard place.count >= 24, let id = place[..<16].withUnsafeBytes({ Identifier(bytes: $0) }) else { return nil }
        return (id, Int64(bitPattern: place[16..<24].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
    }

    private static func list(_ filter: PikzonalityFilter, _ sort: PikzonalitySort) -> [UInt8] {
        let list = [filter.mode?.rawValue ?? "", filter.status?.rawValue ?? "", sort.word, filter.search ?? ""].joined(separator: "\n")
        guard filter.externalID != nil || !filter.metadata.isEmpty else { return Array(list.utf8) }
        // No text has this byte, so that no list without these filters has the same hash. Their own texts have neither of the others within.
        let labels = filter.metadata.flatMap { [$0.key, Data($0.value.utf8).base64EncodedString()] }
        return Array(list.utf8) + [0xFF] + Array(([filter.externalID ?? ""] + labels).joined(separator: "\n").utf8)
    }
}

/// Where the next page of the trash begins. It is bound to the mode that is asked for.
package enum TrashCursor {
    /// Reads a cursor.
    /// - Returns: nil for anything that `text` did not make for the same mode.
    package static func place(_ text: String, mode: Mode?) -> TrashPlace? {
        guard let place = BoundCursor.place(text, list: list(mode)), place.count == 24, let (id, number) = Cursor.moment(in: place) else {
            return nil
        }
        return TrashPlace(trashedAt: Timestamp(milliseconds: number), id: id)
    }

    /// The text for a client.
    package static func text(_ place: TrashPlace, mode: Mode?) -> String {
        BoundCursor.text(Cursor.place(place.id, place.trashedAt.milliseconds), list: list(mode))
    }

    private static func list(_ mode: Mode?) -> [UInt8] { [0xFE] + Array("trash\n\(mode?.rawValue ?? "")".utf8) }
}

/// Where the next page of an item's states begins. It is bound to the item.
package enum RevisionCursor {
    /// Reads a cursor.
    /// - Returns: the number that the page follows; nil for anything that `text` did not make for the same item.
    package static func number(_ text: String, of id: Identifier) -> Int? {
        guard let place = BoundCursor.place(text, list: list), place.count == 24, let (item, number) = Cursor.moment(in: place), item == id
        else { return nil }
        return Int(exactly: number)
    }

    /// The text for a client.
    package static func text(_ number: Int, of id: Identifier) -> String { BoundCursor.text(Cursor.place(id, Int64(number)), list: list) }

    private static let list = [0xFE] + Array("revisions".utf8)
}
