/// Writes the archive of an account: item by item in the order of their creation, the images of each that are not there yet in front of the file that
/// names them, and the manifest at the end.
///
/// Nothing is held from one item to the next but the lines of the file that is not full yet: no transaction, no pin, no thread. Each item is read when its
/// turn comes, with its images as they are at that moment, and all of these are opened before a byte of them is sent, so that what is deleted meanwhile is
/// still whole. Where one of them is not there, the item is read once more: one that was deleted right then is left out, one that has other images by
/// then is sent with those, and one that names the same images still is damage, which ends the export.
struct ArchiveExport {
    /// Items of one file at most.
    static let fileItemsMax = 1_000
    /// Bytes from which on a file takes no further item: what an export holds in memory.
    static let fileBytesMax = 1_024 * 1_024

    let accountID: Identifier
    let store: any ArchiveStore
    let images: ImageLibrary
    let format: any ArchiveFormat
    let sent: any DigestIndex
    let makeDigest: () -> any RunningDigest
    private var tally: ArchiveTally
    private var lines: [UInt8] = []
    private var lineCount = 0

    init(
        accountID: Identifier, store: any ArchiveStore, images: ImageLibrary, format: any ArchiveFormat, sent: any DigestIndex,
        makeDigest: @escaping () -> any RunningDigest
    ) {
        self.accountID = accountID
        self.store = store
        self.images = images
        self.format = format
        self.sent = sent
        self.makeDigest = makeDigest
        tally = ArchiveTally(makeDigest)
    }

    /// Hands out all bytes of the archive.
    /// - Parameters:
    ///   - progress: told how many items are done.
    ///   - sink: takes bytes; the next come when it returns.
    mutating func write(progress: (Int) -> Void, to sink: ([UInt8]) async throws -> Void) async throws {
        var position: PikzonalityPosition?
        var incomplete: StoredItem?
        while let stored = try await store.item(after: position, accountID: accountID) {
            try Task.checkCancellation()
            guard let open = try await openedImages(of: stored, knowing: incomplete) else {
                incomplete = stored
                continue
            }
            position = PikzonalityPosition(nameKey: "", createdAt: stored.item.createdAt, id: stored.item.id)
            for image in open { try await send(image, to: sink) }
            lines += format.line(of: ArchiveItem(stored)) + [UInt8(ascii: "\n")]
            lineCount += 1
            tally.add(items: 1)
            progress(tally.manifest.itemCount)
            if lineCount == Self.fileItemsMax || lines.count >= Self.fileBytesMax { try await sendItems(to: sink) }
        }
        if lineCount > 0 { try await sendItems(to: sink) }
        let manifest = format.document(of: tally.finish())
        try await send(TarHeader(path: .manifest, byteCount: manifest.count), manifest, to: sink)
        try await sink(TarHeader.end)
    }

    private mutating func sendItems(to sink: ([UInt8]) async throws -> Void) async throws {
        tally.beginItems(byteCount: lines.count)
        tally.add(lines)
        let header = TarHeader(path: .items(number: tally.manifest.items.files), byteCount: lines.count)
        try await send(header, lines, to: sink)
        (lines, lineCount) = ([], 0)
    }

    private func send(_ header: TarHeader, _ content: [UInt8], to sink: ([UInt8]) async throws -> Void) async throws {
        try await sink(header.block)
        try await sink(content + [UInt8](repeating: 0, count: header.paddingBytes))
    }

    /// Opens those images of an item that were not sent before; nil where one of them is not there.
    /// - Parameter incomplete: the item that was read last, one of whose images was not there.
    /// - Throws: `damaged` where that is the same item with the same images.
    private func openedImages(of stored: StoredItem, knowing incomplete: StoredItem?) async throws(Failure) -> [OpenImage]? {
        var open: [OpenImage] = []
        for image in stored.images {
            guard !open.contains(where: { $0.image.key == image.key }), try sent.place(of: image.digest) == nil else { continue }
            guard let found = try await opened(image) else {
                if let incomplete, incomplete.item.id == stored.item.id, incomplete.images == stored.images {
                    let path = ArchivePath.image(digest: image.digest, image.format)
                    throw .damaged(.dataFolder, Finding(.fileMissing, path.text, "The image is not there"))
                }
                return nil
            }
            open.append(found)
        }
        return open
    }

    /// Opens an image; nil where it is gone.
    private func opened(_ image: StoredImage) async throws(Failure) -> OpenImage? {
        do throws(Failure) {
            return try await images.open(image)
        } catch {
            guard error == .notFound else { throw error }
            return nil
        }
    }

    private mutating func send(_ content: OpenImage, to sink: ([UInt8]) async throws -> Void) async throws {
        let image = content.image
        let path = ArchivePath.image(digest: image.digest, image.format)
        let header = TarHeader(path: path, byteCount: image.byteCount)
        try await sink(header.block)
        var digest = makeDigest()
        let count = try await content.blob.send(0..<image.byteCount) { chunk in
            digest.add(chunk)
            try await sink(chunk)
        }
        // An archive that could not be taken in again must not come to its end.
        guard count == image.byteCount, digest.finish() == image.digest else {
            throw Failure.damaged(.dataFolder, Finding(.fileDamaged, path.text, "The image is not what was stored"))
        }
        try await sink([UInt8](repeating: 0, count: header.paddingBytes))
        _ = try sent.insert(image.digest, at: 0..<image.byteCount)
        tally.addImage(path, byteCount: image.byteCount)
    }
}
