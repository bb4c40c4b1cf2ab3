extension Scenario {
    /// All of them, in their full size.
    package static var all: [Scenario] { [stalledReaders(), slowReaders(), worstBodies(), idleConnections()] }
}
