/// An item as it is stored, with its images.
package struct StoredItem: Sendable, Equatable {
    /// The item.
    package let item: Pikzonality
    /// The reference images in their order.
    package let references: [StoredImage]
    /// The portrait, once there is one.
    package let portrait: StoredImage?

    package init(item: Pikzonality, references: [StoredImage], portrait: StoredImage?) {
        self.item = item
        self.references = references
        self.portrait = portrait
    }

    /// All images that it names.
    var images: [StoredImage] { references + (portrait.map { [$0] } ?? []) }
}

/// Reads items for archives, and takes in those of archives.
package protocol ArchiveStore: Sendable {
    /// The item that was created next after a position, with its images as they are at the same moment; nil where no other follows.
    func item(after position: PikzonalityPosition?, accountID: Identifier) async throws(Failure) -> StoredItem?

    /// Begins an import under an idempotency key, or finds how far an earlier one has come that was begun since a moment.
    /// - Parameter digest: SHA-256 of the archive.
    /// - Throws: `idempotencyKeyReused` where the key stands for another archive; `accountMissing`.
    func begin(
        _ key: IdempotencyKey, digest: [UInt8], accountID: Identifier, since oldest: Timestamp, at now: Timestamp
    ) async throws(Failure) -> ImportRecord
    /// What became of lines after one, in their order.
    func outcomes(of number: Int64, after line: Int, limit: Int) async throws(Failure) -> [ImportOutcome]
    /// Creates items in one transaction, in which what became of them is written down as well, where that was begun, in the place of what was written
    /// down of the same lines before. An item that cannot be created stands in the way of no other.
    /// - Parameters:
    ///   - lines: the items in the order of the archive, and why those are not to be created that cannot be.
    ///   - record: the number of the import under whose key they are created.
    ///   - prices: what trainings cost that begin with that; nil where they cost nothing.
    /// - Returns: what became of each.
    func create(
        _ lines: [ImportedLine], of record: Int64?, costing prices: CreditPrices?, in context: WriteContext<Void>
    ) async throws(Failure) -> [ImportOutcome]
    /// Forgets what was written down of imports begun before a moment, at most `limit` rows of it. Returns how many.
    func forgetImports(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int
}

/// What is known of an import under an idempotency key.
package struct ImportRecord: Sendable, Equatable {
    /// Tells it from others.
    package let number: Int64
    /// How many lines are done.
    package let linesDone: Int

    package init(number: Int64, linesDone: Int) {
        self.number = number
        self.linesDone = linesDone
    }
}

/// A line of an archive about to be done.
package struct ImportedLine: Sendable {
    /// Counts the lines of all files, from 1.
    package let line: Int
    /// The item, or why there is to be none.
    package let item: Result<NewPikzonality, Failure>

    package init(line: Int, item: Result<NewPikzonality, Failure>) {
        self.line = line
        self.item = item
    }
}

/// What became of a line of an archive.
package struct ImportOutcome: Sendable, Equatable {
    /// Counts the lines of all files, from 1.
    package let line: Int
    /// The new item's id, or why there is none.
    package let id: Result<Identifier, Failure>

    package init(line: Int, id: Result<Identifier, Failure>) {
        self.line = line
        self.id = id
    }
}

/// Computes a SHA-256 piece by piece.
package protocol RunningDigest: Sendable {
    /// Takes in further bytes.
    mutating func add(_ bytes: [UInt8])
    /// The digest of all of them, 32 bytes.
    mutating func finish() -> [UInt8]
}

/// Room on the disk for archives on their way in, and for what has to be remembered of large ones. Nothing of it outlives its last reference, or the
/// process.
package protocol ArchiveSpools: Sendable {
    /// Begins a digest.
    func makeDigest() -> any RunningDigest
    /// A new empty file.
    /// - Parameter byteCount: how much it is to hold, where that is known.
    /// - Throws: `storeBusy` where the disk has no room for that.
    func makeSpool(for byteCount: Int?) throws(Failure) -> any ArchiveSpool
    /// A new empty index.
    func makeIndex() throws(Failure) -> any DigestIndex
}

/// An archive on its way in.
package protocol ArchiveSpool: Sendable {
    /// SHA-256 of what is there.
    var digest: [UInt8] { get }
    /// Appends bytes.
    /// - Throws: `storeBusy` where the disk has no room for them.
    func append(_ bytes: [UInt8]) async throws(Failure)
    /// Does work on the file, on a thread that may wait for the disk and take its time.
    func perform<Value: Sendable>(
        _ work: @escaping @Sendable (any ArchiveFile) throws(Failure) -> Value
    ) async throws(Failure) -> Value
}

/// The bytes of an archive.
package protocol ArchiveFile {
    /// How many there are.
    var byteCount: Int { get }
    /// Reads bytes from an offset; fewer only at the end.
    func read(at offset: Int, count: Int) throws(Failure) -> [UInt8]
}

/// Knows where in an archive each image lies, in the same little memory however many there are.
package protocol DigestIndex: Sendable {
    /// Remembers an image. False, and nothing changes, where it is known already.
    func insert(_ digest: [UInt8], at place: Range<Int>) throws(Failure) -> Bool
    /// Where an image lies; nil where it is not known.
    func place(of digest: [UInt8]) throws(Failure) -> Range<Int>?
}
