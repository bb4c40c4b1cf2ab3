import Synchronization

/// How long what was counted is told before it is counted anew, whoever asks for it however often.
final class CountingPause: Sendable {
    private let ageMax: Duration
    private let countedAt = Mutex<ContinuousClock.Instant?>(nil)

    init(ageMax: Duration) {
        self.ageMax = ageMax
    }

    /// Whether it is time to count; whoever is told so does, and the others are not.
    func isOver() -> Bool {
        let now = ContinuousClock.now
        return countedAt.withLock { countedAt in
            if let last = countedAt, last.duration(to: now) < ageMax { return false }
            countedAt = now
            return true
        }
    }
}
