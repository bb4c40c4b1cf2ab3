/// What a client demands of an item before anything is done to it: that the item still is, or is not, a version that the client knows.
///
/// Stores compare it within the transaction that writes, so that nothing comes in between, and after all else that could stand against the write: a
/// condition counts only where the answer without it would be a success (RFC 9110, section 13.2.1).
package struct Precondition: Sendable, Equatable {
    /// A part of a condition, by the header that clients know it by.
    package enum Part: Sendable, Equatable, Codable {
        /// That the item is one of some versions: `If-Match`.
        case match
        /// That the item is none of some versions: `If-None-Match`.
        case noneMatch
    }

    /// Versions of one item.
    package enum Versions: Sendable, Equatable {
        /// Whatever version it is.
        case all
        /// These alone.
        case only([Int])

        fileprivate func contains(_ version: Int) -> Bool {
            switch self {
            case .all: true
            case .only(let versions): versions.contains(version)
            }
        }
    }

    /// The versions that are demanded.
    private let demanded: Versions
    /// The versions that are ruled out.
    private let excluded: Versions

    /// Demands nothing.
    package static let none = Precondition()

    package init(demanding demanded: Versions = .all, excluding excluded: Versions = .only([])) {
        self.demanded = demanded
        self.excluded = excluded
    }

    /// Makes sure that an item is as it is demanded.
    /// - Throws: `preconditionFailed`.
    package func require(_ item: Pikzonality) throws(Failure) { try require(version: item.version) }

    /// Makes sure that what has versions is of one that is demanded.
    /// - Throws: `preconditionFailed`.
    package func require(version: Int) throws(Failure) {
        guard demanded.contains(version) else { throw .preconditionFailed(.match) }
        if excluded.contains(version) { throw .preconditionFailed(.noneMatch) }
    }
}
