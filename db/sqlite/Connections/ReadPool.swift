import Dispatch
import GRDB
import GRDBSQLite
import Personas
import Synchronization

/// A fixed set of read-only connections, each with its statements prepared once.
///
/// GRDB opens and configures the connections; the statements are stepped through the C API, because a look-up of one row by its key costs
/// a few microseconds and a layer in between would double that. (Measured on two cores, requests per second of a whole GET: 26,000 this
/// way, 19,000 with GRDB's cached statements, 11,000 with its pool.)
final class ReadPool: Sendable {
    private let free: Mutex<[ReadConnection]>
    private let places: DispatchSemaphore

    /// Opens that many connections to a database in WAL mode.
    init(path: String, count: Int) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "personas.reader"
        configuration.busyMode = .timeout(5)
        // 8 MB of pages per connection instead of 2, taken only as reads need them: a page of items touches some forty, and each that is not
        // remembered is a system call.
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cache_size = -8000") }
        free = Mutex(try (0..<count).map { _ in try ReadConnection(queue: try DatabaseQueue(path: path, configuration: configuration)) })
        places = DispatchSemaphore(value: count)
    }

    /// Lends a connection for one short read.
    ///
    /// Waiting for a free one blocks the thread, which is right here: reads take microseconds and never suspend, so that the wait is
    /// shorter than a switch of tasks.
    func read<Value>(_ body: (ReadConnection) throws -> Value) throws(Failure) -> Value {
        places.wait()
        defer { places.signal() }
        guard let connection = free.withLock({ $0.popLast() }) else { throw .unexpected("No read connection is left") }
        defer { free.withLock { $0.append(connection) } }
        do {
            return try body(connection)
        } catch {
            throw Failure(storage: error)
        }
    }

    /// Closes the connections; none may be in use.
    func close() {
        for connection in free.withLock({ $0 }) { connection.close() }
    }
}

/// One read-only connection.
///
/// It is not safe for use from two threads at once. `@unchecked Sendable` holds because `ReadPool` lends each connection to one caller at
/// a time, and its lock orders one use after the other.
final class ReadConnection: @unchecked Sendable {
    private let queue: DatabaseQueue
    private let handle: OpaquePointer
    private(set) var statements: [String: OpaquePointer] = [:]

    fileprivate init(queue: DatabaseQueue) throws {
        self.queue = queue
        guard let handle = try queue.read({ $0.sqliteConnection }) else { throw Failure.unexpected("A read connection did not open") }
        self.handle = handle
    }

    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more.
    func query(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Void) throws {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, argument) in arguments.enumerated() {
            guard argument.bind(to: statement, at: Int32(index + 1)) == SQLITE_OK else { throw error() }
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: try row(SQLRow(statement: statement))
            case SQLITE_DONE: return
            default: throw error()
            }
        }
    }

    /// The first row of a query, nil if there is none.
    func first<Value>(_ sql: String, _ arguments: [SQLArgument], row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try query(sql, arguments) { found in
            if value == nil { value = try row(found) }
        }
        return value
    }

    fileprivate func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        try? queue.close()
    }

    private func prepared(_ sql: String) throws -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        if statements.count >= PreparedStatements.countMax { forgetIdleStatements() }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK, let statement else {
            throw error()
        }
        statements[sql] = statement
        return statement
    }

    /// Forgets all but those that run, which they do while a row's reading asks for others.
    private func forgetIdleStatements() {
        for (sql, statement) in statements where sqlite3_stmt_busy(statement) == 0 {
            sqlite3_finalize(statement)
            statements[sql] = nil
        }
    }

    private func error() -> Failure {
        Failure(
            sqliteCode: sqlite3_extended_errcode(handle), systemCode: sqlite3_system_errno(handle),
            text: "SQLite \(sqlite3_extended_errcode(handle)): \(String(cString: sqlite3_errmsg(handle)))")
    }
}

/// A value for a place in a statement.
enum SQLArgument {
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    case identifier(Identifier)

    /// SQLite's own word for "copy the bytes before returning", a cast that its C macro makes and Swift cannot import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    fileprivate func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        switch self {
        case .integer(let value):
            sqlite3_bind_int64(statement, index, value)
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

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

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
