/// How many items an account has.
package struct ItemCounts: Sendable, Equatable {
    private struct Kind: Hashable {
        let mode: Mode
        let status: Status
    }

    private var counts: [Kind: Int] = [:]
    /// Those in the trash, which have no place among the others.
    package var trash: [Mode: Int] = [:]

    /// None of any kind, until its members are set.
    package init() {}

    /// Those of every mode and status, and those in the trash.
    package var total: Int { counts.values.reduce(0, +) + trash.values.reduce(0, +) }

    /// Those of a mode and status.
    package subscript(_ mode: Mode, _ status: Status) -> Int {
        get { counts[Kind(mode: mode, status: status)] ?? 0 }
        set { counts[Kind(mode: mode, status: status)] = newValue }
    }
}
