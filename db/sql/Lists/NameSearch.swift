import Personas

/// What the index is asked by which names are found that hold a text.
enum NameSearch {
    /// Characters of a word.
    private static let wordLength = 3

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
}

/// The items of an account and mode whose names may hold a text, as the index of names leads to them.
struct NamedItems {
    /// What stands behind `FROM`, with the row of each item as `pikzonality`.
    let source: String
    private let before: SQLValues
    private let after: SQLValues

    /// Nil where nothing has a name there.
    /// - Parameters:
    ///   - text: in lower case.
    ///   - query: what `NameSearch` makes of it.
    init?(holding text: String, _ query: String, in mode: Mode, of accountID: Identifier, _ connection: any SQLConnection) throws {
        guard !connection.dialect.findsNamesByExpression else {
            // The account stands outside, because beside the words a plan may prefer it, and walk through all that the account has.
            source = """
                (SELECT created_at, name_key, id, account_id, mode, status FROM pikzonality
                    WHERE name_words(account_id, mode, name_key) @@ name_words_of_text(?, ?, ?) LIMIT ?) AS pikzonality
                WHERE account_id = ? AND mode = ?
                """
            before = [accountID, mode.rawValue, text]
            after = [accountID, mode.rawValue]
            return
        }
        let sql = "SELECT number FROM name_list WHERE account_id = ? AND mode = ?"
        guard let list = try connection.first(sql, [accountID, mode.rawValue], row: { $0.integer(0) }) else { return nil }
        let documents = NameIndex.documents(ofList: list)
        source = """
            (SELECT rowid AS found FROM name_index WHERE name_index MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?) AS document
            CROSS JOIN name_document CROSS JOIN pikzonality WHERE number = found AND id = pikzonality_id
            """
        before = [query, documents.lowerBound, documents.upperBound]
        after = []
    }

    /// What stands for the places of the source.
    /// - Parameter count: how many items it leads to at most.
    func values(atMost count: Int) -> SQLValues { before + [count] + after }
}
