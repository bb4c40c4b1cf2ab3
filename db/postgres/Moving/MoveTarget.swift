import CPostgreSQL
import Foundation
import Personas

/// The database that takes a move's rows, on one connection. Belongs to one thread.
struct MoveTarget {
    /// Milliseconds that an answer may take: the server checks as many references as there are rows of one `COPY`.
    private static let answerMillisecondsMax = 600_000

    let connection: PostgresConnection
    let move: FolderMove

    /// Connects.
    init(_ settings: PostgresSettings, _ move: FolderMove) throws {
        var patient = settings
        patient.statementMillisecondsMax = Self.answerMillisecondsMax
        connection = try PostgresConnection(patient)
        self.move = move
    }

    /// Whether the database has this move behind it. When this returns, no transaction of an earlier try is under way any more.
    /// - Throws: `storeBusy` as long as one is, or another process works on the tables.
    func isDone() throws -> Bool {
        connection.begin()
        defer { connection.rollBack() }
        try connection.run("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        return try findsMove()
    }

    /// Makes sure that nothing was ever put into the database.
    /// - Throws: `configuration`, naming a table that has rows.
    func requireEmpty() throws {
        for table in MovedTable.all where !table.hasRowsWhenNew {
            guard try !connection.finds("SELECT 1 FROM \"\(table.name)\" LIMIT 1", []) else {
                throw Failure.configuration(
                    setting: "database", reason: "it has to be empty for a data folder to be moved into it, and has rows in \(table.name)")
            }
        }
    }

    /// Begins the transaction, in which nobody else changes any of the tables, and no trigger counts: counts are moved as all else is.
    /// - Returns: false where the database has this move behind it.
    func begin() throws -> Bool {
        connection.begin(["SET LOCAL idle_in_transaction_session_timeout TO \(Self.answerMillisecondsMax)"])
        do {
            for table in MovedTable.all { try connection.run("ALTER TABLE \"\(table.name)\" DISABLE TRIGGER USER") }
            try connection.settle()
        } catch let error as PostgresError where error.state == "42501" {
            throw Failure.configuration(
                setting: "database", reason: "its tables have to be the user's who moves a data folder into it: \(error.message)")
        }
        guard try !findsMove() else { return false }
        try requireEmpty()
        for table in MovedTable.all where table.hasRowsWhenNew && table.numbered == nil {
            try connection.run("DELETE FROM \"\(table.name)\"")
        }
        // What the database tells of itself comes behind what is moved.
        try connection.run("UPDATE audit SET number = -number")
        return true
    }

    /// Puts everything in order that follows from the rows, and says in the audit that they were moved.
    /// - Parameter numbersGiven: the last numbers that the data folder ever gave, by table.
    func finish(numbersGiven: [String: Int64], for author: Operator, from directory: String, at now: Timestamp) throws {
        for table in MovedTable.all {
            guard let column = table.numbered else { continue }
            let given = numbersGiven[table.name] ?? 0
            let last =
                try connection.first("SELECT coalesce(max(\(column)), 0) FROM \"\(table.name)\"", [], row: { max(given, $0.integer(0)) })
                ?? given
            if table.name == "audit" { try connection.run("UPDATE audit SET number = ? - number WHERE number < 0", [last]) }
            let sequence = "pg_get_serial_sequence('\"\(table.name)\"', '\(column)')"
            let top = table.name == "audit" ? "(SELECT coalesce(max(number), 0) FROM audit)" : "CAST(0 AS bigint)"
            try connection.run("SELECT setval(\(sequence), greatest(CAST(? AS bigint), \(top)) + 1, false)", [last])
        }
        // Servers that run on the database already read anew what they hold in memory.
        try connection.run("UPDATE generation SET number = number + 1 WHERE id = 1")
        let note = AuditNote<String>(.copy, by: author) { ["\($0) \(directory)"] }
        try AuditRows.insert(note.entries(of: move.id, at: now), PostgresTransaction(connection))
        for table in MovedTable.all { try connection.run("ALTER TABLE \"\(table.name)\" ENABLE TRIGGER USER") }
        try connection.settle()
    }

    /// Whether the audit tells of this move: that is written in the transaction that moves the rows.
    private func findsMove() throws -> Bool {
        try connection.finds(
            "SELECT 1 FROM audit WHERE action = ? AND substr(target, 1, 36) = ? LIMIT 1", [AuditAction.copy.rawValue, move.id])
    }
}
