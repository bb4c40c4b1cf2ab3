import CoreMetrics
import Foundation
import GRDB
import Personas
import Synchronization

/// The one connection that writes, committing in groups.
///
/// An answer may be sent only after its commit is on disk, and waiting for the disk is nearly all that a commit costs. So what arrives
/// while one commit runs is done in the next transaction, each operation inside its own savepoint, where a failure undoes only itself; all are
/// answered after the shared commit.
final class GroupWriter: SQLWriter {
    /// Operations of one transaction: many enough to share a commit among all connections, few enough that none waits for long.
    private static let operationsMax = 256

    private struct State {
        var pending: [any WriteOperation] = []
        var isRunning = false
    }

    private let queue: DatabaseQueue
    private let metrics: StoreMetrics
    private let events: PendingEvents?
    private let state = Mutex(State())

    private let waitingMax: Int

    /// - Parameters:
    ///   - waitingMax: operations that wait for the next transaction; further ones are refused.
    ///   - events: where operations put the events that they write; nil where none do.
    init(queue: DatabaseQueue, waitingMax: Int, metrics: StoreMetrics = .none, events: PendingEvents? = nil) {
        self.queue = queue
        self.events = events
        self.waitingMax = waitingMax
        self.metrics = metrics
    }

    /// Operations that wait for the next transaction.
    var waitingCount: Int { state.withLock { $0.pending.count } }

    /// Has the connection keep in memory what it needs to undo an operation: each page as it was before.
    ///
    /// SQLite would put what is over 64 KB of them into a temporary file, and all of the operations after that of the same transaction. A create
    /// changes some twenty pages of 4 KB, so that a group of them would write more into that file than into the log.
    static func prepare(_ db: Database) throws {
        try db.execute(sql: "PRAGMA temp_store = MEMORY")
    }

    func write<Value: Sendable>(
        of accountID: Identifier?, isUnbounded: Bool, _ body: @escaping @Sendable (any SQLTransaction) throws -> Value
    ) async throws(Failure) -> Value {
        let events = events
        return try await writeDirectly(isUnbounded: isUnbounded) { db in try body(SQLiteTransaction(database: db, events: events)) }
    }

    /// No claim is ever lost to another request, so that none is looked at; see `SQLiteIdempotencyStore`.
    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp, _ db: any SQLTransaction) throws {
        try SQLiteIdempotencyStore.insert(answer, for: request, at: now, db)
    }

    /// Runs an operation as `write` does, for what SQLite alone has: its schema and its files.
    /// - Parameter isUnbounded: whether it may change any number of pages. It gets a transaction of its own, and what undoes it lies in a
    ///   temporary file instead of in memory.
    func writeDirectly<Value: Sendable>(
        isUnbounded: Bool = false, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        let result = await withCheckedContinuation { continuation in
            enqueue(TypedWriteOperation(isUnbounded: isUnbounded, body: body, continuation: continuation))
        }
        return try result.get()
    }

    private func enqueue(_ operation: any WriteOperation) {
        let isFirst: Bool? = state.withLock { state in
            guard state.pending.count < waitingMax else { return nil }
            state.pending.append(operation)
            metrics.waitingWrites.set(state.pending.count)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard let isFirst else { return operation.finish(commitFailure: .storeBusy("\(waitingMax) writes wait for the disk already")) }
        if isFirst { queue.asyncWriteWithoutTransaction { db in self.drain(db) } }
    }

    private func drain(_ db: Database) {
        while true {
            let group = state.withLock { state in
                let group = Self.nextGroup(of: state.pending)
                state.pending.removeFirst(group.count)
                metrics.waitingWrites.set(state.pending.count)
                state.isRunning = !group.isEmpty
                return group
            }
            if group.isEmpty { return }
            commit(group, db)
        }
    }

    private static func nextGroup(of pending: [any WriteOperation]) -> [any WriteOperation] {
        if let first = pending.first, first.isUnbounded { return [first] }
        return Array(pending.prefix(Self.operationsMax).prefix { !$0.isUnbounded })
    }

    private func commit(_ group: [any WriteOperation], _ db: Database) {
        var abortFailure: Failure?
        var commitFailure: Failure?
        let isUnbounded = group.contains { $0.isUnbounded }
        do {
            if isUnbounded { try db.execute(sql: "PRAGMA temp_store = FILE") }
            try db.inTransaction(.immediate) {
                for operation in group {
                    let eventCount = events?.count ?? 0
                    let failure = operation.run(db)
                    if failure != nil { events?.removeAll(after: eventCount) }
                    // After some errors of the disk SQLite undoes the whole transaction by itself. What follows would be refused, and so is the
                    // commit, but only this operation's error says why.
                    if !db.isInsideTransaction {
                        abortFailure = failure
                        break
                    }
                }
                return .commit
            }
            metrics.commits.increment()
            metrics.groupSize.record(group.count)
            // In the order of the commits, and before the callers go on.
            events?.publish()
        } catch {
            events?.removeAll(after: 0)
            commitFailure = abortFailure ?? Failure(storage: error, on: db.sqliteConnection)
            metrics.commitFailures.increment()
        }
        // Should it fail, files go on being used, which is slower and nothing else.
        if isUnbounded { try? Self.prepare(db) }
        db.boundStatements()
        for operation in group { operation.finish(commitFailure: commitFailure) }
    }
}

/// One caller's part of a group.
private protocol WriteOperation: Sendable {
    /// Whether it may change any number of pages.
    var isUnbounded: Bool { get }
    /// Does the work inside the group's transaction. Returns why it failed, if it did.
    func run(_ db: Database) -> Failure?
    /// Answers the caller, once the fate of the commit is known: nil means that it is on disk.
    func finish(commitFailure: Failure?)
}

private final class TypedWriteOperation<Value: Sendable>: WriteOperation {
    let isUnbounded: Bool
    private let body: @Sendable (Database) throws -> Value
    private let continuation: CheckedContinuation<Result<Value, Failure>, Never>
    private let result = Mutex<Result<Value, Failure>?>(nil)

    init(
        isUnbounded: Bool, body: @escaping @Sendable (Database) throws -> Value,
        continuation: CheckedContinuation<Result<Value, Failure>, Never>
    ) {
        self.isUnbounded = isUnbounded
        self.body = body
        self.continuation = continuation
    }

    func run(_ db: Database) -> Failure? {
        do {
            try db.inSavepoint {
                let value = try body(db)
                result.withLock { $0 = .success(value) }
                return .commit
            }
            return nil
        } catch {
            let failure = Failure(storage: error, on: db.sqliteConnection)
            result.withLock { $0 = .failure(failure) }
            return failure
        }
    }

    func finish(commitFailure: Failure?) {
        if let commitFailure { return continuation.resume(returning: .failure(commitFailure)) }
        continuation.resume(returning: result.withLock { $0 } ?? .failure(.unexpected("A write ended without a result")))
    }
}
