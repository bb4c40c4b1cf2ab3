import Foundation
import GRDB
import Personas

/// Whether the index of labels leads to the items that have them.
enum MetadataIndexCheck {
    /// What lists find an item by.
    private struct Entry: Hashable {
        let tag: [UInt8]
        let createdAt: Int64
        let nameKey: String
    }

    /// Items that lists do not find by their labels, or find by other ones or in another place.
    static func entries(_ db: Database) throws -> [Finding] {
        let kept = try db.makeStatement(sql: "SELECT tag, created_at, name_key FROM metadata_entry WHERE pikzonality_id = ?")
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT id, account_id, mode, metadata, created_at, name_key FROM pikzonality WHERE metadata IS NOT NULL
                UNION ALL SELECT id, account_id, mode, NULL, created_at, name_key FROM pikzonality WHERE metadata IS NULL
                AND EXISTS (SELECT 1 FROM metadata_entry WHERE pikzonality_id = pikzonality.id)
                """)
        var findings: [Finding] = []
        while let row = try rows.next() {
            let id = try row.identifier("id")
            let metadata: Data? = row["metadata"]
            let (createdAt, nameKey): (Int64, String) = (row["created_at"], row["name_key"])
            let tags = MetadataIndex.tags(
                of: (metadata ?? Data()).withUnsafeBytes { Metadata(stored: $0) }, mode: try row.value("mode", as: Mode.self),
                accountID: try row.identifier("account_id"))
            let expected = Set(tags.map { Entry(tag: $0.bytes, createdAt: createdAt, nameKey: nameKey) })
            let found = try Row.fetchAll(kept, arguments: [id.data]).map { row in
                Entry(tag: [UInt8](row["tag"] as Data), createdAt: row["created_at"], nameKey: row["name_key"])
            }
            guard Set(found) != expected else { continue }
            findings.append(Finding(.metadataDisagrees, id.text, "Lists by metadata do not find the item as it is"))
        }
        return findings
    }
}
