import CPostgreSQL
import Foundation
import Personas

/// One connection: statements go out in a pipeline, and what comes of them is taken when somebody asks. Belongs to one thread.
final class PostgresConnection: SQLConnection {
    /// What is awaited of the server, in the order in which it was sent.
    private enum Awaited {
        /// Of the statement of that number; without a name of its own where it is prepared for that one use.
        case preparation(PostgresStatement?, of: PostgresText, Int)
        case statement(Int)
        case commit(Int)
        /// All that was prepared is forgotten.
        case deallocation
        case end
    }

    /// How far a transaction is.
    enum TransactionState {
        /// Each statement is one by itself.
        case none
        /// It begins with the first statement, by these.
        case wanted([String])
        case open
    }

    /// Statements that are sent before what came of them is taken: each costs memory on both sides.
    private static let awaitedMax = 256

    let dialect = SQLDialect.postgres
    let wire: PostgresWire
    private let settings: PostgresSettings
    private let places = PostgresPlaces()
    private var statements = PostgresStatements()
    private var awaited: [Awaited] = []
    private var statementCount = 0
    private var latest: PostgresResult?
    /// Milliseconds that the answer to a statement may take.
    var answerMillisecondsMax: Int
    /// The error that undid the transaction; whatever is asked of it from there on has the same.
    var failed: PostgresError?
    var transaction = TransactionState.none

    /// Connects, and sees that the server keeps what it is told.
    /// - Throws: `configuration` where it does not, `PostgresError` where there is none.
    init(_ settings: PostgresSettings) throws {
        self.settings = settings
        answerMillisecondsMax = settings.statementMillisecondsMax
        wire = try PostgresWire(settings)
        try PostgresSession.prepare(self, settings)
    }

    /// Whether it is of no more use.
    var isBroken: Bool { wire.isBroken }

    /// The number of the last statement that was queued.
    var lastStatement: Int { statementCount }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try queue(statements.text(sql), bind)
        try settle()?.walk(row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try queue(statements.text(query), bind)
        try settle()?.walk(row)
    }

    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value {
        guard case .none = transaction else { return try body() }
        transaction = .wanted(["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"])
        // It has changed nothing, so that there is nothing to commit.
        defer { rollBack() }
        return try body()
    }

    /// Queues a statement, and no more: it goes along with what asks for an answer.
    func run(_ sql: String, _ values: SQLValues = []) throws {
        try queue(statements.text(sql)) { $0.bind(values) }
        if awaited.count >= Self.awaitedMax { try settle() }
    }

    /// Runs a statement. Returns how many rows it changed.
    func change(_ sql: String, _ values: SQLValues) throws -> Int {
        try queue(statements.text(sql)) { $0.bind(values) }
        return try settle()?.changedCount ?? 0
    }

    /// Queues COMMIT, and takes what comes of all. Returns what the server says that it did.
    func sendCommit() throws -> String {
        try queue(statements.text("COMMIT"), isCommit: true) { _ in }
        return try settle()?.tag ?? ""
    }

    /// Queues the end of a transaction that is undone, whatever state it is in.
    func sendRollBack() throws {
        failed = nil
        try queue(statements.text("ROLLBACK")) { _ in }
        try settle()
    }

    private func queue(_ text: PostgresText, isCommit: Bool = false, _ bind: (inout SQLParameters) -> Void) throws {
        if let failed { throw failed }
        guard !isBroken else { throw PostgresError(.broken, "the connection broke before") }
        switch transaction {
        case .none: try forgetLeftOver()
        case .wanted(let beginnings):
            try forgetLeftOver()
            transaction = .open
            for sql in beginnings { try queue(statements.text(sql)) { _ in } }
        case .open: break
        }
        places.removeAll()
        var parameters = SQLParameters(places)
        bind(&parameters)
        guard places.types.count == text.translated.count else {
            throw Failure.unexpected(
                "A statement has \(text.translated.count) places and \(places.types.count) values: \(text.translated.sql)")
        }
        let name = try prepared(text)
        let sent = places.withValues { values, lengths, formats in
            wire.library.call.PQsendQueryPrepared(wire.handle, name, Int32(values.count), values, lengths, formats, 1)
        }
        try check(sent)
        statementCount += 1
        awaited.append(isCommit ? .commit(statementCount) : .statement(statementCount))
    }

    /// The name under which the server knows a statement with values of these types, which it is told just before.
    private func prepared(_ text: PostgresText) throws -> String {
        if settings.namesStatements, let statement = statements.find(places.types, of: text) { return statement.name }
        if statements.count >= PostgresStatements.countMax { statements.forgetAll() }
        guard settings.namesStatements else {
            let types = places.types
            try check(wire.library.call.PQsendPrepare(wire.handle, "", text.translated.sql, Int32(types.count), types))
            awaited.append(.preparation(nil, of: text, statementCount + 1))
            return ""
        }
        let statement = statements.add(places.types, to: text)
        do {
            try check(
                wire.library.call.PQsendPrepare(
                    wire.handle, statement.name, text.translated.sql, Int32(statement.types.count), statement.types))
        } catch {
            statements.remove(statement, of: text)
            throw error
        }
        awaited.append(.preparation(statement, of: text, statementCount + 1))
        return statement.name
    }

    /// Has the server forget what was forgotten here, and what else there is. Not within a transaction, where it would fail after an error, and bar
    /// the way back.
    private func forgetLeftOver() throws {
        guard statements.areLeftOver, settings.namesStatements else { return }
        // Under no name itself, so that it does not take away what it is.
        try check(wire.library.call.PQsendPrepare(wire.handle, "", "DEALLOCATE ALL", 0, nil))
        awaited.append(.deallocation)
        try check(wire.library.call.PQsendQueryPrepared(wire.handle, "", 0, nil, nil, nil, 1))
        awaited.append(.deallocation)
        statements.forgetAll()
        statements.areLeftOver = false
    }

