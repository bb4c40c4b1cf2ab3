import Personas

/// A read of a few statements that waits for its connection.
protocol PostgresLookUp: Sendable {
    /// When it came.
    var since: ContinuousClock.Instant { get }
    /// Runs its body from the beginning, and answers its caller unless it is to be run again.
    /// - Throws: whatever the body throws, of which the caller has not been told.
    func run(on replay: PostgresReplay) throws
    /// Tells its caller what stands against it.
    func refuse(_ failure: Failure)
}

/// What a look-up reads from: answers that have come already, in the order in which its body asks for them, and after these the connection.
///
/// A body does not know that its statements travel with those of others. Where it asks for what is not there yet, the statement is queued, and the body
/// is left by an error; once the answer has come, the body runs again from its beginning. So a look-up needs no thread of its own while it waits. It
/// changes nothing outside of itself, as it may run again anyway where a connection breaks. Belongs to one thread.
final class PostgresReplay: SQLConnection {
    /// How a body has left it.
    enum State {
        /// It has asked for nothing that is not there.
        case complete
        /// The statement that it waits for is queued.
        case waits
        /// It asks for what only a connection can do that it has to itself.
        case needsConnection
    }

    /// Leaves a body. Whatever the body makes of it is of no account.
    private struct Departure: Error {}

    /// What was asked and the answer.
    private struct Answer {
        let asked: Asked
        var result: PostgresResult?
    }

    private enum Asked: Equatable {
        case text(String)
        case fixed(Int)
    }

    /// Answers that a body collects before it is given the connection for the rest, since each costs another run.
    private static let answersMax = 8

    let dialect = SQLDialect.postgres
    private let connection: PostgresConnection
    private let isAlone: Bool
    private var answers: [Answer] = []
    private var position = 0
    private(set) var state = State.complete

    /// - Parameter isAlone: whether the body has the connection to itself, so that each statement is waited for.
    init(_ connection: PostgresConnection, isAlone: Bool) {
        self.connection = connection
        self.isAlone = isAlone
    }

    /// Takes the answer that was waited for, before the body runs again.
    func take(_ result: PostgresResult) {
        answers[answers.count - 1].result = result
        position = 0
        state = .complete
    }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        if isAlone { return try connection.walk(sql, bind, row: row) }
        if let result = try answer(to: .text(sql)) { return try result.walk(row) }
        try connection.send(sql, bind)
        throw wait(for: .text(sql))
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        if isAlone { return try connection.walk(query, bind, row: row) }
        if let result = try answer(to: .fixed(query.number)) { return try result.walk(row) }
        try connection.send(query, bind)
        throw wait(for: .fixed(query.number))
    }

    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value {
        if isAlone { return try connection.atOneMoment(body) }
        throw needConnection()
    }

    /// The next answer; nil where it is yet to be asked for.
    private func answer(to asked: Asked) throws -> PostgresResult? {
        // A body that has been left and goes on all the same asks in vain.
        guard case .complete = state else { throw Departure() }
        guard position < answers.count else {
            guard answers.count < Self.answersMax else { throw needConnection() }
            return nil
        }
        // A body that asks something else than before, whatever the reason, is not given the answer to that.
        guard answers[position].asked == asked, let result = answers[position].result else { throw needConnection() }
        position += 1
        return result
    }

    private func needConnection() -> Departure {
        state = .needsConnection
        return Departure()
    }

    private func wait(for asked: Asked) -> Departure {
        answers.append(Answer(asked: asked))
        state = .waits
        return Departure()
    }
}
