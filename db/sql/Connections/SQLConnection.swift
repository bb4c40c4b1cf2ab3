import Personas

/// A connection that queries run on: a reader's, or the writer's within a transaction. Rows look alike on both and on every engine, so that each is
/// decoded in one way.
///
/// Statements are written once for all engines, in what SQLite and PostgreSQL both understand, with `?` or `?1` for values. Where they differ an engine
/// says what it needs; see `SQLDialect`.
protocol SQLConnection {
    /// What the engine has its own words for.
    var dialect: SQLDialect { get }

    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more, or `row` returns false.
    ///
    /// An engine may fetch all rows before the first is handed on, so a query whose reader ends early names its own end (`LIMIT`).
    func walk(_ sql: String, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws
    /// Runs a query that is always the same in the same way. For what every request does: it is found without a look at its text.
    func walk(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Bool) throws
    /// Runs several queries that see the database as it is at the first of them.
    func atOneMoment<Value>(_ body: () throws -> Value) throws -> Value
}

extension SQLConnection {
    /// Runs a query, prepared at its first use, and hands each row to `row` until there are no more.
    func query(_ sql: String, _ values: SQLValues, row: (SQLRow) throws -> Void) throws {
        try walk(sql) { parameters in
            parameters.bind(values)
        } row: {
            try row($0)
            return true
        }
    }

    /// The first row of a query, nil if there is none.
    func first<Value>(_ sql: String, _ values: SQLValues, row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try walk(sql) { parameters in
            parameters.bind(values)
        } row: {
            value = try row($0)
            return false
        }
        return value
    }

    /// The first row of a query that is always the same, nil if there is none.
    func first<Value>(_ query: FixedQuery, _ bind: (inout SQLParameters) -> Void, row: (SQLRow) throws -> Value) throws -> Value? {
        var value: Value?
        try walk(query, bind) {
            value = try row($0)
            return false
        }
        return value
    }

    /// Whether a query finds anything.
    func finds(_ sql: String, _ values: SQLValues) throws -> Bool { try first(sql, values) { _ in true } ?? false }

    /// All rows of a query, decoded.
    func all<Value>(_ sql: String, _ values: SQLValues, row: (SQLRow) throws -> Value) throws -> [Value] {
        var found: [Value] = []
        try query(sql, values) { found.append(try row($0)) }
        return found
    }
}

/// Where engines differ in what the stores have to write.
struct SQLDialect: Sendable {
    /// What a query ends with whose rows are about to be changed: others that would change them wait. Empty where only one transaction writes at a time.
    let forUpdate: String
    /// The same for rows of which any will do: those that another transaction has are passed over.
    let forUpdateOfAny: String
    /// Whether the bytes of an image lie under an id of their own beside their digest, because several processes store and remove them; see `BlobKey`.
    let namesObjects: Bool
    /// Whether names are found by an index over an expression, and not by one of words that triggers keep; see `ItemSearch`. Such an engine also chooses by
    /// itself among several ways to what no single index knows of.
    let findsNamesByExpression: Bool
    /// Whether each of several walks that are merged needs an end of its own, lest all of its rows be read and sorted.
    let endsEachWalk: Bool

    /// The words of SQLite, which has one writer.
    static let sqlite = SQLDialect(
        forUpdate: "", forUpdateOfAny: "", namesObjects: false, findsNamesByExpression: false, endsEachWalk: false)
    /// The words of PostgreSQL.
    static let postgres = SQLDialect(
        forUpdate: " FOR UPDATE", forUpdateOfAny: " FOR UPDATE SKIP LOCKED", namesObjects: true, findsNamesByExpression: true,
        endsEachWalk: true)

    /// What stands for the sixteen bytes of a token, which may have a type of its own.
    func bytesOfToken(_ column: String) -> String { namesObjects ? "uuid_send(\(column))" : column }