    private func check(_ result: Int32) throws {
        guard result == 1 else {
            wire.giveUp()
            throw PostgresError(.broken, wire.lastMessage)
        }
    }

    /// Has the server do all that is queued, and takes what comes of it.
    /// - Returns: what the last statement brought.
    /// - Throws: the first error of all of these. A transaction is undone with it.
    @discardableResult
    func settle() throws -> PostgresResult? {
        try check(wire.library.call.PQpipelineSync(wire.handle))
        awaited.append(.end)
        let all = awaited
        awaited = []
        latest = nil
        var first: PostgresError?
        do {
            for one in all {
                if let error = try take(one), first == nil { first = error }
                if isBroken { break }
            }
        } catch let error as PostgresError {
            // What the server said before the connection went says more than that it did.
            first = first ?? error
        }
        if let first {
            if first.endsConnection { wire.giveUp() }
            if first.isOfStalePlans { statements.forgetAll() }
            if case .open = transaction { failed = first }
            throw first
        }
        defer { latest = nil }
        return latest
    }

    /// Queues a statement of one caller, and no more; see `settleEach`.
    func send(_ sql: String, _ bind: (inout SQLParameters) -> Void) throws { try queue(statements.text(sql), bind) }

    /// The same for a query that is always the same.
    func send(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void) throws { try queue(statements.text(query), bind) }

    /// Has the server do all that is queued, which are reads of several callers, and hands out what came of each statement in turn: nil where it was
    /// not done, because one before it had an error. What is queued meanwhile belongs to the next call. Not within a transaction.
    ///
    /// All of it together has the time of one statement, so that nobody waits longer for the many others.
    func settleEach(_ hand: (Result<PostgresResult?, PostgresError>) -> Void) {
        let deadline = ContinuousClock.now + .milliseconds(answerMillisecondsMax)
        let all = awaited
        awaited = []
        var lost: PostgresError?
        if isBroken || wire.library.call.PQpipelineSync(wire.handle) != 1 {
            wire.giveUp()
            lost = PostgresError(.broken, wire.lastMessage)
        }
        var isLast = false
        var unprepared: PostgresError?
        for one in all + [.end] {
            latest = nil
            var error = lost
            if lost == nil {
                do { error = try take(one, before: deadline) } catch let thrown { error = thrown as? PostgresError ?? lost }
                if isBroken { lost = error ?? PostgresError(.broken, wire.lastMessage) }
                if let error, error.endsConnection { isLast = true }
                if let error, error.isOfStalePlans { statements.forgetAll() }
            }
            switch one {
            case .preparation: unprepared = error
            case .statement, .commit:
                if let error = unprepared ?? error { hand(.failure(error)) } else { hand(.success(latest)) }
                unprepared = nil
            case .deallocation, .end: break
            }
        }
        latest = nil
        if isLast { wire.giveUp() }
    }

    /// Takes what came of one that was sent. Returns its error, if it has one.
    private func take(_ awaited: Awaited, before end: ContinuousClock.Instant? = nil) throws -> PostgresError? {
        var number = statementCount
        switch awaited {
        case .statement(let own), .commit(let own), .preparation(_, _, let own): number = own
        default: break
        }
        if case .commit = awaited { wire.countWarnings(true) }
        defer { if case .commit = awaited { wire.countWarnings(false) } }
        var error: PostgresError?
        var isDone = false
        let deadline = end ?? .now + .milliseconds(answerMillisecondsMax)
        while let result = try wire.nextResult(before: deadline, limit: answerMillisecondsMax, statement: number) {
            let status = wire.library.call.PQresultStatus(result)
            let kept = PostgresResult(result, wire.library)
            switch status {
            case PostgresStatus.commandOK, PostgresStatus.tuplesOK:
                isDone = true
                if case .preparation = awaited { break }
                latest = kept
            case PostgresStatus.pipelineSync:
                if case .end = awaited { return error }
                wire.giveUp()
                return PostgresError(.broken, "the server's answers are out of step", statement: number)
            case PostgresStatus.pipelineAborted: break
            default:
                error = withExtendedLifetime(kept) { PostgresError(result, wire.library, statement: number) }
                if error?.origin != .server { wire.giveUp() }
            }
            if isBroken { break }
        }
        if !isDone {
            if case .preparation(let statement?, let text, _) = awaited { statements.remove(statement, of: text) }
            if case .deallocation = awaited { statements.areLeftOver = true }
        }
        return error
    }

    /// Runs a text of several statements at once, as it is: no values, and nothing comes back. For migrations.
    func runScript(_ sql: String) throws {
        if case .wanted(let beginnings) = transaction {
            transaction = .open
            for sql in beginnings { try run(sql) }
        }
        try settle()
        guard wire.library.call.PQexitPipelineMode(wire.handle) == 1 else {
            wire.giveUp()
            throw PostgresError(.broken, wire.lastMessage)
        }
        try check(wire.library.call.PQsendQuery(wire.handle, sql))
        let error = try take(.statement(statementCount))
        latest = nil
        guard !isBroken, wire.library.call.PQenterPipelineMode(wire.handle) == 1 else {
            wire.giveUp()
            throw error ?? PostgresError(.broken, wire.lastMessage)
        }
        if let error {
            if case .open = transaction { failed = error }
            throw error
        }
    }
}
