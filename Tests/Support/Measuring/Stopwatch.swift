/// Time since it was made, by a clock that is never set.
package struct Stopwatch: Sendable {
    private let start = ContinuousClock.now

    /// Starts it.
    package init() {}

    /// Seconds since then.
    package var seconds: Double { start.duration(to: .now) / .seconds(1) }
}
