/// One label of a client's own: a text under a key.
package struct MetadataMember: Sendable, Equatable {
    /// What the label is called.
    package let key: String
    /// What it says.
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// Whether a text may be a key: 1 to 40 of `A–Z a–z 0–9 _ . -`.
    package static func isKey(_ text: String) -> Bool {
        let characters = text.utf8
        return (1...Limits.metadataKeyCharactersMax).contains(characters.count) && characters.allSatisfy(isInKeys)
    }

    /// Whether a text may stand under a key.
    package static func isValue(_ text: String) -> Bool { !text.holdsMoreScalars(than: Limits.metadataValueCharactersMax) }

    private static func isInKeys(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): true
        default: false
        }
    }
}

/// The labels that a client's own program has put on an item, in the order of the bytes of their keys.
///
/// They lie in one run of bytes, which is also how they are stored: of each its key's length in one byte, its value's in two, the lower one first,
/// then the key and the value. So a page of items is read and written without a text being made of each label.
package struct Metadata: Sendable, Equatable {
    /// No labels.
    package static let none = Metadata(bytes: [])

    /// Bytes in front of a key.
    private static let headBytes = 3

    /// All of it, as it is stored.
    package let bytes: [UInt8]

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Takes labels, no two of which have one key.
    package init(_ members: some Sequence<MetadataMember>) {
        var bytes: [UInt8] = []
        for member in members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let (key, value) = (member.key.utf8, member.value.utf8)
            bytes.append(UInt8(truncatingIfNeeded: key.count))
            bytes.append(UInt8(truncatingIfNeeded: value.count))
            bytes.append(UInt8(truncatingIfNeeded: value.count >> 8))
            bytes += key
            bytes += value
        }
        self.bytes = bytes
    }

    /// Takes labels from the bytes in which they are stored.
    package init(stored bytes: UnsafeRawBufferPointer) {
        self.bytes = Array(bytes)
    }

    /// Whether there are none.
    package var isEmpty: Bool { bytes.isEmpty }

    /// Hands out key and value of each label. Of what is damaged it hands out what comes before the damage.
    package func forEach(_ body: (_ key: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) -> Void) {
        bytes.withUnsafeBufferPointer { bytes in
            var rest = bytes[...]
            while rest.count >= Self.headBytes {
                let start = rest.startIndex
                let key = start + Self.headBytes
                let value = key + Int(rest[start])
                let end = value + Int(rest[start + 1]) + Int(rest[start + 2]) << 8
                guard end <= rest.endIndex else { return }
                body(UnsafeBufferPointer(rebasing: rest[key..<value]), UnsafeBufferPointer(rebasing: rest[value..<end]))
                rest = rest[end...]
            }
        }
    }

    /// The labels as texts.
    package var members: [MetadataMember] {
        var members: [MetadataMember] = []
        forEach { key, value in
            members.append(MetadataMember(key: String(decoding: key, as: UTF8.self), value: String(decoding: value, as: UTF8.self)))
        }
        return members
    }

    /// The labels as a change leaves them.
    /// - Throws: the rule that they would break, for the field `metadata`.
    func changed(by change: MetadataChange) throws(Violation) -> Metadata {
        let new: [String: String?]
        switch change {
        case .clear: return .none
        case .replace(let labels): return labels
        case .merge(let members): new = members
        }
        let kept = members.filter { new.index(forKey: $0.key) == nil }
        let set = new.compactMap { key, value in value.map { MetadataMember(key: key, value: $0) } }
        guard kept.count + set.count <= Limits.metadataMembersMax else { throw Self.tooMany }
        return Metadata(kept + set)
    }

    /// The rule for a key.
    static let badKey = Violation(
        .metadata, "must have keys of 1 to \(Limits.metadataKeyCharactersMax) letters A-Z and a-z, digits, underscores, dots and hyphens")

    /// The rule for a value.
    static let badValue = Violation(
        .metadata, "must have values that are strings of at most \(Limits.metadataValueCharactersMax) characters")

    /// The rule for their number, of those that are sent and of those that there are in the end.
    static let tooMany = Violation(.metadata, "must have at most \(Limits.metadataMembersMax) members")
}

/// What becomes of the labels of an item.
package enum MetadataChange: Sendable, Equatable {
    /// All of them go.
    case clear
    /// These take the place of all of them.
    case replace(Metadata)
    /// Those named are set, or go where there is nil; the others stay.
    case merge([String: String?])
}

/// One label as a client sent it, before any rule is applied.
package struct MetadataMemberDraft: Sendable {
    /// What stands for the key.
    package let key: String
    /// What stands for the value.
    package let value: JSONField<String>

    package init(key: String, value: JSONField<String>) {
        self.key = key
        self.value = value
    }
}

extension JSONField<[MetadataMemberDraft]> {
    /// The change that is asked for, if every rule is kept. Each rule that is not is told once, however many break it.
    /// - Parameter isNew: whether there are no labels yet, and so none that a null could take away.
    func checkedMetadata(isNew: Bool, _ violations: inout [Violation]) -> MetadataChange? {
        switch self {
        case .absent: return nil
        case .null: return .clear
        case .malformed(let rule):
            violations.append(Violation(.metadata, rule))
            return nil
        case .value(let drafts):
            var members: [String: String?] = [:]
            var (areKeysRight, areValuesRight, count) = (true, true, 0)
            for draft in drafts {
                guard MetadataMember.isKey(draft.key) else {
                    areKeysRight = false
                    continue
                }
                switch draft.value {
                case .value(let text) where MetadataMember.isValue(text):
                    members[draft.key] = .some(text)
                    count += 1
                case .null where !isNew: members[draft.key] = .some(nil)
                default: areValuesRight = false
                }
            }
            if !areKeysRight { violations.append(Metadata.badKey) }
            if !areValuesRight { violations.append(Metadata.badValue) }
            if count > Limits.metadataMembersMax { violations.append(Metadata.tooMany) }
            return .merge(members)
        }
    }
}
