extension Scenario {
    /// All of them, in their full size.
    package static var all: [Scenario] {
        [
            stalledReaders(), slowReaders(), worstBodies(), slowAddresses(), announcedBodies(), idleConnections(),
            descriptors(descriptorsMax: 1_024, stalled: 511, idle: 600), descriptors(descriptorsMax: 100, stalled: 60, idle: 100),
            hangingHosts(), longHeaders(), slowUploads(),
        ] + kindred
    }
}
