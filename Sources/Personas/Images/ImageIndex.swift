/// An image as it is stored: where its bytes lie, and what they are.
package struct StoredImage: Sendable, Hashable {
    /// What its bytes lie under.
    package let key: BlobKey
    /// The format found in the bytes, whatever was declared.
    package let format: ImageFormat
    /// Pixels across.
    package let width: Int
    /// Pixels down.
    package let height: Int
    /// Length of the stored bytes.
    package let byteCount: Int

    package init(key: BlobKey, format: ImageFormat, width: Int, height: Int, byteCount: Int) {
        self.key = key
        self.format = format
        self.width = width
        self.height = height
        self.byteCount = byteCount
    }

    /// SHA-256 of the stored bytes, 32 bytes.
    package var digest: [UInt8] { key.digest }
}

/// Knows which blobs are images, which of them are needed, and which are to be deleted. The bytes themselves are kept by a `BlobStore`.
///
/// Between its bytes and the row that names it an image is needed by no row, so it is pinned meanwhile. An index may be shared by several
/// processes, so nothing here says that a pin lies in memory, or that it lasts for ever.
package protocol ImageIndex: Sendable {
    /// The image behind a token.
    /// - Throws: `notFound` for a token that never was or is no more.
    func image(_ token: RandomToken) async throws(Failure) -> StoredImage
    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: `notFound`.
    func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage?

    /// Pins the bytes of an image, which are about to be stored, against deletion, and names the key that they are to lie under.
    ///
    /// To be called before anything looks whether they lie there. Where such bytes are being deleted this waits until they are gone, so that
    /// they are stored anew. Each pin ends with `unpin` or `abandon`, one call for one pin; several may last at once. An index that several
    /// processes share ends pins by itself after some minutes, because a process may die with one. A row that comes too late for its pin, when
    /// the bytes may be gone, is refused by the store that writes it with `storeBusy`: nothing was done, and the same call may succeed later.
    /// - Parameter digest: that of the image's bytes.
    func pin(_ image: SanitizedImage, digest: [UInt8]) async throws(Failure) -> StoredImage
    /// Ends one pin of each image, once the row that names it is committed.
    func unpin(_ images: [StoredImage]) async
    /// Ends one pin of each image when the row was not committed. The next collection takes the bytes away, unless another row names them.
    func abandon(_ images: [StoredImage]) async

    /// The first keys behind one, in their order, of those that deletions queued or callers abandoned: all that may be needless.
    func removals(after last: BlobKey?, limit: Int) async throws(Failure) -> [BlobKey]
    /// Those of the keys that no row names.
    func unnamed(among keys: [BlobKey]) async throws(Failure) -> [BlobKey]
    /// Takes out the rows of those blobs that nothing needs and nothing pins, then has their bytes deleted, then forgets them.
    ///
    /// While that lasts they are being deleted: `pin` waits for its end. A crash at any point leaves the queue of removals to start over with. A
    /// blob that is pinned is left for a later round.
    /// - Parameters:
    ///   - now: when the blobs are queued for removal, if they are not yet.
    ///   - deletingBytes: deletes the bytes of blobs whose rows are out, and returns those of which they are gone. The others stay queued.
    /// - Returns: of how many the bytes are gone.
    func remove(
        _ keys: [BlobKey], at now: Timestamp, deletingBytes: ([BlobKey]) async -> [BlobKey]
    ) async throws(Failure) -> Int
}
