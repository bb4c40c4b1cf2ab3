import GRDB
import GRDBSQLite
import Personas

/// What a connection keeps prepared, and how it is run.
enum PreparedStatements {
    /// Statements that one connection keeps: more than the service has, so that none of them goes, and few enough that a text with a value in it,
    /// which is another statement each time, can never fill the memory (6.5 kB each).
    static let countMax = 256

    /// Steps through a query, so that it can run again afterwards.
    static func walk(
        _ statement: OpaquePointer, on connection: OpaquePointer, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool
    ) throws {
        try bound(statement, on: connection, bind) {
            let columns = SQLRow(SQLiteColumns(statement: statement))
            while true {
                switch sqlite3_step(statement) {
                case SQLITE_ROW: guard try row(columns) else { return }
                case SQLITE_DONE: return
                default: throw error(on: connection)
                }
            }
        }
    }

    /// Gives a statement its values for as long as the body runs.
    private static func bound(
        _ statement: OpaquePointer, on connection: OpaquePointer, _ bind: (inout SQLParameters) -> Void, _ body: () throws -> Void
    ) throws {
        try withUnsafeTemporaryAllocation(byteCount: SQLitePlaces.roomBytes, alignment: 16) { room in
            // What is bound may lie in the room, which is gone afterwards.
            defer {
                sqlite3_reset(statement)
                sqlite3_clear_bindings(statement)
            }
            var taken = SQLitePlaces.Taken(room: room)
            try withUnsafeMutablePointer(to: &taken) { taken in
                var parameters = SQLParameters(SQLitePlaces(statement, taken))
                bind(&parameters)
                guard taken.pointee.code == SQLITE_OK else { throw error(on: connection) }
                try body()
            }
        }
    }

    /// What the latest call on a connection failed with.
    static func error(on connection: OpaquePointer) -> any Error {
        let code = sqlite3_extended_errcode(connection)
        let text = "SQLite \(code): \(String(cString: sqlite3_errmsg(connection)))"
        if code == ResultCode.SQLITE_CONSTRAINT_UNIQUE.rawValue { return UniquenessViolation(text: text) }
        return Failure(sqliteCode: code, systemCode: sqlite3_system_errno(connection), text: text)
    }
}

/// A row that stands against a uniqueness beside the key of its table.
struct UniquenessViolation: Error {
    let text: String
}

extension Database {
    /// Forgets all statements of this connection once they are more than `countMax`. To be called while none of them runs.
    func boundStatements(countMax: Int = PreparedStatements.countMax) {
        var count = 0
        var statement = sqlite3_next_stmt(sqliteConnection, nil)
        while statement != nil, count <= countMax {
            count += 1
            statement = sqlite3_next_stmt(sqliteConnection, statement)
        }
        // GRDB forgets its statements together with what it knows of the schema, which costs next to nothing to read again.
        if count > countMax { clearSchemaCache() }
    }
}

/// The places of a statement of SQLite.
///
/// SQLite takes memory for each text and blob that it has to keep. So the short ones, which are nearly all, are kept here while the query runs: on the
/// stack.
struct SQLitePlaces: SQLPlaces {
    /// Bytes for values that are kept here: a page has two identifiers and two words.
    static let roomBytes = 96

    /// SQLite's own word for "copy the bytes before returning", a cast that its C macro makes and Swift cannot import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// How far the places have been given their values.
    struct Taken {
        fileprivate var room: UnsafeMutableRawBufferPointer
        fileprivate var place: Int32 = 0
        /// What SQLite said of the first that it did not take.
        fileprivate(set) var code = SQLITE_OK

        init(room: UnsafeMutableRawBufferPointer) {
            self.room = room
        }
    }

    private let statement: OpaquePointer
    /// On the stack of whoever runs the query, which ends after all binding.
    private let taken: UnsafeMutablePointer<Taken>

    init(_ statement: OpaquePointer, _ taken: UnsafeMutablePointer<Taken>) {
        self.statement = statement
        self.taken = taken
    }

    func bind(_ value: Int64) { note(sqlite3_bind_int64(statement, next(), value)) }

    func bind(text: UnsafeRawBufferPointer) {
        let place = next()
        let (bytes, destructor) = kept(text)
        // With its length, because a search text may hold a NUL, at which SQLite would take it for ended.
        note(sqlite3_bind_text(statement, place, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), destructor))
    }

    func bind(blob: UnsafeRawBufferPointer) {
        let place = next()
        let (bytes, destructor) = kept(blob)
        note(sqlite3_bind_blob(statement, place, bytes.baseAddress, Int32(bytes.count), destructor))
    }

    func bind(identifier: UnsafeRawBufferPointer) { bind(blob: identifier) }

    func bindNull() { note(sqlite3_bind_null(statement, next())) }

    private func next() -> Int32 {
        taken.pointee.place += 1
        return taken.pointee.place
    }

    /// Bytes as SQLite is to take them: in the room, if they fit.
    private func kept(_ bytes: UnsafeRawBufferPointer) -> (UnsafeRawBufferPointer, sqlite3_destructor_type?) {
        let room = taken.pointee.room
        guard bytes.count <= room.count else { return (bytes, Self.transient) }
        let place = UnsafeMutableRawBufferPointer(rebasing: room[..<bytes.count])
        place.copyMemory(from: bytes)
        taken.pointee.room = UnsafeMutableRawBufferPointer(rebasing: room[bytes.count...])
        // Without bytes, too, there is an address, for want of which SQLite would take them for NULL.
        return (UnsafeRawBufferPointer(place), nil)
    }

    private func note(_ result: Int32) {
        if result != SQLITE_OK, taken.pointee.code == SQLITE_OK { taken.pointee.code = result }
    }
}

/// The columns of the row on which a statement of SQLite stands.
struct SQLiteColumns: SQLColumns {
    fileprivate let statement: OpaquePointer

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
    }
}
