import GRDB

/// Another program that has begun to write to the database and does not come to an end.
final class DatabaseLock: Sendable {
    private let queue: DatabaseQueue

    /// Takes the lock.
    init(path: String) throws {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
    }

    /// Gives it back, having written nothing.
    func end() throws {
        try queue.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        try queue.close()
    }
}
