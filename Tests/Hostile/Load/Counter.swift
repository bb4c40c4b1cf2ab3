import Synchronization

/// A number that several threads count up.
package final class Counter: Sendable {
    private let number = Atomic(0)

    /// Starts at 0.
    package init() {}

    /// Counts up.
    package func add(_ count: Int = 1) { number.add(count, ordering: .relaxed) }

    /// Counts up by one. Returns where it stood before.
    package func next() -> Int { number.add(1, ordering: .relaxed).oldValue }

    /// Where it stands.
    package var value: Int { number.load(ordering: .relaxed) }
}
