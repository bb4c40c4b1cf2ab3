import CSQLiteSettings
import Foundation
import GRDBSQLite
import Personas

/// A database that is looked at and left as it is: not even the files appear beside it that SQLite keeps there for those who read.
///
/// It is opened while no other process writes to it; see `DataFolderLock.holdOff`.
final class UntouchedDatabase {
    private let handle: OpaquePointer

    /// - Parameter folder: of which the database is the one that the next opening would find.
    init(in folder: DataFolder) throws {
        let isRestored = PosixFile.exists(folder.restoreComplete.database)
        let path = isRestored ? folder.restoreComplete.database : folder.database
        // What a process left in the log that was killed belongs to the database. Its index is then made in memory, because whoever has the file for
        // itself needs none in a file; which takes a connection that could write.
        let hasLog = !isRestored && Self.bytes(of: path + "-wal") > 0
        let allowed = CharacterSet.urlPathAllowed.subtracting(CharacterSet(charactersIn: "%?#"))
        let name = "file:" + (path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path) + (hasLog ? "" : "?immutable=1")
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | (hasLog ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY)
        let code = sqlite3_open_v2(name, &handle, flags, nil)
        guard let handle else { throw Failure.unexpected("SQLite has no memory") }
        self.handle = handle
        guard code == SQLITE_OK else { throw PreparedStatements.error(on: handle) }
        guard hasLog else { return }
        guard personas_sqlite_keep_log(handle) == SQLITE_OK else { throw PreparedStatements.error(on: handle) }
        for setting in ["busy_timeout = 5000", "query_only = ON", "locking_mode = EXCLUSIVE"] {
            guard sqlite3_exec(handle, "PRAGMA \(setting)", nil, nil, nil) == SQLITE_OK else { throw PreparedStatements.error(on: handle) }
        }
    }

    deinit {
        sqlite3_close_v2(handle)
    }

    /// Does something with the connection, which is good for as long as that lasts.
    func read<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value { try body(Connection(handle: handle)) }

    private static func bytes(of path: String) -> off_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_size : 0
    }

    private struct Connection: SQLConnection {
        let handle: OpaquePointer

        var dialect: SQLDialect { .sqlite }

        func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
            var statement: OpaquePointer?
            guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK, let statement else {
                throw PreparedStatements.error(on: handle)
            }
            defer { sqlite3_finalize(statement) }
            try PreparedStatements.walk(statement, on: handle, bind, row: row)
        }

        func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
            try walk(query.sql, bind, row: row)
        }

        /// Nobody writes.
        func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value { try body() }
    }
}
