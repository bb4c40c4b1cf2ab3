import CoreMetrics
import Foundation
import Personas

/// What to do where COMMIT was sent and nobody knows what became of it, because the connection broke or no answer came in time.
enum UnknownOutcome<Value: Sendable>: Sendable {
    /// To say so: `unexpected`.
    case tell
    /// To run another body once, in a transaction of its own, and take its outcome for that of the first.
    ///
    /// It has to come out right whichever way the first went, even where that commits only now. A create whose row has an id of its own inserts it
    /// again `ON CONFLICT (id) DO NOTHING`: where that changes no row, the first has done it, and where it does, the first never will, since the row
    /// is there. What is kept under an idempotency key is looked for by the key.
    case again(@Sendable (any SQLTransaction) throws -> Value)
}

/// Where changes go: each operation is a transaction, on a connection of its own while that lasts.
///
/// Operations are not gathered as SQLite's are: the server itself has commits of one moment share a sync. A body may run several times, so it changes
/// nothing outside; see `SQLTransaction`.
final class PostgresWriter: SQLWriter {
    /// Operations at once, where nothing else is said.
    static let threads = 16
    /// Times that a body is run again.
    private static let repetitionsMax = 3

    private enum Mode: Sendable {
        case ordinary
        /// May change any number of rows.
        case unbounded
        /// Is not waited for.
        case asynchronous
    }

    private let settings: PostgresSettings
    private let pool: PostgresThreads
    private let metrics: StoreMetrics
    private let onCommit: @Sendable ([Event]) -> Void
    private let turns: AccountTurns

    /// - Parameters:
    ///   - threads: operations at once, each with a connection.
    ///   - waitingMax: operations beyond those; further ones are refused.
    ///   - onCommit: is told of the events of an operation that is on disk, before its caller goes on. Several threads call it, so that an event may
    ///     come before another that was committed earlier.
    init(
        settings: PostgresSettings, threads: Int = PostgresWriter.threads, waitingMax: Int = 2_048, metrics: StoreMetrics = .none,
        onCommit: @escaping @Sendable ([Event]) -> Void = { _ in }
    ) {
        self.settings = settings
        self.metrics = metrics
        self.onCommit = onCommit
        turns = AccountTurns(waitingMax: waitingMax)
        pool = PostgresThreads("personas-write", count: threads, settings: settings, waitingMax: waitingMax) {
            metrics.waitingWrites.set($0)
        }
    }

    /// Operations that wait for a connection.
    var waitingCount: Int { pool.waitingCount + turns.waitingCount }

    func write<Value: Sendable>(
        of accountID: Identifier?, isUnbounded: Bool, _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        try await write(of: accountID, isUnbounded: isUnbounded, afterUnknownOutcome: .tell, body)
    }

    /// The same for what knows what to do where nobody knows whether it was done.
    func write<Value: Sendable>(
        of accountID: Identifier? = nil, isUnbounded: Bool = false, afterUnknownOutcome unknown: UnknownOutcome<Value>,
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        let mode: Mode = isUnbounded ? .unbounded : .ordinary
        guard let accountID else { return try await pool.run { self.perform($0, mode, unknown, body) } }
        // Waiting for the account's lock with a connection each, the operations of one account would leave none to all others.
        return try await turns.take(of: accountID) { () throws(Failure) in
            try await self.pool.run { seat in
                self.perform(seat, mode, unknown) { db in
                    try db.lock(accountID)
                    return try body(db)
                }
            }
        }
    }

