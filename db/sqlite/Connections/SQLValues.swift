import Foundation
import GRDB
import GRDBSQLite
import Personas
import Synchronization

/// What a connection keeps prepared.
enum PreparedStatements {
    /// Statements that one connection keeps: more than the service has, so that none of them goes, and few enough that a text with a value in it,
    /// which is another statement each time, can never fill the memory (6.5 kB each).
    static let countMax = 256
}

/// A query whose text never changes, known to each connection by a number: the text is longer than many a row, and to look it up by it would cost a good
/// part of what running it does.
///
/// To be kept in a static, because each takes a number of its own for ever.
struct FixedQuery: Sendable {
    /// More than there are in the service.
    static let countMax = 64

    private static let numbersTaken = Atomic(0)

    let sql: String
    let number: Int

    init(_ sql: String) {
        self.sql = sql
        number = Self.numbersTaken.add(1, ordering: .relaxed).oldValue
        precondition(number < Self.countMax, "There are more fixed queries than connections have places for")
    }
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

extension Identifier {
    /// As it is stored.
    var data: Data { Data(bytes) }
}

extension RandomToken {
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
