import Foundation
import GRDB
import GRDBSQLite
import Personas

extension Failure {
    /// What a store reports for an error of its own, of SQLite or of a file: a store that cannot be written to for the moment is busy, what is no
    /// error of SQLite means what it means to the files.
    /// - Parameter connection: where SQLite's error arose, as long as it is open; it knows the system's reason.
    init(storage error: any Error, on connection: OpaquePointer? = nil) {
        guard let error = error as? DatabaseError else {
            if let violation = error as? UniquenessViolation { self = .unexpected(violation.text) } else { self.init(file: error) }
            return
        }
        self.init(
            sqliteCode: error.extendedResultCode.rawValue, systemCode: connection.map(sqlite3_system_errno), text: "Database: \(error)")
    }

    /// What a result code of SQLite, extended or not, means. Only those codes are busy or used up after which it is certain that nothing was
    /// written.
    /// - Parameter systemCode: the `errno` behind it; nil where it is not known, and is found out by trying.
    init(sqliteCode: Int32, systemCode: Int32?, text: String) {
        switch ResultCode(rawValue: sqliteCode).primaryResultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL: self = .storeBusy(text)
        // What SQLite opens while it works is temporary; the files of the database are open since the start.
        case .SQLITE_CANTOPEN where PosixFile.isOutOfDescriptors(systemCode ?? PosixFile.codeOfOpening("/dev/null")):
            self = .outOfDescriptors
        default: self = .unexpected(text)
        }
    }
}
