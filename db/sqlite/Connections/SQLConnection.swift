import GRDB
import GRDBSQLite
import Personas

/// A connection that queries run on: a reader's, or the writer's within a transaction. Rows look alike on both, so that each is decoded in one way.
protocol SQLConnection {
    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more.
    func query(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Void) throws
}

extension SQLConnection {
    /// The first row of a query, nil if there is none.
    func first<Value>(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try query(sql, arguments) { found in
            if value == nil { value = try row(found) }
        }
        return value
    }
}

extension Database: SQLConnection {
    func query(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Void) throws {
        let statement = try cachedStatement(sql: sql)
        guard let connection = sqliteConnection else { throw Failure.unexpected("A query ran on a connection that is closed") }
        try PreparedStatements.run(statement.sqliteStatement, on: connection, arguments, row: row)
    }
}

extension PreparedStatements {
    /// Steps through a query, so that it can run again afterwards.
    static func run(
        _ statement: OpaquePointer, on connection: OpaquePointer, _ arguments: [SQLArgument], row: (SQLRow) throws -> Void
    ) throws {
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, argument) in arguments.enumerated() {
            guard argument.bind(to: statement, at: Int32(index + 1)) == SQLITE_OK else { throw error(on: connection) }
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: try row(SQLRow(statement: statement))
            case SQLITE_DONE: return
            default: throw error(on: connection)
            }
        }
    }

    /// What the latest call on a connection failed with.
    static func error(on connection: OpaquePointer) -> Failure {
        Failure(
            sqliteCode: sqlite3_extended_errcode(connection), systemCode: sqlite3_system_errno(connection),
            text: "SQLite \(sqlite3_extended_errcode(connection)): \(String(cString: sqlite3_errmsg(connection)))")
    }
}

/// A value for a place in a statement.
enum SQLArgument {
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    case identifier(Identifier)

    /// What stands before all texts but the empty one: where a list begins.
    static let beforeTexts = SQLArgument.text("")
    /// What stands before all bytes but none: where a list begins.
    static let beforeBlobs = SQLArgument.blob([])

    /// SQLite's own word for "copy the bytes before returning", a cast that its C macro makes and Swift cannot import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    fileprivate func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        switch self {
        case .integer(let value):
            sqlite3_bind_int64(statement, index, value)
        // Without bytes there may be no address, which SQLite would take for NULL.
        case .text(""):
            sqlite3_bind_text(statement, index, "", 0, Self.transient)
        case .blob([]):
            sqlite3_bind_zeroblob(statement, index, 0)
        case .text(var value):
            // With its length, because a search text may hold a NUL, at which SQLite would take it for ended.
            value.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    sqlite3_bind_text(statement, index, $0.baseAddress, Int32($0.count), Self.transient)
                }
            }
        case .blob(let value):
            value.withUnsafeBytes { sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count), Self.transient) }
        case .identifier(let value):
            value.withBytes { sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count), Self.transient) }
        }
    }
}

/// The current row of a query; valid until the next step.
struct SQLRow {
    fileprivate let statement: OpaquePointer

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    func text(_ column: Int32) -> String? {
        guard let bytes = sqlite3_column_text(statement, column) else { return nil }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))), as: UTF8.self)
    }

    func requiredText(_ column: Int32) throws(Failure) -> String {
        guard let text = text(column) else { throw .unexpected("Column \(column) holds no text") }
        return text
    }

    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
    }

    func identifier(_ column: Int32) throws(Failure) -> Identifier {
        guard let identifier = Identifier(bytes: bytes(column)) else { throw .unexpected("Column \(column) holds no identifier") }
        return identifier
    }

    func timestamp(_ column: Int32) -> Timestamp { Timestamp(milliseconds: integer(column)) }
}
