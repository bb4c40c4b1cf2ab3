/// What an owner had set of an item from a moment on.
package struct Revision: Sendable, Equatable {
    /// Counts the states of the item, from 1.
    package let number: Int
    /// What was set.
    package let details: PikzonalityDetails
    /// Since when.
    package let changedAt: Timestamp
    /// The request that brought it about; nil for what an operator did, and where it is not known any more.
    package let requestID: String?

    package init(number: Int, details: PikzonalityDetails, changedAt: Timestamp, requestID: String?) {
        self.number = number
        self.details = details
        self.changedAt = changedAt
        self.requestID = requestID
    }

    /// What brings an item back to this state.
    package var change: PikzonalityChange {
        PikzonalityChange(
            name: details.name, specialInstructions: .some(details.specialInstructions), externalID: .some(details.externalID),
            metadata: .replace(details.metadata))
    }
}

/// Remembers how items were before they were changed. The states are written by the stores that change items, in the same transaction.
package protocol RevisionStore: Sendable {
    /// At most `limit` states of an item, the present one first, with lower numbers than one.
    /// - Throws: `notFound`.
    func revisions(
        of id: Identifier, mode: Mode?, accountID: Identifier, before number: Int?, limit: Int
    ) async throws(Failure) -> [Revision]
    /// One state of an item.
    /// - Throws: `notFound` for an item or a state that there is not, or not any more.
    func revision(_ number: Int, of id: Identifier, mode: Mode?, accountID: Identifier) async throws(Failure) -> Revision
}
