/// The entity tags that `If-Match` or `If-None-Match` names (RFC 9110, sections 8.8.3 and 13.1).
package enum EntityTagList: Equatable {
    /// `*`: every one.
    case any
    /// These, in their order.
    case tags([EntityTag])

    /// Reads the value of a field, or those of several fields put together with commas; nil for what is no such list.
    package init?(_ field: String) {
        var field = field
        guard let list = field.withUTF8(Self.read) else { return nil }
        self = list
    }

    /// Whether one of them is the tag, weak ones included (weak comparison).
    package func names(_ tag: EntityTag) -> Bool {
        guard case .tags(let tags) = self else { return true }
        return tags.contains { $0.opaque.elementsEqual(tag.opaque) }
    }

    private static func read(_ bytes: UnsafeBufferPointer<UInt8>) -> EntityTagList? {
        var tags: [EntityTag] = []
        var index = bytes.startIndex
        var isAfterTag = false
        while index < bytes.endIndex {
            switch bytes[index] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): index += 1
            // A list may have empty elements (RFC 9110, section 5.6.1.2).
            case UInt8(ascii: ","):
                isAfterTag = false
                index += 1
            case UInt8(ascii: "*"):
                let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
                return bytes[..<index].allSatisfy(isBlank) && bytes[(index + 1)...].allSatisfy(isBlank) ? .any : nil
            default:
                guard !isAfterTag, let (tag, end) = tag(bytes[index...]) else { return nil }
                tags.append(tag)
                isAfterTag = true
                index = end
            }
        }
        return tags.isEmpty ? nil : .tags(tags)
    }

    /// The tag with which a text begins, and where it ends.
    private static func tag(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> (tag: EntityTag, end: Int)? {
        let isWeak = bytes.starts(with: "W/".utf8)
        let text = isWeak ? bytes.dropFirst(2) : bytes
        guard text.first == UInt8(ascii: "\"") else { return nil }
        let rest = text.dropFirst()
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        let opaque = rest[..<end]
        guard opaque.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
        return (EntityTag(opaque: Array(opaque), isWeak: isWeak), end + 1)
    }
}

/// One entity tag.
package struct EntityTag: Equatable {
    /// What stands between its quotes.
    package let opaque: [UInt8]
    /// Whether it stands for equivalent representations rather than for the same bytes.
    package let isWeak: Bool

    package init(opaque: [UInt8], isWeak: Bool) {
        self.opaque = opaque
        self.isWeak = isWeak
    }

    /// A strong tag, of characters that may stand between quotes.
    package init(strong opaque: String) {
        self.init(opaque: Array(opaque.utf8), isWeak: false)
    }

    /// The tag as headers have it.
    package var text: String { "\(isWeak ? "W/" : "")\"\(String(decoding: opaque, as: UTF8.self))\"" }

    /// Whether a header `If-None-Match` names the tag, weakly compared, or stands for every one. One that is no list of tags names none.
    package func isKnown(by header: String?) -> Bool { header.flatMap { EntityTagList($0) }?.names(self) ?? false }
}
