import Synchronization

/// How long requests took, and which of them came to nothing.
package struct Latencies: Sendable {
    /// Of those that were answered as they should, in seconds.
    package private(set) var seconds: [Double] = []
    /// What happened to the others, and how often.
    package private(set) var failures: [String: Int] = [:]

    /// None yet.
    package init() {}

    /// Notes one that was answered.
    package mutating func add(_ seconds: Double) { self.seconds.append(seconds) }

    /// Notes one that came to nothing.
    package mutating func add(failure: String) { failures[failure, default: 0] += 1 }

    /// Takes over what others noted.
    package mutating func add(_ other: Latencies) {
        seconds += other.seconds
        failures.merge(other.failures, uniquingKeysWith: +)
    }

    /// How many failed.
    package var failureCount: Int { failures.values.reduce(0, +) }

    /// The longest, in seconds; 0 of none.
    package var longest: Double { seconds.max() ?? 0 }

    /// What so large a share took at most, in seconds; 0 of none.
    package func percentile(_ share: Double) -> Double {
        let sorted = seconds.sorted()
        return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    /// One line of it.
    package var text: String {
        let failed = failures.isEmpty ? "" : "; failed: \(AttackRun.text(failures))"
        return seconds.isEmpty
            ? "none answered\(failed)"
            : "\(seconds.count) answered, median \(Self.milliseconds(percentile(0.5))), longest \(Self.milliseconds(longest))\(failed)"
    }

    /// Seconds as a text in milliseconds.
    package static func milliseconds(_ seconds: Double) -> String {
        let value = seconds * 1_000
        return value >= 10 ? "\(Int(value.rounded())) ms" : "\((value * 10).rounded() / 10) ms"
    }
}

/// Latencies that several threads note.
package final class LatencyLog: Sendable {
    private let content = Mutex(Latencies())

    /// An empty one.
    package init() {}

    /// What was noted so far.
    package var latencies: Latencies { content.withLock { $0 } }

    /// Notes one that was answered.
    package func add(_ seconds: Double) { content.withLock { $0.add(seconds) } }

    /// Notes one that came to nothing.
    package func add(failure: String) { content.withLock { $0.add(failure: failure) } }

    /// What was noted since this was last called.
    package func take() -> Latencies {
        content.withLock { latencies in
            defer { latencies = Latencies() }
            return latencies
        }
    }
}