    /// Runs an operation whose loss does no harm: a power cut of the server within the next second may take it, though it was acknowledged. For
    /// claims and holds, which end by themselves, and for bells.
    func writeAsynchronously<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        try await pool.run { self.perform($0, .asynchronous, .tell, body) }
    }

    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp, _ db: any SQLTransaction) throws {
        let kept = try db.change(
            """
            UPDATE idempotency_record SET answer = ?, kept_at = ?, claim = NULL, claimed_until = NULL
            WHERE account_id = ? AND route = ? AND idempotency_key = ? AND claim = ?
            """,
            [answer, now, request.scope.accountID, request.scope.operation, request.scope.key.text, claim.identifier])
        guard kept == 1 else { throw Failure.idempotencyKeyInUse }
    }

    /// Closes the connections once all that waits is done.
    func close() { pool.close() }

    private func perform<Value: Sendable>(
        _ seat: PostgresSeat, _ mode: Mode, _ unknown: UnknownOutcome<Value>, _ body: @Sendable (any SQLTransaction) throws -> Value
    ) -> Result<Value, Failure> {
        var repetitions = 0
        while true {
            do {
                let (value, events) = try seat.use { try attempt(on: $0, mode, body) }
                metrics.commits.increment()
                if !events.isEmpty { onCommit(events) }
                return .success(value)
            } catch let error as PostgresError where error.isToRunAgain && repetitions < Self.repetitionsMax {
                repetitions += 1
                // Those that stood in each other's way come back at different moments.
                usleep(UInt32.random(in: 0..<5_000) << UInt32(repetitions))
            } catch let error as PostgresError {
                metrics.commitFailures.increment()
                if error.origin == .outcomeUnknown, case .again(let other) = unknown { return perform(seat, mode, .tell, other) }
                return .failure(Failure(postgres: error))
            } catch {
                return .failure(Failure(postgres: error))
            }
        }
    }

    private func attempt<Value>(
        on connection: PostgresConnection, _ mode: Mode, _ body: (any SQLTransaction) throws -> Value
    ) throws -> (Value, [Event]) {
        defer { connection.answerMillisecondsMax = settings.statementMillisecondsMax }
        switch mode {
        case .ordinary: connection.begin()
        case .asynchronous: connection.begin(["SET LOCAL synchronous_commit TO off"])
        case .unbounded:
            connection.answerMillisecondsMax = settings.unboundedStatementMillisecondsMax
            let milliseconds = PostgresSettings.serverMilliseconds(of: settings.unboundedStatementMillisecondsMax)
            connection.begin(["SET LOCAL statement_timeout TO \(milliseconds)"])
        }
        let transaction = PostgresTransaction(connection)
        let value: Value
        do {
            value = try body(transaction)
        } catch {
            // What undid the transaction says more than what a body made of it.
            let cause = connection.failed
            connection.rollBack()
            throw cause ?? error
        }
        try connection.commit()
        return (value, transaction.events)
    }
}

/// A connection within a transaction, for the body that runs in it. Belongs to its thread.
final class PostgresTransaction: SQLTransaction {
    private let connection: PostgresConnection
    /// What is to be told once it is on disk.
    private(set) var events: [Event] = []
    private var accountsLocked: Set<Identifier> = []

    init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    var dialect: SQLDialect { connection.dialect }

    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try connection.walk(sql, bind, row: row)
    }

    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws {
        try connection.walk(query, bind, row: row)
    }

    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value { try body() }

    func run(_ sql: String, _ values: SQLValues) throws { try connection.run(sql, values) }

    func change(_ sql: String, _ values: SQLValues) throws -> Int { try connection.change(sql, values) }

    func unlessTaken<Value>(_ body: () throws -> Value) throws -> Value? {
        let (count, locked) = (events.count, accountsLocked)
        var isKept = false
        defer {
            if !isKept {
                events.removeSubrange(count...)
                // What is undone to a savepoint takes its locks along.
                accountsLocked = locked
            }
        }
        let value = try connection.unlessTaken(body)
        isKept = value != nil
        return value
    }

    func lock(_ owner: () throws -> Identifier?) throws {
        guard let accountID = try owner(), accountsLocked.insert(accountID).inserted else { return }
        try connection.run("SELECT pg_advisory_xact_lock(?)", [PostgresLock.key(of: accountID)])
    }

    func tell(_ event: Event) { events.append(event) }
}

/// The numbers of locks that belong to no row.
enum PostgresLock {
    /// The lock of an account: the random half of its id, mixed. Two accounts that have the same wait for each other, and nothing else comes of it.
    ///
    /// All locks of one number of 64 bits are accounts'; others take two numbers of 32 bits, which the server never takes for the same.
    static func key(of accountID: Identifier) -> Int64 {
        accountID.withBytes { bytes in
            let high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
            let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            return Int64(bitPattern: low ^ high &* 0x9e37_79b9_7f4a_7c15)
        }
    }

    /// The lock of those who bring the schema up to date: a number that means the service, and one that means this.
    static let migrations = (service: Int64(0x7065_7273), work: Int64(1))

    /// The lock of whoever does what one process does at a time.
    static func key(of duty: Duty) -> (service: Int64, work: Int64) {
        let number: Int64 =
            switch duty {
            case .deliveries: 2
            case .topUps: 3
            case .closings: 4
            case .clearing: 5
            }
        return (migrations.service, number)
    }
}
