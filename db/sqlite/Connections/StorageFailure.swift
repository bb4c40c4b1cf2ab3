import Foundation
import GRDB
import GRDBSQLite
import Personas

extension Failure {
    /// What the store reports while the process, or the machine, has no descriptor left for a file.
    static let outOfDescriptors = Failure.usedUp(.fileDescriptors, retryAfterSeconds: 1)

    /// What a store reports for an error of its own or of SQLite: a failure stays what it is, a store that cannot be written to for the
    /// moment is busy, running out of descriptors or disk is that, what the system refused is told with its reason, all else is unexpected.
    /// - Parameter connection: where SQLite's error arose, as long as it is open; it knows the system's reason.
    init(storage error: any Error, on connection: OpaquePointer? = nil) {
        switch error {
        case let failure as Failure: self = failure
        case let error as PosixFile.CallFailed: self.init(error)
        case let error as DatabaseError:
            self.init(
                sqliteCode: error.extendedResultCode.rawValue, systemCode: connection.map(sqlite3_system_errno), text: "Database: \(error)")
        default: self = .unexpected("\(error)")
        }
    }

    /// What a system call on a file that failed means.
    init(_ error: PosixFile.CallFailed) {
        if error.isOutOfDescriptors {
            self = .outOfDescriptors
        } else if error.isOutOfDisk, let path = error.path {
            self = .outOfDisk(path: path)
        } else {
            self = .file(error.failure)
        }
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
