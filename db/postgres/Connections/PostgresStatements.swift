import CPostgreSQL
import Personas

/// A statement under a name of its own on one connection, for values of certain types.
final class PostgresStatement {
    let name: String
    let types: [PostgresOid]

    fileprivate init(name: String, types: [PostgresOid]) {
        self.name = name
        self.types = types
    }
}

/// A text, with the statements that were prepared of it: one for each mixture of types, because a value that is nothing has none.
final class PostgresText {
    let translated: PostgresPlaceholders
    fileprivate(set) var statements: [PostgresStatement] = []

    fileprivate init(_ sql: String) {
        translated = PostgresPlaceholders(sql)
    }
}

/// What a connection has prepared.
struct PostgresStatements {
    /// Prepared statements of a connection: more than the service has. Beyond that all are forgotten, and those in use come back.
    static let countMax = 256

    private var texts: [String: PostgresText] = [:]
    private var fixed = [PostgresText?](repeating: nil, count: FixedQuery.countMax)
    private var lastNumber = 0
    private(set) var count = 0
    /// Whether the server has statements that are forgotten here.
    var areLeftOver = false

    /// The text of a statement, translated at its first use.
    mutating func text(_ sql: String) -> PostgresText {
        if let text = texts[sql] { return text }
        let text = PostgresText(sql)
        // Texts without statements are as few as those with, but for statements that no engine takes.
        if texts.count >= 2 * Self.countMax { forgetAll() }
        texts[sql] = text
        return text
    }

    mutating func text(_ query: FixedQuery) -> PostgresText {
        if let text = fixed[query.number] { return text }
        let text = text(query.sql)
        fixed[query.number] = text
        return text
    }

    /// A statement that is there, or is to be made.
    func find(_ types: [PostgresOid], of text: PostgresText) -> PostgresStatement? { text.statements.first { $0.types == types } }

    /// A new one.
    mutating func add(_ types: [PostgresOid], to text: PostgresText) -> PostgresStatement {
        lastNumber += 1
        let statement = PostgresStatement(name: "s\(lastNumber)", types: types)
        text.statements.append(statement)
        count += 1
        return statement
    }

    /// Forgets one that the server did not come to make.
    mutating func remove(_ statement: PostgresStatement, of text: PostgresText) {
        guard let index = text.statements.firstIndex(where: { $0 === statement }) else { return }
        text.statements.remove(at: index)
        count -= 1
    }

    /// Forgets all of them; names are not used again.
    mutating func forgetAll() {
        areLeftOver = areLeftOver || count > 0
        for text in texts.values { text.statements = [] }
        texts = [:]
        fixed = [PostgresText?](repeating: nil, count: FixedQuery.countMax)
        count = 0
    }
}
