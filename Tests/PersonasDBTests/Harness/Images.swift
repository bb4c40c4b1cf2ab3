import Foundation
import Testing

@testable import Personas
@testable import PersonasDB

extension OpenStorage {
    /// Stores an image, as the use cases do before they write a row that names it. It stays pinned.
    func store(_ image: SanitizedImage) async throws(Failure) -> StoredImage { try await images.store(image) }

    /// Ends one pin of each image at once.
    func unpin(_ images: [StoredImage]) {
        guard let database else {
            for image in images { index.pins.unpin(image.key) }
            return
        }
        // Elsewhere they end by themselves, those of one image together, and nobody waits for that here.
        let digests = images.map { "'\\x\(hexadecimal($0.key.digest))'" }.joined(separator: ", ")
        #expect(throws: Never.self) {
            try database.run("UPDATE media SET held_until = 0 WHERE digest IN (\(digests.isEmpty ? "NULL" : digests))")
        }
    }

    /// Gives images up whose row was not written, with the time over for which they are held elsewhere.
    func abandon(_ images: [StoredImage]) async {
        await storage.images.abandon(images)
        if house == .postgres { unpin(images) }
    }

    /// An image's bytes, once they were compared with its digest.
    func verifiedBytes(of image: StoredImage) async throws -> [UInt8] {
        try await images.verify(image)
        return try await OpenImage(image: image, blob: storage.blobs.open(image.key)).read(at: 0, count: image.byteCount)
    }

    /// Sweeps all parts of the store. Returns how many blobs went.
    func sweepAll() async throws -> Int {
        var removed = 0
        for prefix in 0...UInt8.max { removed += try await collector.sweep(prefix) }
        return removed
    }
}

extension OpenImage {
    /// Up to that many bytes from a place on; fewer only at the image's end.
    func read(at place: Int, count: Int) async throws -> [UInt8] {
        let range = min(place, image.byteCount)..<min(place + count, image.byteCount)
        var bytes: [UInt8] = []
        let sent = try await blob.send(range) { bytes += $0 }
        return sent == range.count ? bytes : []
    }
}

extension BlobKey: ExpressibleByArrayLiteral {
    /// A key for tests that need no more than to tell it apart.
    public init(arrayLiteral digest: UInt8...) { self.init(digest: digest) }
}
