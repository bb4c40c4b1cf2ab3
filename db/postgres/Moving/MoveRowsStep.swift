import Foundation
import Personas

/// Sends the rows of a data folder in one transaction of the database, and compares what came of them. Runs on a thread of its own.
struct MoveRowsStep {
    /// How the transaction ended, other than by an error that undid it.
    enum Outcome: Equatable, Sendable {
        /// It is committed.
        case committed
        /// An earlier try was.
        case wasCommitted
        /// COMMIT was sent, and nobody knows what became of it.
        case unknown(String)
    }

    /// Rows of one `COPY`: the server keeps in memory which references are to be checked at its end.
    private static let rowsOfCopyMax = 100_000
    /// Bytes that are sent at a time.
    private static let sentBytes = 262_144
    /// Rows that are compared at a time.
    private static let rowsFetched = 500

    let source: ReadPool
    let target: MoveTarget
    let objects: MovedObjects
    let faults: MoveFaults
    /// Where the rows come from, for the audit.
    let directory: String
    let author: Operator
    let clock: WallClock
    /// Whether this is to end, because nobody waits for it any more.
    let isCancelled: @Sendable () -> Bool
    let progress: ProgressHandler

    /// What each side has of a table.
    private struct Sum: Equatable {
        let count: Int
        let digest: [UInt8]
    }

    /// - Parameters:
    ///   - total: rows of all tables, for the progress.
    ///   - decide: called when all is in place but COMMIT.
    /// - Throws: whatever stands against it; then nothing is committed.
    func run(total: Int, decide: () throws -> Void) throws -> Outcome {
        let connection = target.connection
        do {
            guard try target.begin() else {
                connection.rollBack()
                return .wasCommitted
            }
            try moveAll(total: total)
            try decide()
        } catch {
            // Where the connection is gone the server undoes it.
            connection.rollBack()
            throw error
        }
        do {
            try connection.commit()
        } catch let error as PostgresError where error.origin == .outcomeUnknown {
            return .unknown(error.message)
        }
        return .committed
    }

    private func moveAll(total: Int) throws {
        let shapes = try lend { source in try MovedTable.all.map { try MovedShape($0, from: source, to: target.connection) } }
        var sums: [Sum] = []
        var done = 0
        for shape in shapes {
            let sum = try naming(shape) { try lend { try send(shape, from: $0, done: done, total: total) } }
            done += sum.count
            sums.append(sum)
        }
        try faults.meet(.rowsSent)
        done = 0
        for (shape, sum) in zip(shapes, sums) {
            let found = try naming(shape) { try read(shape, done: done, total: total) }
            done += found.count
            guard found == sum else {
                let reason =
                    found.count == sum.count ? "its rows are others there" : "it has \(found.count) rows there and not \(sum.count)"
                throw Failure.unexpected("Nothing was moved: the table \(shape.table.name) came out wrong, \(reason)")
            }
        }
        let given = try lend { source in
            try source.all("SELECT name, seq FROM sqlite_sequence", []) { (try $0.requiredText(0), $0.integer(1)) }
        }
        try target.finish(
            numbersGiven: Dictionary(given) { $1 }, for: author, from: directory, at: clock.now)
    }

    /// Sends the rows of a table.
    private func send(_ shape: MovedShape, from source: any SQLConnection, done: Int, total: Int) throws -> Sum {
        let connection = target.connection
        var rows = MovedRows(shape, objects: objects)
        var isOpen = false
        try source.query(shape.selectFromSource, []) { row in
            if !isOpen {
                try connection.beginCopy(shape.copy)
                try connection.sendCopy(MovedRows.beginning)
                isOpen = true
            }
            try rows.add(fromSource: row)
            let isFull = rows.count % Self.rowsOfCopyMax == 0
            guard isFull || rows.byteCount >= Self.sentBytes else { return }
            try connection.sendCopy(rows.take())
            try goOn("Copying rows", done + rows.count, total)
            guard isFull else { return }
            try connection.sendCopy(MovedRows.end)
            try connection.endCopy()
            isOpen = false
        }
        if isOpen {
            try connection.sendCopy(rows.take() + MovedRows.end)
            try connection.endCopy()
        }
        try goOn("Copying rows", done + rows.count, total)
        return Sum(count: rows.count, digest: rows.digest)
    }

    /// Reads the rows of a table back.
    private func read(_ shape: MovedShape, done: Int, total: Int) throws -> Sum {
        let connection = target.connection
        var rows = MovedRows(shape, objects: objects)
        try connection.run(shape.declare)
        while true {
            let before = rows.count
            try connection.query(shape.fetch(Self.rowsFetched), []) { try rows.add(fromTarget: $0) }
            _ = rows.take()
            try goOn("Comparing rows", done + rows.count, total)
            if rows.count - before < Self.rowsFetched { break }
        }
        // A table with an open cursor cannot be given its triggers back.
        try connection.run(shape.close)
        return Sum(count: rows.count, digest: rows.digest)
    }

    private func goOn(_ step: String, _ done: Int, _ total: Int) throws {
        if isCancelled() { throw Failure.cancelled }
        progress(WorkProgress(step: step, done: done, total: total))
    }

    /// Names the table to which something happened that the server says.
    private func naming<Value>(_ shape: MovedShape, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as PostgresError where error.origin == .server {
            throw Failure.unexpected("Nothing was moved: the table \(shape.table.name): \(error)")
        }
    }

    /// Lends a connection to the data folder, with errors as they are.
    private func lend<Value>(_ body: (any SQLConnection) throws -> Value) throws -> Value {
        let result: Result<Value, any Error> = try source.lend { connection in Result { try body(connection) } }
        return try result.mapError { $0 is PostgresError ? $0 : Failure(storage: $0) }.get()
    }
}
