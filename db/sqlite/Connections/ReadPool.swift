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
    /// - Parameter mappedBytesMax: see `Storage.Configuration`. The writer maps nothing: it would learn of a failing disk too late.
    init(path: String, count: Int, mappedBytesMax: Int = 0) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "personas.reader"
        configuration.busyMode = .timeout(5)
        // 8 MB of pages per connection instead of 2, taken only as reads need them: a page of items touches some forty, and each that is not
        // remembered is a system call.
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = -8000")
            try db.execute(sql: "PRAGMA mmap_size = \(mappedBytesMax)")
        }
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
final class ReadConnection: SQLConnection, @unchecked Sendable {
    private let queue: DatabaseQueue
    private let handle: OpaquePointer
    private(set) var statements: [String: OpaquePointer] = [:]
    /// Those of fixed queries, by their numbers. Memory of its own, because Swift watches every access to a variable of an object.
    private let fixed = UnsafeMutableBufferPointer<OpaquePointer?>.allocate(capacity: FixedQuery.countMax)

    fileprivate init(queue: DatabaseQueue) throws {
        self.queue = queue
        guard let handle = try queue.read({ $0.sqliteConnection }) else { throw Failure.unexpected("A read connection did not open") }
        self.handle = handle
        fixed.initialize(repeating: nil)
    }

    deinit {
        fixed.deallocate()
    }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try PreparedStatements.walk(try prepared(sql), on: handle, bind, row: row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try PreparedStatements.walk(try fixed[query.number] ?? prepared(query), on: handle, bind, row: row)
    }

    fileprivate func close() {
        fixed.update(repeating: nil)
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        try? queue.close()
    }

    private func prepared(_ query: FixedQuery) throws -> OpaquePointer {
        let statement = try prepared(query.sql)
        fixed[query.number] = statement
        return statement
    }

    private func prepared(_ sql: String) throws -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        if statements.count >= PreparedStatements.countMax { forgetIdleStatements() }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil) == SQLITE_OK, let statement else {
            throw PreparedStatements.error(on: handle)
        }
        statements[sql] = statement
        return statement
    }

    /// Forgets all but those that run, which they do while a row's reading asks for others.
    private func forgetIdleStatements() {
        fixed.update(repeating: nil)
        for (sql, statement) in statements where sqlite3_stmt_busy(statement) == 0 {
            sqlite3_finalize(statement)
            statements[sql] = nil
        }
    }
}
