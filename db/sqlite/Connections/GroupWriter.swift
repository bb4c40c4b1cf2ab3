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
final class GroupWriter: Sendable {
    /// Operations of one transaction: many enough to share a commit among all connections, few enough that none waits for long.
    private static let operationsMax = 256

    private struct State {
        var pending: [any WriteOperation] = []
        var isRunning = false
    }

    private let queue: DatabaseQueue
    private let metrics: StoreMetrics
    private let state = Mutex(State())

    private let waitingMax: Int

    /// - Parameter waitingMax: operations that wait for the next transaction; further ones are refused.
    init(queue: DatabaseQueue, waitingMax: Int, metrics: StoreMetrics = .none) {
        self.queue = queue
        self.waitingMax = waitingMax
        self.metrics = metrics
    }

    /// Operations that wait for the next transaction.
    var waitingCount: Int { state.withLock { $0.pending.count } }

    /// Runs an operation as the other `write` does, and keeps its record in the same savepoint: after a crash there are both or none.
    func write<Value: Sendable>(
        in context: WriteContext<Value>, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        try await write(in: context, recording: { $0 }, body)
    }

    /// Runs an operation as the other `write` does whose outcome holds more than is recorded, or may be that nothing was done.
    /// - Parameter recording: what of the outcome is to be recorded; nil where nothing was done that could be.
    func write<Value: Sendable, Outcome: Sendable>(
        in context: WriteContext<Value>, recording: @escaping @Sendable (Outcome) -> Value?,
        _ body: @escaping @Sendable (Database) throws -> Outcome
    ) async throws(Failure) -> Outcome {
        try await write { db in
            let outcome = try body(db)
            if let value = recording(outcome) { try context.record(value, db) }
            return outcome
        }
    }

    /// Runs an operation in a transaction. When this returns, what it did is on disk.
    ///
    /// Cancelling the task does not stop an operation under way: a commit has one outcome, and the caller is told which.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(Failure) -> Value {
        let result = await withCheckedContinuation { continuation in
            enqueue(TypedWriteOperation(body: body, continuation: continuation))
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
                let group = Array(state.pending.prefix(Self.operationsMax))
                state.pending.removeFirst(group.count)
                metrics.waitingWrites.set(state.pending.count)
                state.isRunning = !group.isEmpty
                return group
            }
            if group.isEmpty { return }
            commit(group, db)
        }
    }

    private func commit(_ group: [any WriteOperation], _ db: Database) {
        var abortFailure: Failure?
        var commitFailure: Failure?
        do {
            try db.inTransaction(.immediate) {
                for operation in group {
                    let failure = operation.run(db)
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
        } catch {
            commitFailure = abortFailure ?? Failure(storage: error, on: db.sqliteConnection)
            metrics.commitFailures.increment()
        }
        db.boundStatements()
        for operation in group { operation.finish(commitFailure: commitFailure) }
    }
}

extension WriteContext {
    /// Keeps the record of what was done, within the transaction that did it.
    fileprivate func record(_ value: Value, _ db: Database) throws {
        guard let claim else { return }
        try SQLiteIdempotencyStore.insert(claim.record(value), for: claim.request, at: now, db)
    }
}

/// One caller's part of a group.
private protocol WriteOperation: Sendable {
    /// Does the work inside the group's transaction. Returns why it failed, if it did.
    func run(_ db: Database) -> Failure?
    /// Answers the caller, once the fate of the commit is known: nil means that it is on disk.
    func finish(commitFailure: Failure?)
}

private final class TypedWriteOperation<Value: Sendable>: WriteOperation {
    private let body: @Sendable (Database) throws -> Value
    private let continuation: CheckedContinuation<Result<Value, Failure>, Never>
    private let result = Mutex<Result<Value, Failure>?>(nil)

    init(body: @escaping @Sendable (Database) throws -> Value, continuation: CheckedContinuation<Result<Value, Failure>, Never>) {
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
