import GRDB
import GRDBSQLite
import Personas

/// The writer's connection within an operation of its group.
struct SQLiteTransaction: SQLTransaction {
    /// What GRDB has of it.
    let database: Database
    /// Where the operation's events go; nil where it has none.
    let events: PendingEvents?

    var dialect: SQLDialect { .sqlite }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        let statement = try database.cachedStatement(sql: sql)
        guard let connection = database.sqliteConnection else { throw Failure.unexpected("A query ran on a connection that is closed") }
        try PreparedStatements.walk(statement.sqliteStatement, on: connection, bind, row: row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try walk(query.sql, bind, row: row)
    }

    /// Nobody else writes.
    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value { try body() }

    func run(_ sql: String, _ values: SQLValues) throws {
        try walk(sql) {
            $0.bind(values)
        } row: { _ in
            true
        }
    }

    func change(_ sql: String, _ values: SQLValues) throws -> Int {
        try run(sql, values)
        return database.changesCount
    }

    /// SQLite undoes a statement by itself that fails.
    func unlessTaken<Value>(_ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch is UniquenessViolation {
            return nil
        }
    }

    /// Nobody else writes.
    func lock(_ owner: () throws -> Identifier?) {}

    func tell(_ event: Event) { events?.append(event) }
}
