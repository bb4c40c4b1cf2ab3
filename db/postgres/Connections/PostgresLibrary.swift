import CPostgreSQL
import Personas

/// libpq, PostgreSQL's own client library, opened when the first asks for it.
///
/// `@unchecked Sendable` holds because the table of functions that it points to is filled once, before the first sees it, and never changed or freed.
struct PostgresLibrary: @unchecked Sendable {
    private let table: UnsafePointer<LibPQ>

    private static let opened: Result<PostgresLibrary, Failure> = {
        var missing: UnsafePointer<CChar>?
        if let table = libpq_load(&missing) { return .success(PostgresLibrary(table: table)) }
        let name = missing.map { String(cString: $0) } ?? "libpq.so.5"
        return .failure(
            .configuration(setting: "database", reason: "PostgreSQL's client library, version 14 or newer, lacks \(name): install libpq5"))
    }()

    private init(table: UnsafePointer<LibPQ>) {
        self.table = table
    }

    /// The library.
    /// - Throws: `configuration` where it is not installed.
    static func open() throws(Failure) -> PostgresLibrary { try opened.get() }

    /// The library's functions, by their names.
    @inline(__always) var call: LibPQ { table.pointee }
}

/// What `PQresultStatus` and its like return, as whole numbers of the type that they return.
enum PostgresStatus {
    static let connectionOK = UInt32(POSTGRES_CONNECTION_OK)
    static let transactionIdle = UInt32(POSTGRES_TRANSACTION_IDLE)
    static let commandOK = UInt32(POSTGRES_COMMAND_OK)
    static let tuplesOK = UInt32(POSTGRES_TUPLES_OK)
    static let copyIn = UInt32(POSTGRES_COPY_IN)
    static let pipelineSync = UInt32(POSTGRES_PIPELINE_SYNC)
    static let pipelineAborted = UInt32(POSTGRES_PIPELINE_ABORTED)
}

/// Which part of an error or a notice `PQresultErrorField` is asked for.
enum PostgresField {
    /// `ERROR`, `FATAL`, `WARNING` and so on, in English whatever the server's language.
    static let severity = Int32(POSTGRES_FIELD_SEVERITY)
    /// SQLSTATE.
    static let state = Int32(POSTGRES_FIELD_STATE)
    /// One line that says what is wrong.
    static let message = Int32(POSTGRES_FIELD_MESSAGE)
    /// The name of the constraint.
    static let constraint = Int32(POSTGRES_FIELD_CONSTRAINT)
}

extension PostgresLibrary {
    /// A part of an error or a notice.
    func field(_ field: Int32, of result: OpaquePointer) -> String? {
        call.PQresultErrorField(result, field).map { String(cString: $0) }
    }
}
