import Foundation
import GRDB
import Personas

/// The index that searches find names by, of words of three characters; the schema keeps it up to date by itself.
enum NameIndex {
    /// The documents of a list have its number in front of these bits.
    private static let documentBits: Int64 = 40

    /// The numbers of the documents of a list.
    static func documents(ofList number: Int64) -> ClosedRange<Int64> {
        (number << documentBits)...(number << documentBits | (1 << documentBits - 1))
    }

    /// Takes in the items that were there before the index, by their ids.
    /// - Parameter count: items of one round.
    static func fill(atMost count: Int) -> Migration.Round {
        { db, last in
            let last = last ?? Data()
            let end = try Data.fetchOne(
                db, sql: "SELECT max(id) FROM (SELECT id FROM pikzonality WHERE id > ? ORDER BY id LIMIT ?)", arguments: [last, count])
            guard let end else { return nil }
            try db.execute(
                sql: """
                    INSERT INTO name_entry (id, account_id, mode, name_parts)
                    SELECT id, account_id, mode, name_parts FROM pikzonality
                    WHERE id > ? AND id <= ? AND NOT EXISTS (SELECT 1 FROM name_document WHERE pikzonality_id = id)
                    """, arguments: [last, end])
            return end
        }
    }

    /// Puts the parts together that the rounds before have left behind, some pages at a time, because a search looks at each of them.
    static let merge: Migration.Round = { db, last in
        let before = db.totalChangesCount
        // The first time asks for all parts, which each further time goes on with; one change is that of the command itself.
        try db.execute(sql: "INSERT INTO name_index (name_index, rank) VALUES ('merge', ?)", arguments: [last == nil ? -500 : 500])
        return db.totalChangesCount - before < 2 ? nil : Data()
    }
}
