import GRDB
import Personas

/// Whether the index of names leads to what the items are called.
enum NameIndexCheck {
    /// What documents have a word: how many, and the sums of two parts of their numbers, which no other documents are likely to have.
    private struct Holders: Equatable {
        var count: Int64 = 0
        var lowSum: Int64 = 0
        var highSum: Int64 = 0

        mutating func add(_ document: Int64) {
            count += 1
            lowSum += document & 0x7FFF_FFFF
            highSum += document >> 31
        }
    }

    /// The characters of a word, of which there are at most three.
    private typealias Word = UInt32

    /// Items without a document, and documents without an item or in another's list.
    static func documents(_ db: Database) throws -> [Finding] {
        let missing = try Row.fetchAll(
            db, sql: "SELECT id FROM pikzonality WHERE NOT EXISTS (SELECT 1 FROM name_document WHERE pikzonality_id = id)")
        let strange = try Row.fetchAll(
            db,
            sql: """
                SELECT pikzonality_id AS id FROM name_document WHERE NOT EXISTS (
                    SELECT 1 FROM pikzonality JOIN name_list USING (account_id, mode)
                    WHERE id = pikzonality_id AND name_list.number = name_document.number >> 40
                )
                """)
        return try missing.map { Finding(.searchDisagrees, try $0.identifier("id").text, "Searches do not find the item") }
            + strange.map {
                Finding(.searchDisagrees, try $0.identifier("id").text, "Searches look for the item where it is not")
            }
    }

    /// Words that other documents have than those whose names hold them.
    static func words(_ db: Database) throws -> [Finding] {
        let (indexed, named) = (try wordsIndexed(db), try wordsNamed(db))
        let different = Set(indexed.keys).union(named.keys).filter { indexed[$0] != named[$0] }.map(text).sorted()
        guard let first = different.first else { return [] }
        let detail = "The index of names disagrees with the names on \(different.count) of the parts of names, such as '\(first)'"
        return [Finding(.searchDisagrees, "name_index", detail)]
    }

    private static func wordsIndexed(_ db: Database) throws -> [Word: Holders] {
        // Lies in the memory of this connection.
        try db.execute(sql: "CREATE VIRTUAL TABLE IF NOT EXISTS temp.name_word USING fts5vocab (main, name_index, instance)")
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT CAST(term AS BLOB) AS word, count(*) AS count, sum(doc & 0x7FFFFFFF) AS low_sum, sum(doc >> 31) AS high_sum
                FROM name_word GROUP BY term
                """)
        var words: [Word: Holders] = [:]
        while let row = try rows.next() {
            let word = try row.withUnsafeData(named: "word") { $0?.reduce(Word(0)) { $0 << 8 | Word($1) } ?? 0 }
            words[word] = Holders(count: row["count"], lowSum: row["low_sum"], highSum: row["high_sum"])
        }
        return words
    }

    private static func wordsNamed(_ db: Database) throws -> [Word: Holders] {
        let rows = try Row.fetchCursor(
            db, sql: "SELECT number, name_parts FROM name_document CROSS JOIN pikzonality ON id = pikzonality_id")
        var words: [Word: Holders] = [:]
        while let row = try rows.next() {
            let (number, parts): (Int64, String) = (row["number"], row["name_parts"])
            let own = Set(parts.utf8.split(separator: UInt8(ascii: "/")).map { $0.reduce(Word(0)) { $0 << 8 | Word($1) } })
            for word in own { words[word, default: Holders()].add(number) }
        }
        return words
    }

    private static func text(_ word: Word) -> String {
        String(decoding: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }.filter { $0 != 0 }, as: UTF8.self)
    }
}
