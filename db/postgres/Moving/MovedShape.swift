import CPostgreSQL
import Personas

/// A column on its way: what PostgreSQL takes it for decides how it is sent.
struct MovedColumn: Sendable {
    let name: String
    let type: PostgresOid

    var quoted: String { "\"\(name)\"" }

    /// Whether it holds words.
    var isText: Bool { type == PostgresType.text }
}

/// How the rows of a table are asked for and sent.
struct MovedShape: Sendable {
    let table: MovedTable
    /// Those that both engines have, in PostgreSQL's order.
    let shared: [MovedColumn]
    /// Those that PostgreSQL has beside them.
    let own: [(column: MovedColumn, value: MovedTable.OwnValue)]
    /// The names of those that SQLite's rows are told apart by, in whose order both sides are walked through.
    let key: [String]

    /// All of them, in the order in which they are sent and compared.
    var columns: [MovedColumn] { shared + own.map(\.column) }

    /// Looks both schemas up.
    /// - Throws: `unexpected` where they do not go together.
    init(_ table: MovedTable, from source: any SQLConnection, to target: any SQLConnection) throws {
        self.table = table
        let found = try source.all("SELECT name, pk FROM pragma_table_info(?) ORDER BY pk", [table.name]) { row in
            (name: try row.requiredText(0), place: row.integer(1))
        }
        let types = try target.all(
            """
            SELECT CAST(attname AS text), atttypid FROM pg_attribute
            WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """, [table.name]
        ) { row in MovedColumn(name: try row.requiredText(0), type: PostgresOid(row.integer(1))) }
        let ownNames = Set(table.own.map(\.name))
        let names = Set(found.map(\.name))
        shared = types.filter { names.contains($0.name) }
        own = table.own.compactMap { own in types.first { $0.name == own.name }.map { ($0, own.value) } }
        key = found.filter { $0.place > 0 }.map(\.name)
        guard shared.count == names.count, own.count == ownNames.count, names.isDisjoint(with: ownNames), !key.isEmpty else {
            throw Failure.unexpected("The table \(table.name) of the data folder and that of the database do not go together")
        }
    }

    /// The rows of SQLite with the columns that both have, in the order of their keys.
    var selectFromSource: String { "SELECT \(names(shared)) FROM \"\(table.name)\" ORDER BY \(keyNames)" }

    /// The rows that were moved with all columns, in the same order, to be asked for by `fetch`.
    var declare: String {
        "DECLARE moved_\(table.name) NO SCROLL CURSOR FOR SELECT \(names(columns)) FROM \"\(table.name)\" "
            + "WHERE \(table.condition) ORDER BY \(keyNames)"
    }

    /// The next of them.
    func fetch(_ count: Int) -> String { "FETCH \(count) FROM moved_\(table.name)" }

    /// Ends that.
    var close: String { "CLOSE moved_\(table.name)" }

    /// What takes rows.
    var copy: String { "COPY \"\(table.name)\" (\(names(columns))) FROM STDIN (FORMAT binary)" }

    /// The first row with a text that PostgreSQL cannot store; nil where no column is a text.
    var selectWithNought: String? {
        let texts = shared.filter(\.isText)
        guard !texts.isEmpty else { return nil }
        let conditions = texts.map { "instr(CAST(\($0.quoted) AS BLOB), x'00') > 0" }
        return "SELECT \(names(shared)) FROM \"\(table.name)\" WHERE \(conditions.joined(separator: " OR ")) LIMIT 1"
    }

    /// What tells a row of `selectFromSource` from others, in words.
    func words(for row: SQLRow) -> String {
        key.compactMap { name in
            guard let place = shared.firstIndex(where: { $0.name == name }) else { return nil }
            let column = Int32(place)
            switch shared[place].type {
            case PostgresType.uuid: return Identifier(bytes: row.bytes(column))?.text
            case PostgresType.bytea: return hexadecimal(Array(row.bytes(column)))
            case PostgresType.text: return row.text(column).map { "'\($0.replacing("\0", with: "\u{fffd}"))'" }
            default: return String(row.integer(column))
            }
        }.joined(separator: " ")
    }

    private var keyNames: String { key.map { "\"\($0)\"" }.joined(separator: ", ") }

    private func names(_ columns: [MovedColumn]) -> String { columns.map(\.quoted).joined(separator: ", ") }
}
