import Personas

/// Where a test has a move end, as if the process had been killed there.
struct MoveFaults: Sendable {
    /// Points of a move.
    enum Point: Sendable, CaseIterable {
        /// An image is in the bucket.
        case imageStored
        /// All images are, and the rows are on their way.
        case rowsSent
        /// The folder says that its fate is being decided, and nothing is committed.
        case deciding
        /// All is committed, and the folder does not say so.
        case committed
    }

    /// What a move ends with. Nothing is tidied up behind it.
    static let end = Failure.unexpected("The move ends here")

    /// Whether it ends at a point.
    var endsAt: @Sendable (Point) -> Bool = { _ in false }

    /// Ends the move, if it is to end there.
    func meet(_ point: Point) throws(Failure) {
        if endsAt(point) { throw Self.end }
    }
}
