import Dispatch
import Foundation
import Personas
import Synchronization

/// Threads that each have a connection, and the operations that wait for one of them, first come, first served.
///
/// A connection is opened when its thread has something to do on it. Event loops and the threads of tasks never wait for a database here.
final class PostgresThreads: Sendable {
    /// An operation that waits.
    private struct Operation: Sendable {
        let since: ContinuousClock.Instant
        let run: @Sendable (PostgresSeat) -> Void
        let refuse: @Sendable (Failure) -> Void
    }

    private struct State {
        var waiting = WaitingLine<Operation>()
        var isClosed = false
    }

    private let waitingMax: Int
    private let waitMillisecondsMax: Int
    private let onWaiting: @Sendable (Int) -> Void
    private let state = Mutex(State())
    private let bell = DispatchSemaphore(value: 0)
    private let ended = DispatchGroup()
    private let count: Int

    /// Starts the threads.
    /// - Parameters:
    ///   - name: of the threads, beside a number.
    ///   - waitingMax: operations that wait for a thread; further ones are refused.
    ///   - onWaiting: told how many wait whenever that changes.
    init(
        _ name: String, count: Int, settings: PostgresSettings, waitingMax: Int, onWaiting: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.count = count
        self.waitingMax = waitingMax
        // What waited as long as a statement may take finds those before it in trouble, and would be late anyway.
        waitMillisecondsMax = settings.statementMillisecondsMax
        self.onWaiting = onWaiting
        for number in 0..<count {
            ended.enter()
            let thread = Thread { [self] in
                let seat = PostgresSeat(settings)
                while let operation = next() { run(operation, seat) }
                ended.leave()
            }
            thread.name = "\(name) \(number)"
            thread.start()
        }
    }

    /// Operations that wait for a thread.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs an operation on one of the threads.
    func run<Value: Sendable>(_ body: @escaping @Sendable (PostgresSeat) -> Result<Value, Failure>) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let operation = Operation(since: .now) {
                continuation.resume(returning: body($0))
            } refuse: {
                continuation.resume(returning: .failure($0))
            }
            let refusal: Failure? = state.withLock { state in
                if state.isClosed { return .storeBusy("The database is closed") }
                guard state.waiting.count < waitingMax else { return .storeBusy("\(waitingMax) operations wait for the database already") }
                state.waiting.append(operation)
                onWaiting(state.waiting.count)
                return nil
            }
            if let refusal { operation.refuse(refusal) } else { bell.signal() }
        }
        return try result.get()
    }

    /// Ends the threads and their connections, once what runs and what waits is done. To be called once, by whoever made them.
    func close() {
        state.withLock { $0.isClosed = true }
        for _ in 0..<count { bell.signal() }
        ended.wait()
    }

    /// The next operation; nil where there will be none.
    private func next() -> Operation? {
        bell.wait()
        return state.withLock { state in
            let operation = state.waiting.take(1).first
            onWaiting(state.waiting.count)
            return operation
        }
    }

    private func run(_ operation: Operation, _ seat: PostgresSeat) {
        let waited = ContinuousClock.now - operation.since
        guard waited < .milliseconds(waitMillisecondsMax) else {
            return operation.refuse(.storeBusy("PostgreSQL: no connection was free within \(waitMillisecondsMax) ms"))
        }
        operation.run(seat)
    }
}

/// A thread's place before the database: its connection, once it has one. Belongs to that thread.
final class PostgresSeat {
    /// Milliseconds before a connection is tried again that could not be made, at first and at most.
    private static let pauseMilliseconds = 100
    private static let pauseMillisecondsMax = 1_000

    private let settings: PostgresSettings
    private var connection: PostgresConnection?
    private var failureCount = 0
    private var failure: (any Error)?
    private var mayConnectAt = ContinuousClock.now

    init(_ settings: PostgresSettings) {
        self.settings = settings
    }

    /// Lends the connection, made anew where there is none.
    func use<Value>(_ body: (PostgresConnection) throws -> Value) throws -> Value {
        let connection = try opened()
        defer { if connection.isBroken { self.connection = nil } }
        return try body(connection)
    }

    private func opened() throws -> PostgresConnection {
        // The server may have ended an idle connection; to see that before anything is sent spares the doubt what became of it.
        if let connection, connection.wire.looksAlive() { return connection }
        connection = nil
        if let failure, ContinuousClock.now < mayConnectAt { throw failure }
        do {
            let opened = try PostgresConnection(settings)
            connection = opened
            (failureCount, failure) = (0, nil)
            return opened
        } catch {
            failure = error
            let pause = min(Self.pauseMillisecondsMax, Self.pauseMilliseconds << min(failureCount, 10))
            failureCount += 1
            // Not all at the same moment, for a server that comes back.
            mayConnectAt = .now + .milliseconds(Int.random(in: pause / 2...pause))
            throw error
        }
    }
}
