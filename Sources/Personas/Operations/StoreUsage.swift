/// How much is stored, and what that takes: what operators and monitoring watch.
package protocol StoreUsage: Sendable {
    /// How much is stored at this moment, by the counts that are kept.
    func contents() async throws(Failure) -> StoreContents
    /// How many images are stored. To count them takes a walk, so that what is told may be some seconds old, and of a large store some minutes.
    func images() async throws(Failure) -> ImageVolume
    /// What the data take of the disk, and what is left of it.
    func disk() -> DiskUse
    /// Writes that wait for the next transaction.
    var waitingWrites: Int { get }
}

/// How much is stored.
package struct StoreContents: Sendable, Codable, Equatable {
    /// Items of one mode that stand at one point.
    package struct Tally: Sendable, Codable, Equatable {
        /// Persona or style.
        package let mode: Mode
        /// Where they stand.
        package let status: Status
        /// How many they are.
        package let count: Int
    }

    /// Accounts.
    package let accounts: Int
    /// Personas and styles of all accounts: every mode with every status, in their order.
    package let items: [Tally]
    /// Those in the trash, by mode.
    package let trash: [Mode: Int]

    /// - Parameters:
    ///   - counts: items by mode and status; those that are missing are none.
    ///   - trash: items in the trash by mode; those that are missing are none.
    package init(accounts: Int, counts: [Mode: [Status: Int]], trash: [Mode: Int]) {
        self.accounts = accounts
        self.trash = Mode.allCases.reduce(into: [:]) { $0[$1] = trash[$1] ?? 0 }
        items = Mode.allCases.flatMap { mode in
            Status.allCases.map { Tally(mode: mode, status: $0, count: counts[mode]?[$0] ?? 0) }
        }
    }
}

/// Images together.
package struct ImageVolume: Sendable, Codable, Equatable {
    /// How many there are; one that several items have counts once.
    package var images = 0
    /// Their bytes.
    package var bytes = 0

    /// None.
    package init() {}
}

/// What the data take of a disk.
package struct DiskUse: Sendable, Codable, Equatable {
    /// Bytes of the database with its log; nil where they cannot be told.
    package let databaseBytes: Int?
    /// Bytes that are left to the service's user; where database and images lie on two disks, on the one that has less. Nil where they cannot be told.
    package let freeBytes: Int?

    package init(databaseBytes: Int?, freeBytes: Int?) {
        self.databaseBytes = databaseBytes
        self.freeBytes = freeBytes
    }
}
