/// Names the bytes of one blob, by their content, so that equal bytes need to lie in a store but once.
///
/// It says nothing of where they lie: each store makes of it what it needs, such as a file's path or an object's key. Keys come from an
/// `ImageIndex` or a store's listing alone and are handed on whole; the domain makes none, and takes the digest for no more than what the bytes
/// have to be. A pair of adapters that must not use a name twice puts the id of an object into the key as well.
package struct BlobKey: Sendable, Hashable, Comparable {
    /// SHA-256 of the bytes, 32 bytes.
    package let digest: [UInt8]
    /// The object that holds the bytes, which was never another's id and never will be; nil where they lie under their digest alone.
    package let object: Identifier?

    package init(digest: [UInt8], object: Identifier? = nil) {
        self.digest = digest
        self.object = object
    }

    /// The order of the digests, in which stores and indexes are walked through, and that of the objects, none first, within one.
    package static func < (left: BlobKey, right: BlobKey) -> Bool {
        guard left.digest == right.digest else { return left.digest.lexicographicallyPrecedes(right.digest) }
        guard let object = right.object else { return false }
        return left.object.map { $0 < object } ?? true
    }
}

/// Keeps bytes under their keys, and knows nothing of what they are needed for: that is the word of an `ImageIndex`.
package protocol BlobStore: Sendable {
    /// The SHA-256 of bytes, which their key is made of. It is computed here, because a store needs it, too, to see that they are unharmed.
    /// - Throws: `mediaNotStored` from a store that is closed.
    func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8]
    /// Makes bytes durable: when this returns they survive a power cut. Bytes that are there already are not written again.
    /// - Throws: `mediaNotStored`, or `usedUp` when no file can be opened for the moment.
    func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure)
    /// Opens a blob for reading; deleting it meanwhile does not cut the reader off.
    /// - Throws: `notFound` where there is none, or `usedUp` when no file can be opened for the moment.
    func open(_ key: BlobKey) async throws(Failure) -> any Blob
    /// Reads a blob back. Returns whether its bytes are those that the key was made of.
    /// - Throws: as `open` does.
    func isIntact(_ key: BlobKey) async throws(Failure) -> Bool
    /// Deletes a blob; one that is gone already is no error.
    /// - Throws: `mediaNotRemoved` with the reason for which it cannot be deleted.
    func delete(_ key: BlobKey) async throws(Failure)
    /// Hands out the keys of one of 256 parts, those whose digest begins with a byte, some at a time.
    func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure)
    /// The same with what else a listing knows of each.
    func listWithTimes(_ prefix: UInt8, to sink: ([ListedBlob]) async throws(Failure) -> Void) async throws(Failure)
}

extension BlobStore {
    /// For stores that know no more than the keys.
    package func listWithTimes(_ prefix: UInt8, to sink: ([ListedBlob]) async throws(Failure) -> Void) async throws(Failure) {
        try await list(prefix) { (keys) async throws(Failure) in
            try await sink(keys.map { ListedBlob(key: $0, modifiedAt: nil, byteCount: nil) })
        }
    }
}

/// A blob that a listing found, and what that says of it.
package struct ListedBlob: Sendable, Equatable {
    /// The blob.
    package let key: BlobKey
    /// When it was written, by the store's clock; nil where that is not known.
    package let modifiedAt: Timestamp?
    /// How long it is in bytes; nil where that is not known.
    package let byteCount: Int?

    package init(key: BlobKey, modifiedAt: Timestamp?, byteCount: Int?) {
        self.key = key
        self.modifiedAt = modifiedAt
        self.byteCount = byteCount
    }
}

/// A blob opened for reading.
package protocol Blob: Sendable {
    /// Hands out a part of the bytes in chunks of `Limits.blobChunkBytesMax`, the last one aside. A chunk is read once the sink has taken the one
    /// before, so that a slow reader holds no more than one in memory.
    /// - Returns: how many bytes the sink was given: fewer than the range holds where the blob ends before it does. Of a chunk that is not there
    ///   to its end nothing is handed out.
    /// - Throws: what the sink throws, as it is, or a `Failure` to read.
    func send(_ range: Range<Int>, to sink: ([UInt8]) async throws -> Void) async throws -> Int
}
