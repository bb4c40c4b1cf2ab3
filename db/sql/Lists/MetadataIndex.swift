import Crypto
import Foundation
import Personas

/// The index that lists find items by their owners' labels with; written with the item's row, by `ItemRow`.
enum MetadataIndex {
    /// What an entry is found by. Of two labels, or of the same one of two accounts or modes, it is never the same.
    struct Tag: Hashable {
        /// Enough of a hash that nobody finds two labels with the same.
        private static let count = 16

        let bytes: [UInt8]

        init(_ key: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, mode: Mode, accountID: Identifier) {
            var hash = SHA256()
            accountID.withBytes { hash.update(bufferPointer: $0) }
            hash.update(data: Array("\(mode.rawValue)\n".utf8))
            hash.update(bufferPointer: UnsafeRawBufferPointer(key))
            // No key has this character, so that where it ends cannot be mistaken.
            hash.update(data: [UInt8(ascii: "=")])
            hash.update(bufferPointer: UnsafeRawBufferPointer(value))
            bytes = Array(hash.finalize().prefix(Self.count))
        }

        init(_ member: MetadataMember, mode: Mode, accountID: Identifier) {
            let (key, value) = (Array(member.key.utf8), Array(member.value.utf8))
            self = key.withUnsafeBufferPointer { key in
                value.withUnsafeBufferPointer { value in Tag(key, value, mode: mode, accountID: accountID) }
            }
        }
    }

    /// The entries that an item should have.
    static func tags(of item: Pikzonality) -> [Tag] { tags(of: item.details.metadata, mode: item.mode, accountID: item.accountID) }

    static func tags(of metadata: Metadata, mode: Mode, accountID: Identifier) -> [Tag] {
        var tags: [Tag] = []
        metadata.forEach { key, value in tags.append(Tag(key, value, mode: mode, accountID: accountID)) }
        return tags
    }

    /// Writes the entries of a new item, whose row is there.
    static func insert(_ item: Pikzonality, _ db: any SQLTransaction) throws { try insert(tags(of: item), of: item, db) }

    /// Writes what a change of an item changes of its entries.
    static func update(from before: Pikzonality, to item: Pikzonality, _ db: any SQLTransaction) throws {
        if before.details.metadata != item.details.metadata {
            let (old, new) = (tags(of: before), tags(of: item))
            let lasting = Set(old).intersection(new)
            for tag in old where !lasting.contains(tag) {
                try db.run("DELETE FROM metadata_entry WHERE pikzonality_id = ? AND tag = ?", [item.id, Data(tag.bytes)])
            }
            try insert(new.filter { !lasting.contains($0) }, of: item, db)
        }
        if before.name.key != item.name.key, !item.details.metadata.isEmpty {
            try db.run("UPDATE metadata_entry SET name_key = ? WHERE pikzonality_id = ?", [item.name.key, item.id])
        }
    }

    private static func insert(_ tags: [Tag], of item: Pikzonality, _ db: any SQLTransaction) throws {
        for tag in tags {
            try db.run(
                "INSERT INTO metadata_entry (pikzonality_id, tag, created_at, name_key) VALUES (?, ?, ?, ?)",
                [item.id, Data(tag.bytes), item.createdAt.milliseconds, item.name.key])
        }
    }
}
