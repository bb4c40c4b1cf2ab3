import GRDB
import GRDBSQLite
import Personas

/// A connection that queries run on: a reader's, or the writer's within a transaction. Rows look alike on both, so that each is decoded in one way.
protocol SQLConnection {
    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more, or `row` returns false.
    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws
    /// Runs a query that is always the same in the same way. For what every request does: it is found without a look at its text.
    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws
}

extension SQLConnection {
    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more.
    func query(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Void) throws {
        try walk(sql) { parameters in
            for argument in arguments { parameters.bind(argument) }
        } row: {
            try row($0)
            return true
        }
    }

    /// The first row of a query, nil if there is none.
    func first<Value>(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try walk(sql) { parameters in
            for argument in arguments { parameters.bind(argument) }
        } row: {
            value = try row($0)
            return false
        }
        return value
    }

    /// The first row of a query that is always the same, nil if there is none.
    func first<Value>(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try walk(query, bind) {
            value = try row($0)
            return false
        }
        return value
    }
}

extension Database: SQLConnection {
    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        let statement = try cachedStatement(sql: sql)
        guard let connection = sqliteConnection else { throw Failure.unexpected("A query ran on a connection that is closed") }
        try PreparedStatements.walk(statement.sqliteStatement, on: connection, bind, row: row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try walk(query.sql, bind, row: row)
    }
}

extension PreparedStatements {
    /// Steps through a query, so that it can run again afterwards.
    static func walk(
        _ statement: OpaquePointer, on connection: OpaquePointer, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool
    ) throws {
        try withUnsafeTemporaryAllocation(byteCount: SQLParameters.roomBytes, alignment: 16) { room in
            // What is bound may lie in the room, which is gone afterwards.
            defer {
                sqlite3_reset(statement)
                sqlite3_clear_bindings(statement)
            }
            var parameters = SQLParameters(statement, room)
            bind(&parameters)
            guard parameters.areBound else { throw error(on: connection) }
            while true {
                switch sqlite3_step(statement) {
                case SQLITE_ROW: guard try row(SQLRow(statement: statement)) else { return }
                case SQLITE_DONE: return
                default: throw error(on: connection)
                }
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
    /// What stands behind all identifiers: where a list that goes back begins.
    static let afterIdentifiers = SQLArgument.blob(Array(repeating: 0xFF, count: 17))
    /// What stands before all bytes but none: where a list begins.
    static let beforeBlobs = SQLArgument.blob([])
}

/// The places of a statement, which are given their values one after another.
///
/// SQLite takes memory for each text and blob that it has to keep. So the short ones, which are nearly all, are kept here while the query runs: on the
/// stack.
struct SQLParameters {
    /// Bytes for values that are kept here: a page has two identifiers and two words.
    static let roomBytes = 96

    /// SQLite's own word for "copy the bytes before returning", a cast that its C macro makes and Swift cannot import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    private let statement: OpaquePointer
    private var room: UnsafeMutableRawBufferPointer
    private var place: Int32 = 0
    private var code = SQLITE_OK

    fileprivate init(_ statement: OpaquePointer, _ room: UnsafeMutableRawBufferPointer) {
        self.statement = statement
        self.room = room
    }

    /// Whether SQLite took all of them.
    fileprivate var areBound: Bool { code == SQLITE_OK }

    mutating func bind(_ argument: SQLArgument) {
        switch argument {
        case .integer(let value): bind(value)
        case .text(let value): bind(value)
        case .blob(let value): value.withUnsafeBytes { bind(blob: $0) }
        case .identifier(let value): bind(value)
        }
    }

    mutating func bind(_ value: Int64) {
        place += 1
        note(sqlite3_bind_int64(statement, place, value))
    }

    mutating func bind(_ value: Identifier) { value.withBytes { bind(blob: $0) } }

    mutating func bind(_ value: RandomToken) { value.withBytes { bind(blob: $0) } }

    mutating func bind(_ value: String) {
        var value = value
        // With its length, because a search text may hold a NUL, at which SQLite would take it for ended.
        value.withUTF8 { utf8 in
            place += 1
            let (bytes, destructor) = kept(UnsafeRawBufferPointer(utf8))
            let text = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            note(sqlite3_bind_text(statement, place, text, Int32(bytes.count), destructor))
        }
    }

    mutating func bind(blob value: UnsafeRawBufferPointer) {
        place += 1
        let (bytes, destructor) = kept(value)
        note(sqlite3_bind_blob(statement, place, bytes.baseAddress, Int32(bytes.count), destructor))
    }

    /// Bytes as SQLite is to take them: in the room, if they fit.
    private mutating func kept(_ bytes: UnsafeRawBufferPointer) -> (UnsafeRawBufferPointer, sqlite3_destructor_type?) {
        guard bytes.count <= room.count else { return (bytes, Self.transient) }
        let place = UnsafeMutableRawBufferPointer(rebasing: room[..<bytes.count])
        place.copyMemory(from: bytes)
        room = UnsafeMutableRawBufferPointer(rebasing: room[bytes.count...])
        // Without bytes, too, there is an address, for want of which SQLite would take them for NULL.
        return (UnsafeRawBufferPointer(place), nil)
    }

    private mutating func note(_ result: Int32) {
        if result != SQLITE_OK { code = result }
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

    /// One of few words, compared as bytes: making a text of it would cost more.
    func word<Value>(_ column: Int32, of words: StoredWords<Value>) throws(Failure) -> Value {
        guard let value = words[bytes(column)] else { throw .unexpected("Column \(column) holds no \(Value.self)") }
        return value
    }

    /// A number that may not be there.
    func integerIfAny(_ column: Int32) -> Int? {
        sqlite3_column_type(statement, column) == SQLITE_NULL ? nil : Int(integer(column))
    }

    func timestamp(_ column: Int32) -> Timestamp { Timestamp(milliseconds: integer(column)) }

    /// A moment that may not be there.
    func timestampIfAny(_ column: Int32) -> Timestamp? {
        sqlite3_column_type(statement, column) == SQLITE_NULL ? nil : timestamp(column)
    }
}

/// The words in which the values of a type are stored.
struct StoredWords<Value: RawRepresentable<String> & CaseIterable & Sendable>: Sendable {
    private let words: [(word: Word, value: Value)] = Value.allCases.map { value in
        (Array(value.rawValue.utf8).withUnsafeBytes { Word($0) }, value)
    }

    /// The value of a word; nil for any other.
    subscript(bytes: UnsafeRawBufferPointer) -> Value? {
        let word = Word(bytes)
        for known in words where known.word == word { return known.value }
        return nil
    }
}

/// The first sixteen bytes of a word, which tell all words apart, and its length.
private struct Word: Equatable {
    private let low: UInt64
    private let high: UInt64
    private let count: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        var start: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &start) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, 16)])) }
        (low, high) = start
        count = bytes.count
    }
}
