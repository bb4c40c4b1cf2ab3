import Foundation
import Personas
import Synchronization

/// The database's clock as it is known here, so that all processes that share the database date by one clock.
///
/// It goes by a clock of this machine that nobody sets, and by how far that is behind the server's. It never goes back by little: where the server is
/// found to be earlier, it stands until that has caught up. Where it is found to be earlier by more than a correction can be, its clock was set, and so
/// is this one.
final class ServerClock: Sendable {
    /// What stands for the difference while it is not known.
    private static let unknown = Int64.min
    /// Milliseconds by which it is not set back.
    private static let standMillisecondsMax: Int64 = 2_000
    /// How much less certain what is known becomes, in thousandths of the time since.
    private static let drift = 0.000_5

    private struct Sample {
        let at: ContinuousClock.Instant
        let uncertainty: Duration
    }

    /// Milliseconds of the server's clock when the one that nobody sets was at 0.
    private let difference = Atomic(ServerClock.unknown)
    private let latest = Atomic(Int64.min)
    private let sample = Mutex<Sample?>(nil)
    /// The clock that nobody sets, in milliseconds.
    private let steady: @Sendable () -> Int64

    init(steady: @escaping @Sendable () -> Int64 = ServerClock.steadyMilliseconds) {
        self.steady = steady
    }

    /// Milliseconds since the machine started.
    static func steadyMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// The time of day; the machine's own until the server's is known.
    var now: Timestamp {
        let difference = difference.load(ordering: .relaxed)
        guard difference != Self.unknown else { return .now }
        let milliseconds = steady() + difference
        let before = latest.load(ordering: .relaxed)
        if milliseconds < before, before - milliseconds <= Self.standMillisecondsMax { return Timestamp(milliseconds: before) }
        latest.store(milliseconds, ordering: .relaxed)
        return Timestamp(milliseconds: milliseconds)
    }

    /// Takes what the server has said.
    /// - Parameters:
    ///   - server: its time.
    ///   - asked: the steady clock before it was asked, in milliseconds.
    ///   - heard: the same when the answer was there.
    func adjust(to server: Timestamp, asked: Int64, heard: Int64) {
        let uncertainty = Duration.milliseconds(max(1, (heard - asked + 1) / 2))
        let found = server.milliseconds - (asked + (heard - asked) / 2)
        sample.withLock { sample in
            let now = ContinuousClock.now
            if let known = sample {
                let apart = Duration.milliseconds(abs(found - difference.load(ordering: .relaxed)))
                let presentUncertainty = known.uncertainty + (now - known.at) * Self.drift
                // A quick answer says more than a slow one, unless both cannot be right.
                guard uncertainty <= presentUncertainty || apart > uncertainty else { return }
            }
            sample = Sample(at: now, uncertainty: uncertainty)
            difference.store(found, ordering: .relaxed)
        }
    }

    /// The clock for use cases and stores.
    var wallClock: WallClock { WallClock { self.now } }
}
