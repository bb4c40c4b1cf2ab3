import CPostgreSQL
import Personas

/// Rows on their way into a table, many thousands a second (`COPY … FROM STDIN`), within a transaction that has begun.
///
/// An error ends the connection, and the transaction with it. Between the beginning and the end of a copy nothing else can be asked.
extension PostgresConnection {
    /// Has the server take rows.
    /// - Parameter sql: a `COPY` that names table, columns and form.
    func beginCopy(_ sql: String) throws {
        try settle()
        try breakingOnError {
            guard wire.library.call.PQexitPipelineMode(wire.handle) == 1, wire.library.call.PQsendQuery(wire.handle, sql) == 1 else {
                throw PostgresError(.broken, wire.lastMessage)
            }
            guard try nextOfCopy(until: PostgresStatus.copyIn) != nil else {
                throw PostgresError(.broken, "the server does not take rows")
            }
        }
    }

    /// Sends a part of the rows, which may begin and end anywhere within one.
    func sendCopy(_ bytes: [UInt8]) throws {
        try breakingOnError {
            let sent = bytes.withUnsafeBytes {
                wire.library.call.PQputCopyData(wire.handle, $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32($0.count))
            }
            guard sent == 1 else {
                // The server may have said why.
                _ = try nextOfCopy(until: nil)
                throw PostgresError(.broken, wire.lastMessage)
            }
            // libpq would keep all of it in memory.
            try wire.send(before: copyDeadline, limit: answerMillisecondsMax)
        }
    }

    /// Ends the rows. When this returns, the server has checked and taken all of them.
    func endCopy() throws {
        try breakingOnError {
            guard wire.library.call.PQputCopyEnd(wire.handle, nil) == 1 else {
                _ = try nextOfCopy(until: nil)
                throw PostgresError(.broken, wire.lastMessage)
            }
            while try nextOfCopy(until: nil) != nil {}
            guard wire.library.call.PQenterPipelineMode(wire.handle) == 1 else { throw PostgresError(.broken, wire.lastMessage) }
        }
    }

    private var copyDeadline: ContinuousClock.Instant { .now + .milliseconds(answerMillisecondsMax) }

    /// - Parameter expected: the only status that is no error; nil for that of a statement that is done.
    private func nextOfCopy(until expected: UInt32?) throws -> PostgresResult? {
        guard let handle = try wire.nextResult(before: copyDeadline, limit: answerMillisecondsMax, statement: lastStatement) else {
            return nil
        }
        let result = PostgresResult(handle, wire.library)
        let status = wire.library.call.PQresultStatus(handle)
        guard status == expected ?? PostgresStatus.commandOK else {
            throw withExtendedLifetime(result) { PostgresError(handle, wire.library, statement: lastStatement) }
        }
        return result
    }

    private func breakingOnError(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            wire.giveUp()
            throw error
        }
    }
}
