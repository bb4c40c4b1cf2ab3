/// Where use cases take the time of day from: the system's clock, unless the application has a better one, such as the
/// clock of a database that several processes share, or one that a test sets.
package struct WallClock: Sendable {
    private let read: @Sendable () -> Timestamp

    /// A clock that is read by calling a function.
    package init(_ read: @escaping @Sendable () -> Timestamp) {
        self.read = read
    }

    /// The clock of the machine.
    package static let system = WallClock { .now }

    /// The moment at which this is asked.
    package var now: Timestamp { read() }
}