    /// The text of several walks in one order that are merged up to a number of rows.
    /// - Parameters:
    ///   - order: of columns that each walk selects.
    ///   - limit: the place of the number.
    func merging(_ walks: [String], order: String, limit: String) -> String {
        let ended = endsEachWalk && walks.count > 1
        let arms = walks.enumerated().map { number, walk in
            ended ? "SELECT * FROM (\(walk) ORDER BY \(order) LIMIT \(limit)) AS walk_\(number)" : walk
        }
        return "\(arms.joined(separator: " UNION ALL ")) ORDER BY \(order) LIMIT \(limit)"
    }
}

/// A connection within a transaction that may change what is stored.
///
/// Its body may be run again from the start where the engine asks for that, because of what others did at the same time: so it changes nothing outside
/// of the database, and tells of nothing but by `tell`.
protocol SQLTransaction: SQLConnection {
    /// Runs a statement that brings no rows.
    ///
    /// An engine behind a network may keep it back until something is asked of the database, so that it goes along with that: an error of the statement
    /// may come from a later call, or from the end of the transaction.
    func run(_ sql: String, _ values: SQLValues) throws
    /// Runs a statement that brings no rows, and waits for what comes of it.
    /// - Returns: how many rows it changed.
    func change(_ sql: String, _ values: SQLValues) throws -> Int
    /// Runs a part of the transaction that is undone by itself where a uniqueness stands against it, or a link to an image that it removes. The statement
    /// that meets it is the first of the part which changes anything, because some engines undo no more than that.
    /// - Returns: nil where one does.
    func unlessTaken<Value>(_ body: () throws -> Value) throws -> Value?
    /// Has no other transaction change anything of an account's until this one ends: what is read from here on stays true. Nothing where only one
    /// transaction writes at a time, or where this one has the lock already. Who locks several accounts does so in the order of their ids.
    /// - Parameter owner: finds the account; nil where there is none to lock. Not called where there is nothing to be done.
    func lock(_ owner: () throws -> Identifier?) throws
    /// Has an event told once the transaction is on disk, and forgotten where it is not.
    func tell(_ event: Event)
}

extension SQLTransaction {
    /// Locks an account that is known.
    func lock(_ accountID: Identifier) throws { try lock { accountID } }
}

/// Connections that only read.
protocol SQLReader: Sendable {
    /// Lends a connection for short reads.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws(Failure) -> Value
    /// Lends a connection for one short read on an event loop, where none needs waiting.
    /// - Returns: nil where it does, and nothing was read.
    func readNow<Value>(_ body: (any SQLConnection) throws -> Value) throws(Failure) -> Value?
}

/// Connections for reads that may walk far (searches, an operator's lists): apart from all others, so that no look-up waits behind one.
protocol SQLScanner: Sendable {
    /// - Parameter accountID: on whose behalf; nil for an operator's.
    /// - Throws: `tooManyRequests` when too many wait already, `cancelled` when the task is before its turn, and whatever the body throws.
    func scan<Value: Sendable>(
        for accountID: Identifier?, _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws(Failure) -> Value
}

extension SQLScanner {
    /// A read on an operator's behalf.
    func scan<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws(Failure) -> Value {
        try await scan(for: nil, body)
    }
}

/// Where changes go.
protocol SQLWriter: Sendable {
    /// Runs an operation in a transaction. When this returns, what it did is on disk.
    ///
    /// Cancelling the task does not stop an operation under way: a commit has one outcome, and the caller is told which.
    /// - Parameters:
    ///   - accountID: whose operation it is, if it is one account's: the account is locked from its beginning. Where operations run side by side those of
    ///     one account do so one after another, and so never take the places of all others while they wait for each other.
    ///   - isUnbounded: whether it may change any number of pages, which is told apart where that costs the others something.
    func write<Value: Sendable>(
        of accountID: Identifier?, isUnbounded: Bool, _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value
    /// Keeps the answer to a request, and gives up its claim, within the operation that is its effect.
    /// - Throws: `idempotencyKeyInUse` where another request has the claim by now, so that the operation is undone.
    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp, _ db: any SQLTransaction) throws
}

extension SQLWriter {
    /// Runs an operation that changes few pages.
    func write<Value: Sendable>(
        of accountID: Identifier? = nil, _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        try await write(of: accountID, isUnbounded: false, body)
    }

    /// Runs an operation as the other `write` does, and keeps its record and what the audit says of it in the same transaction: after a crash there are
    /// all or none.
    func write<Value: Sendable>(
        in context: WriteContext<Value>, of accountID: Identifier? = nil, isUnbounded: Bool = false,
        _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        try await write(in: context, of: accountID, recording: { $0 }, isUnbounded: isUnbounded, body)
    }

    /// Runs an operation as the other `write` does whose outcome holds more than is recorded, or may be that nothing was done.
    /// - Parameter recording: what of the outcome is to be recorded; nil where nothing was done that could be, of which the audit says nothing either.
    func write<Value: Sendable, Outcome: Sendable>(
        in context: WriteContext<Value>, of accountID: Identifier? = nil, recording: @escaping @Sendable (Outcome) -> Value?,
        isUnbounded: Bool = false, _ body: @escaping @Sendable (any SQLTransaction) throws -> Outcome
    ) async throws(Failure) -> Outcome {
        let (outcome, entries) = try await write(of: accountID, isUnbounded: isUnbounded) { db in
            let outcome = try body(db)
            return (outcome, try recording(outcome).map { try record($0, in: context, db) } ?? [])
        }
        context.audit?.report(entries)
        return outcome
    }

    /// Keeps the record of what was done, and what the audit says of it, within the transaction that did it.
    /// - Returns: what the audit says.
    private func record<Value: Sendable>(_ value: Value, in context: WriteContext<Value>, _ db: any SQLTransaction) throws -> [AuditEntry] {
        if let claim = context.claim {
            try keep(claim.record(value), for: claim.request, under: claim.id, at: context.now, db)
        }
        let entries = context.audit?.entries(of: value, at: context.now) ?? []
        try AuditRows.insert(entries, db)
        return entries
    }
}
