import Dispatch
import Foundation
import Personas
import Synchronization

/// Threads that each have a connection for look-ups, and the look-ups that wait. A free thread sends what waits in one go, so that many share a round
/// trip, and the system's calls that it takes.
final class PostgresLookUps: Sendable {
    /// Look-ups that go out together. More would gain little, and each waits for all before it.
    private static let togetherMax = 64

    private struct State {
        var waiting = WaitingLine<any PostgresLookUp>()
        /// Threads that wait to be woken.
        var sleeping = 0
        /// Threads that have nothing to do, woken already or not.
        var free: Int
        var isClosed = false
    }

    private struct LookUp<Value: Sendable>: PostgresLookUp {
        let since = ContinuousClock.now
        let body: @Sendable (any SQLConnection) throws -> Value
        let continuation: CheckedContinuation<Result<Value, Failure>, Never>

        func run(on replay: PostgresReplay) throws {
            let value = try body(replay)
            // One that was left and has made a value of that is to be run again.
            if case .complete = replay.state { continuation.resume(returning: .success(value)) }
        }

        func refuse(_ failure: Failure) { continuation.resume(returning: .failure(failure)) }
    }

    private let settings: PostgresSettings
    private let count: Int
    private let waitingMax: Int
    private let state: Mutex<State>
    private let bell = DispatchSemaphore(value: 0)
    private let ended = DispatchGroup()

    /// Starts the threads.
    /// - Parameters:
    ///   - count: connections.
    ///   - waitingMax: look-ups that wait; further ones are refused.
    init(_ name: String, count: Int, settings: PostgresSettings, waitingMax: Int) {
        self.settings = settings
        self.count = count
        self.waitingMax = waitingMax
        state = Mutex(State(free: count))
        for number in 0..<count {
            ended.enter()
            let thread = Thread { [self] in
                let batches = PostgresBatches(settings)
                while let lookUps = next() {
                    batches.perform(lookUps)
                    state.withLock { $0.free += 1 }
                }
                ended.leave()
            }
            thread.name = "\(name) \(number)"
            thread.start()
        }
    }

    /// Look-ups that wait for a connection.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs a look-up on one of the threads. Its body may be run several times.
    func run<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let lookUp = LookUp(body: body, continuation: continuation)
            let (refusal, isToWake): (Failure?, Bool) = state.withLock { state in
                if state.isClosed { return (.storeBusy("The database is closed"), false) }
                guard state.waiting.count < waitingMax else {
                    return (.storeBusy("\(waitingMax) operations wait for the database already"), false)
                }
                state.waiting.append(lookUp)
                guard state.sleeping > 0 else { return (nil, false) }
                state.sleeping -= 1
                return (nil, true)
            }
            if let refusal { lookUp.refuse(refusal) }
            if isToWake { bell.signal() }
        }
        return try result.get()
    }

    /// Ends the threads and their connections, once what runs and what waits is done. To be called once, by whoever made them.
    func close() {
        let sleeping = state.withLock { state in
            state.isClosed = true
            defer { state.sleeping = 0 }
            return state.sleeping
        }
        for _ in 0..<sleeping { bell.signal() }
        ended.wait()
    }

    /// What the thread that asks is to do, its share of what waits; nil where there will be no more.
    private func next() -> [any PostgresLookUp]? {
        while true {
            let (lookUps, isOver) = state.withLock { state -> ([any PostgresLookUp], Bool) in
                let waiting = state.waiting.count
                if waiting == 0 {
                    if !state.isClosed { state.sleeping += 1 }
                    return ([], state.isClosed)
                }
                let share = (waiting + state.free - 1) / state.free
                state.free -= 1
                return (state.waiting.take(min(share, Self.togetherMax)), false)
            }
            if isOver { return nil }
            if !lookUps.isEmpty { return lookUps }
            bell.wait()
        }
    }
}

/// One thread's connection for look-ups, and those that are on it. Belongs to that thread.
private final class PostgresBatches {
    /// A look-up whose statement is on its way.
    private struct Sent {
        let lookUp: any PostgresLookUp
        let replay: PostgresReplay
    }

    private let seat: PostgresSeat
    private let waitMillisecondsMax: Int
    private var sent: [Sent] = []
    /// Those that are to have the connection to themselves.
    private var alone: [any PostgresLookUp] = []

    init(_ settings: PostgresSettings) {
        seat = PostgresSeat(settings)
        // What waited as long as a statement may take finds those before it in trouble, and would be late anyway.
        waitMillisecondsMax = settings.statementMillisecondsMax
    }

    /// Does all of them, those that can be together.
    func perform(_ lookUps: [any PostgresLookUp]) {
        // The one there is needs no second run of its body.
        if lookUps.count == 1 { alone = lookUps } else { performTogether(lookUps.filter(isInTime)) }
        for lookUp in alone where isInTime(lookUp) { performAlone(lookUp) }
        alone.removeAll(keepingCapacity: true)
    }

    /// Refuses what has waited too long.
    private func isInTime(_ lookUp: any PostgresLookUp) -> Bool {
        if ContinuousClock.now - lookUp.since < .milliseconds(waitMillisecondsMax) { return true }
        lookUp.refuse(.storeBusy("PostgreSQL: no connection was free within \(waitMillisecondsMax) ms"))
        return false
    }

    private func performTogether(_ lookUps: [any PostgresLookUp]) {
        guard !lookUps.isEmpty else { return }
        do {
            try seat.use { connection in
                for lookUp in lookUps { run(lookUp, PostgresReplay(connection, isAlone: false)) }
                while !sent.isEmpty { settle(connection) }
            }
        } catch {
            // Only making a connection throws, before any of them was begun.
            for lookUp in lookUps { lookUp.refuse(Failure(postgres: error)) }
        }
    }

    /// Takes the answers to what was sent, and has each body go on with its own.
    private func settle(_ connection: PostgresConnection) {
        let round = sent
        sent.removeAll(keepingCapacity: true)
        var index = 0
        connection.settleEach { answer in
            guard index < round.count else { return }
            let one = round[index]
            index += 1
            switch answer {
            case .success(let result?):
                one.replay.take(result)
                run(one.lookUp, one.replay)
            // The error before it was of another.
            case .success(nil): alone.append(one.lookUp)
            case .failure(let error): fail(one.lookUp, error)
            }
        }
    }

    private func run(_ lookUp: any PostgresLookUp, _ replay: PostgresReplay) {
        do {
            try lookUp.run(on: replay)
            if case .complete = replay.state { return }
        } catch {
            if case .complete = replay.state { return fail(lookUp, error) }
        }
        if case .waits = replay.state { sent.append(Sent(lookUp: lookUp, replay: replay)) } else { alone.append(lookUp) }
    }

    private func fail(_ lookUp: any PostgresLookUp, _ error: any Error) {
        // Reading twice does no harm.
        if let error = error as? PostgresError, error.isToRunAgain { alone.append(lookUp) } else { lookUp.refuse(Failure(postgres: error)) }
    }

    private func performAlone(_ lookUp: any PostgresLookUp) {
        var isRepeated = false
        while true {
            do {
                return try seat.use { try lookUp.run(on: PostgresReplay($0, isAlone: true)) }
            } catch let error as PostgresError where error.isToRunAgain && !isRepeated {
                // The connection broke, or what it had prepared is not what it was.
                isRepeated = true
            } catch {
                return lookUp.refuse(Failure(postgres: error))
            }
        }
    }
}
