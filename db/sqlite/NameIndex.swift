import Foundation
import GRDB
import Personas

/// The index that searches find names by, of words of three characters; the schema keeps it up to date by itself.
enum NameIndex {
    /// Characters of a word.
    private static let wordLength = 3

    /// The documents of a list have its number in front of these bits.
    private static let documentBits: Int64 = 40

    /// The numbers of the documents of a list.
    static func documents(ofList number: Int64) -> ClosedRange<Int64> {
        (number << documentBits)...(number << documentBits | (1 << documentBits - 1))
    }

    /// What is asked of the index to find the documents whose names may hold a text: those with every third of its words and the last, which
    /// hold each of its characters. A text of one or two characters is the beginning of a word.
    ///
    /// A name that has all words may still have them elsewhere, so it is to be looked at.
    /// - Parameter text: in lower case.
    /// - Returns: nil when no name can hold the text, because of its length or a character.
    static func query(for text: String) -> String? {
        let bytes = text.utf8.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: ".") : $0 }
        guard (1...Limits.nameCharactersMax).contains(bytes.count), text.utf8.allSatisfy(isInNames) else { return nil }
        guard bytes.count >= wordLength else { return "\"\(String(decoding: bytes, as: UTF8.self))\" *" }
        let last = bytes.count - wordLength
        let starts = Array(stride(from: 0, to: last, by: wordLength)) + [last]
        return starts.map { "\"\(String(decoding: bytes[$0..<($0 + wordLength)], as: UTF8.self))\"" }.joined(separator: " AND ")
    }

    /// Whether a name in lower case can have a character.
    private static func isInNames(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
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
