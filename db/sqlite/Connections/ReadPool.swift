import Dispatch
import Foundation
import GRDB
import GRDBSQLite
import Personas
import Synchronization

/// A fixed set of read-only connections, each with its statements prepared once; some of them for threads that must not wait.
///
/// GRDB opens and configures the connections; the statements are stepped through the C API, because a look-up of one row by its key costs
/// a few microseconds and a layer in between would double that. (Measured on two cores, requests per second of a whole GET: 26,000 this
/// way, 19,000 with GRDB's cached statements, 11,000 with its pool.)
final class ReadPool: SQLReader {
    /// Bytes of pages that a connection remembers, taken only as reads need them, instead of 2 MB: a page of items touches some forty, and each that is
    /// not remembered is a system call.
    private static let cachedBytesMax = 8 * 1_024 * 1_024
    /// The same of all connections for reads that must not wait, which nearly all reads use: as much as it takes to read some ten thousand items, from
    /// anywhere in a large store, again and again.
    private static let immediateCachedBytesMax = 128 * 1_024 * 1_024

    private let free: Mutex<[ReadConnection]>
    private let places: DispatchSemaphore
    private let immediate: [ImmediateSlot]

    /// Opens that many connections to a database in WAL mode, and further ones for reads that must not wait.
    /// - Parameter mappedBytesMax: see `Storage.Configuration`. The writer maps nothing: it would learn of a failing disk too late.
    init(path: String, count: Int, immediateCount: Int = 0, mappedBytesMax: Int = 0) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "personas.reader"
        configuration.busyMode = .timeout(5)
        func open(cachedBytesMax: Int) throws -> ReadConnection {
            var configuration = configuration
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA cache_size = -\(cachedBytesMax / 1_024)")
                try db.execute(sql: "PRAGMA mmap_size = \(mappedBytesMax)")
            }
            return try ReadConnection(path: path, configuration: configuration)
        }
        free = Mutex(try (0..<count).map { _ in try open(cachedBytesMax: Self.cachedBytesMax) })
        places = DispatchSemaphore(value: count)
        configuration.busyMode = .immediateError
        let share = Self.immediateCachedBytesMax / max(1, immediateCount)
        immediate = try (0..<immediateCount).map { _ in ImmediateSlot(try open(cachedBytesMax: share)) }
    }

    func readNow<Value>(_ body: (any SQLConnection) throws -> Value) throws(Failure) -> Value? { try lendNow(body) }

    /// Lends a connection for one short read on an event loop. There is one for each loop, so that none ever finds all of them lent.
    /// - Returns: nil where none is free, and nothing was read.
    func lendNow<Value>(_ body: (ReadConnection) throws -> Value) throws(Failure) -> Value? {
        guard let slot = lentSlot() else { return nil }
        defer { slot.giveBack() }
        do {
            return try body(slot.connection)
        } catch {
            throw Failure(storage: error)
        }
    }

    /// A free slot, of several the one that the calling thread had last, whose pages its processor still knows.
    private func lentSlot() -> ImmediateSlot? {
        // Stacks of threads that are made one after another lie side by side, 8 MB each.
        let first = Int(UInt(pthread_self()) >> 23)
        for offset in immediate.indices {
            let slot = immediate[(first + offset) % immediate.count]
            if slot.lend() { return slot }
        }
        return nil
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws(Failure) -> Value {
        try lend(body)
    }

    /// Lends a connection for one short read, on the calling thread.
    ///
    /// Waiting for a free one blocks the thread, which is right here: reads take microseconds and never suspend, so that the wait is
    /// shorter than a switch of tasks.
    func lend<Value>(_ body: (ReadConnection) throws -> Value) throws(Failure) -> Value {
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
        // A slot that is lent for good is found by no read any more.
        for slot in immediate where slot.lend() { slot.connection.close() }
    }
}

/// A connection for reads that must not wait, and whether a thread has it.
private final class ImmediateSlot: Sendable {
    let connection: ReadConnection
    private let isTaken = Atomic(false)

    init(_ connection: ReadConnection) {
        self.connection = connection
    }

    /// Takes the connection, if it is free.
    func lend() -> Bool { !isTaken.exchange(true, ordering: .acquiring) }

    func giveBack() { isTaken.store(false, ordering: .releasing) }
}

/// One read-only connection.
///
/// It is not safe for use from two threads at once. `@unchecked Sendable` holds because `ReadPool` lends each connection to one caller at
/// a time, and its lock, or the flag of a slot, orders one use after the other.
final class ReadConnection: SQLConnection, @unchecked Sendable {
    private let queue: DatabaseQueue
    private let handle: OpaquePointer
    private(set) var statements: [String: OpaquePointer] = [:]
    /// Those of fixed queries, by their numbers. Memory of its own, because Swift watches every access to a variable of an object.
    private let fixed = UnsafeMutableBufferPointer<OpaquePointer?>.allocate(capacity: FixedQuery.countMax)

    fileprivate init(path: String, configuration: Configuration) throws {
        queue = try DatabaseQueue(path: path, configuration: configuration)
        guard let handle = try queue.read({ $0.sqliteConnection }) else { throw Failure.unexpected("A read connection did not open") }
        self.handle = handle
        fixed.initialize(repeating: nil)
    }

    deinit {
        fixed.deallocate()
    }

    var dialect: SQLDialect { .sqlite }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try PreparedStatements.walk(try prepared(sql), on: handle, bind, row: row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try PreparedStatements.walk(try fixed[query.number] ?? prepared(query), on: handle, bind, row: row)
    }

    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value {
        try query("BEGIN", []) { _ in }
        do {
            let value = try body()
            try query("COMMIT", []) { _ in }
            return value
        } catch {
            // Some errors end the transaction by themselves, and then there is none to end.
            if sqlite3_get_autocommit(handle) == 0 { try query("ROLLBACK", []) { _ in } }
            throw error
        }
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
