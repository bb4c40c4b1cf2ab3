import Foundation
import Synchronization
import TestSupport

/// An attack under way, on a thread of its own.
package final class AttackRun: Sendable {
    private struct State {
        var isOver = false
        var isReady = false
        var hasEnded = false
        var counts: [String: Int] = [:]
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private let deadline: ContinuousClock.Instant

    private init(secondsMax: Double) { deadline = .now + .seconds(secondsMax) }

    /// Starts an attack.
    /// - Parameter secondsMax: after which it ends by itself, whatever comes.
    package static func start(secondsMax: Double = 900, _ body: @escaping @Sendable (AttackRun) throws -> Void) -> AttackRun {
        let run = AttackRun(secondsMax: secondsMax)
        let thread = Thread {
            let result = Result { try body(run) }
            run.state.withLock { state in
                if case .failure(let error) = result { state.failure = error }
                (state.isReady, state.hasEnded) = (true, true)
            }
        }
        thread.stackSize = 1 << 20
        thread.start()
        return run
    }

    /// Whether it is time to stop; for the attack itself.
    package var isOver: Bool { state.withLock { $0.isOver } || ContinuousClock.now > deadline }

    /// Lets time pass, unless it is over. Whether it goes on.
    @discardableResult
    package func pause(_ seconds: Double) -> Bool {
        let watch = Stopwatch()
        while !isOver {
            let left = seconds - watch.seconds
            guard left > 0 else { return true }
            usleep(UInt32(min(left, 0.05) * 1_000_000))
        }
        return false
    }

    /// Says that everything is in place; for the attack itself.
    package func ready() { state.withLock { $0.isReady = true } }

    /// Counts something that happened; for the attack itself.
    package func count(_ what: String, _ number: Int = 1) { state.withLock { $0.counts[what, default: 0] += number } }

    /// What has happened so far.
    package var counts: [String: Int] { state.withLock { $0.counts } }

    /// The counts as a text.
    package var summary: String { Self.text(counts) }

    /// Counts as a text.
    package static func text(_ counts: [String: Int]) -> String {
        counts.isEmpty ? "nothing" : counts.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
    }

    /// Whether it has let go of everything.
    package var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Waits until everything is in place.
    package func awaitReady(within seconds: Double = 120) throws {
        try wait("was not in place", within: seconds) { $0.isReady }
    }

    /// Waits until it has come to its end by itself.
    package func awaitEnd(within seconds: Double) throws {
        try wait("did not end", within: seconds) { $0.hasEnded }
    }

    /// Ends it and waits until it has let go of everything.
    package func end(within seconds: Double = 120) throws {
        state.withLock { $0.isOver = true }
        try awaitEnd(within: seconds)
    }

    private func wait(_ what: String, within seconds: Double, until holds: (borrowing State) -> Bool) throws {
        let watch = Stopwatch()
        while !state.withLock({ holds($0) }) {
            guard watch.seconds < seconds else { throw MeasurementFailed("an attack \(what) within \(Int(seconds)) s") }
            usleep(5_000)
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
