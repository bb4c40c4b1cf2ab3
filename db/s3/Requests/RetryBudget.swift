import Synchronization

/// What keeps tries from adding to the load of a store that has too much of it: every call earns a tenth of a retry, and no more than a few are
/// saved.
final class RetryBudget: Sendable {
    /// Tenths of a retry that a call earns.
    private static let earned = 1
    /// Tenths of a retry that one costs.
    private static let cost = 10
    /// Tenths of a retry that are saved, and that a process begins with: enough for a store that restarts while nothing else goes on.
    private static let savedMax = 100

    private let tenths = Mutex(savedMax)

    /// Takes note of a call.
    func earn() { tenths.withLock { $0 = min(Self.savedMax, $0 + Self.earned) } }

    /// Takes what one retry costs. Returns false where so much is not there.
    func spend() -> Bool {
        tenths.withLock { tenths in
            guard tenths >= Self.cost else { return false }
            tenths -= Self.cost
            return true
        }
    }
}
