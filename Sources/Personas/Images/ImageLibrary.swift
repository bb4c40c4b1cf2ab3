/// A published image, opened for reading.
package struct OpenImage: Sendable {
    /// What is known of the image.
    package let image: StoredImage
    /// Its bytes, which outlive their deletion as long as this does.
    package let blob: any Blob
}

/// The use cases of stored images: rows and bytes together.
package struct ImageLibrary: Sendable {
    private let index: any ImageIndex
    private let blobs: any BlobStore
    private let signals: WorkSignals

    /// Ties the use cases to their ports.
    package init(index: any ImageIndex, blobs: any BlobStore, signals: WorkSignals) {
        self.index = index
        self.blobs = blobs
        self.signals = signals
    }

    /// Stores images, then does what names them in a row; until that is over nothing takes their bytes away.
    ///
    /// The bytes are durable before the body begins, so that a row never names bytes that are not on disk. When anything fails, the images are
    /// given up. That is so, too, for the `storeBusy` of a row that came too late for its pins, where the images would have to be stored once
    /// more: it takes a body that waits for minutes, longer than any client does, and to be ready for it every call would have to hold its
    /// images for as long as it runs. So the failure goes to the caller, who may send the same again.
    /// - Parameter images: they are let go of before the body begins, because they are large and it may wait.
    /// - Throws: `mediaNotStored`, `usedUp`, and what the body throws.
    package func withStored<Value: Sendable>(
        _ images: consuming [SanitizedImage], _ body: ([StoredImage]) async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let stored = try await storeAll(consume images)
        let value: Value
        do throws(Failure) {
            value = try await body(stored)
        } catch {
            await abandon(stored)
            throw error
        }
        await index.unpin(stored)
        return value
    }

    /// What is known of the image behind a token.
    /// - Throws: `notFound` for a token that never was or is no more.
    package func image(_ token: RandomToken) async throws(Failure) -> StoredImage { try await index.image(token) }

    /// The same, where that needs no waiting; nil where it does.
    /// - Throws: `notFound`.
    package func imageNow(_ token: RandomToken) throws(Failure) -> StoredImage? { try index.imageNow(token) }

    /// Opens an image that a token led to. Its bytes may be deleted meanwhile, with the item: to the client both are one.
    /// - Throws: `notFound`.
    package func open(_ image: StoredImage) async throws(Failure) -> OpenImage {
        OpenImage(image: image, blob: try await blobs.open(image.key))
    }

    /// Reads an image back and compares it with its digest.
    /// - Throws: `unexpected` when its bytes are missing or were changed in the store.
    package func verify(_ image: StoredImage) async throws(Failure) {
        let isIntact: Bool
        do throws(Failure) {
            isIntact = try await blobs.isIntact(image.key)
        } catch .notFound {
            throw .unexpected("The bytes of image \(hexadecimal(image.digest)) are missing")
        }
        guard isIntact else { throw .unexpected("The bytes of image \(hexadecimal(image.digest)) do not match its digest") }
    }

    /// Stores images side by side, because most of the time goes into waiting for the disk; all or none stay pinned.
    private func storeAll(_ images: [SanitizedImage]) async throws(Failure) -> [StoredImage] {
        let results = await mapConcurrently(images) { (_, image) async throws(Failure) in try await store(image) }
        let stored = results.compactMap { try? $0.get() }
        for case .failure(let failure) in results {
            await abandon(stored)
            throw failure
        }
        return stored
    }

    /// Pins one image and makes it durable. It stays pinned.
    func store(_ image: SanitizedImage) async throws(Failure) -> StoredImage {
        let stored = try await index.pin(image, digest: try await blobs.digest(of: image.bytes))
        do throws(Failure) {
            try await blobs.put(image.bytes, under: stored.key)
        } catch {
            // It may lie there under its final name already.
            await index.abandon([stored])
            throw error
        }
        return stored
    }

    /// Ends one pin of each image, once rows name them.
    func release(_ images: [StoredImage]) async { await index.unpin(images) }

    /// Gives up images that no row came to name.
    func abandon(_ images: [StoredImage]) async {
        await index.abandon(images)
        signals.removals.notify()
    }
}
