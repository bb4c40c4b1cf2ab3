import Foundation
import GRDB
import Personas

/// What checks and backups ask of a database of their own, row by row and by the names of columns.
extension Database {
    /// Runs a statement that is prepared once per connection.
    func run(_ sql: String, _ arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// The first row of a query that is prepared once per connection.
    func firstRow(_ sql: String, _ arguments: StatementArguments) throws -> Row? {
        try Row.fetchOne(try cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows of a query that is prepared once per connection.
    func rows(_ sql: String, _ arguments: StatementArguments) throws -> [Row] {
        try Row.fetchAll(try cachedStatement(sql: sql), arguments: arguments)
    }
}

extension SQLTransaction {
    /// What GRDB has of a transaction of SQLite, for what SQLite alone has: its schema.
    var sqlite: Database {
        get throws(Failure) {
            guard let own = self as? SQLiteTransaction else { throw .unexpected("A transaction is none of SQLite") }
            return own.database
        }
    }
}

extension Identifier {
    /// As it is stored.
    var data: Data { Data(bytes) }
}

extension BlobKey {
    /// As it is stored.
    var data: Data { Data(digest) }
}

extension Row {
    func identifier(_ column: String) throws(Failure) -> Identifier {
        guard let data: Data = self[column], let identifier = data.withUnsafeBytes({ Identifier(bytes: $0) }) else {
            throw .unexpected("Column \(column) holds no identifier")
        }
        return identifier
    }

    func value<Value: RawRepresentable<String>>(_ column: String, as type: Value.Type) throws(Failure) -> Value {
        guard let text: String = self[column], let value = Value(rawValue: text) else {
            throw .unexpected("Column \(column) holds no \(type)")
        }
        return value
    }
}
