/// An item as an archive holds it: what it is, without what belongs to one service alone, such as tokens.
package struct ArchiveItem: Sendable, Equatable {
    /// Its id where it came from, for reference; whoever takes it in gives it another.
    package let id: Identifier
    /// Persona or style.
    package let mode: Mode
    /// What its owner set.
    package let details: PikzonalityDetails
    /// How its training has ended; nil for one that is to be trained yet, or anew.
    package let outcome: TrainingOutcome?
    /// SHA-256 of its reference images in their order.
    package let references: [[UInt8]]
    /// SHA-256 of its portrait where that is another image than the first reference.
    package let portrait: [UInt8]?
    /// What becomes of it when its training ends; nil where it stays.
    package let settlement: Settlement?
    /// When it was created.
    package let createdAt: Timestamp
    /// When it last changed where it came from.
    package let updatedAt: Timestamp

    package init(
        id: Identifier, mode: Mode, details: PikzonalityDetails, outcome: TrainingOutcome?, references: [[UInt8]], portrait: [UInt8]?,
        settlement: Settlement? = nil, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.mode = mode
        self.details = details
        self.outcome = outcome
        self.references = references
        self.portrait = portrait
        self.settlement = settlement
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// An item as it is stored.
    init(_ stored: StoredItem) {
        let item = stored.item
        let outcome: TrainingOutcome? =
            switch item.status {
            case .processing: nil
            case .completed: .completed
            case .failed: item.error.map(TrainingOutcome.failed)
            }
        let portrait = stored.portrait.flatMap { $0.key == stored.references.first?.key ? nil : $0.digest }
        self.init(
            id: item.id, mode: item.mode, details: item.details, outcome: outcome, references: stored.references.map(\.digest),
            portrait: portrait, settlement: item.settlement, createdAt: item.createdAt, updatedAt: item.updatedAt)
    }

    /// All images that it names.
    package var digests: [[UInt8]] { references + (portrait.map { [$0] } ?? []) }
}

/// What an archive says of itself: how much of what it holds, and hashes over all of it. It has the same few members however much that is.
package struct ArchiveManifest: Sendable, Equatable {
    /// Files of one kind.
    package struct Part: Sendable, Equatable {
        /// How many there are.
        package var files = 0
        /// How many bytes they have together.
        package var bytes = 0
        /// SHA-256, of items over the bytes of their files one after the other, of images over their paths, each with a line feed behind it, in the
        /// order in which they stand in the archive. (What bytes an image has its path says already.)
        package var digest: [UInt8] = []

        package init(files: Int = 0, bytes: Int = 0, digest: [UInt8] = []) {
            self.files = files
            self.bytes = bytes
            self.digest = digest
        }
    }

    /// The version of the form, which only grows where older readers would go wrong.
    package static let version = 1

    /// How many items.
    package var itemCount: Int
    /// The files that they stand in.
    package var items: Part
    /// The images.
    package var images: Part

    package init(itemCount: Int = 0, items: Part = Part(), images: Part = Part()) {
        self.itemCount = itemCount
        self.items = items
        self.images = images
    }
}

/// Counts and hashes what goes into an archive, or comes out of one, for its manifest.
struct ArchiveTally {
    private(set) var manifest = ArchiveManifest()
    private var itemsDigest: any RunningDigest
    private var imagesDigest: any RunningDigest

    init(_ makeDigest: () -> any RunningDigest) {
        itemsDigest = makeDigest()
        imagesDigest = makeDigest()
    }

    /// A file of items begins.
    mutating func beginItems(byteCount: Int) {
        manifest.items.files += 1
        manifest.items.bytes += byteCount
    }

    /// Bytes of a file of items.
    mutating func add(_ bytes: [UInt8]) { itemsDigest.add(bytes) }

    /// Items.
    mutating func add(items count: Int) { manifest.itemCount += count }

    /// An image.
    mutating func addImage(_ path: ArchivePath, byteCount: Int) {
        manifest.images.files += 1
        manifest.images.bytes += byteCount
        imagesDigest.add(path.bytes + [UInt8(ascii: "\n")])
    }

    /// The manifest of all that was counted.
    mutating func finish() -> ArchiveManifest {
        manifest.items.digest = itemsDigest.finish()
        manifest.images.digest = imagesDigest.finish()
        return manifest
    }
}

/// How items and manifests are written into archives and read from them.
package protocol ArchiveFormat: Sendable {
    /// An item as one line, without the line feed behind it; the same bytes for the same item.
    func line(of item: ArchiveItem) -> [UInt8]
    /// Reads a line by the rules of creates.
    /// - Throws: `invalid` with all violations.
    func item(in line: [UInt8]) throws(Failure) -> ArchiveItem
    /// A manifest as one document.
    func document(of manifest: ArchiveManifest) -> [UInt8]
    /// Reads a manifest.
    /// - Throws: `invalid`.
    func manifest(in document: [UInt8]) throws(Failure) -> ArchiveManifest
}
