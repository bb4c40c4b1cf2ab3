import Foundation
import Personas
import Synchronization
import Testing

@testable import PersonasDB

@Suite("Storing images for a row", .timeLimit(.minutes(1)))
struct ImageLibraryTests {
    private static func library(_ open: OpenStorage, blobs: (any BlobStore)? = nil) -> (ImageLibrary, WorkSignals) {
        let signals = WorkSignals()
        return (ImageLibrary(index: open.storage.images, blobs: blobs ?? open.storage.blobs, signals: signals), signals)
    }

    private static func fixtures(_ count: UInt64) throws -> [SanitizedImage] { try (0..<count).map { try .fixture($0) } }

    @Test(
        "The bytes are on disk and pinned, in the order of the images, before the row is written, and no longer pinned after",
        arguments: House.all)
    func success(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (library, signals) = Self.library(open)
            let images = try Self.fixtures(3)
            let stored = try await library.withStored(images) { (stored) async throws(Failure) in
                #expect(stored.map(\.byteCount) == images.map(\.bytes.count))
                for image in stored { #expect(PosixFile.exists(open.file(of: image))) }
                #expect(try await open.collector.collect() == 0)
                return stored
            }
            for (image, sanitized) in zip(stored, images) { #expect(try await open.verifiedBytes(of: image) == sanitized.bytes) }
            let keys = stored.map(\.key)
            if house == .sqlite {
                #expect(open.index.pins.beginDeleting(keys) == keys)
                open.index.pins.endDeleting(keys)
            }
            #expect(signals.removals.count == 0)
            #expect(try await open.collector.collect() == 0)
        }
    }

    @Test("When the row is not written, the images are given up, and what takes bytes away is woken", arguments: House.all)
    func bodyFails(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (library, signals) = Self.library(open)
            let images = try Self.fixtures(3)
            await #expect(throws: Failure.nameReserved) {
                try await library.withStored(images) { (_) async throws(Failure) in throw Failure.nameReserved }
            }
            #expect(signals.removals.count == 1)
            #expect(try open.imageFiles().count == 3)
            try await open.endHolds()
            #expect(try await open.collector.collect() == 3)
            #expect(try open.imageFiles() == [])
        }
    }

    /// The real store, but for some bytes that cannot be written.
    private struct PickyBlobs: BlobStore {
        let blobs: any BlobStore
        let refused: [UInt8]

        func put(_ bytes: [UInt8], under key: BlobKey) async throws(Failure) {
            guard bytes != refused else { throw .mediaNotStored("no room") }
            try await blobs.put(bytes, under: key)
        }

        func digest(of bytes: [UInt8]) async throws(Failure) -> [UInt8] { try await blobs.digest(of: bytes) }
        func open(_ key: BlobKey) async throws(Failure) -> any Blob { try await blobs.open(key) }
        func isIntact(_ key: BlobKey) async throws(Failure) -> Bool { try await blobs.isIntact(key) }
        func delete(_ key: BlobKey) async throws(Failure) { try await blobs.delete(key) }
        func list(_ prefix: UInt8, to sink: ([BlobKey]) async throws(Failure) -> Void) async throws(Failure) {
            try await blobs.list(prefix, to: sink)
        }
    }

    @Test("When one of several cannot be stored, none stays, and no row is written", arguments: House.all, 0..<3)
    func oneFails(on house: House, _ refused: Int) async throws {
        try await withStorage(on: house) { open in
            let images = try Self.fixtures(3)
            let (library, signals) = Self.library(open, blobs: PickyBlobs(blobs: open.storage.blobs, refused: images[refused].bytes))
            await #expect(throws: Failure.mediaNotStored("no room")) {
                try await library.withStored(images) { (_) async throws(Failure) in Issue.record("a row was written") }
            }
            #expect(signals.removals.count == 1)
            try await open.endHolds()
            #expect(try await open.collector.collect() >= 2)
            #expect(try open.imageFiles() == [])
            #expect(try await open.storage.images.removals(after: nil, limit: 9) == [])
        }
    }

    @Test("The first abandoned keys behind one come in their order, however many there are and whichever came first")
    func abandonedInOrder() {
        let pins = ImagePins()
        let keys = (0..<200).map { number in BlobKey(digest: [UInt8](repeating: UInt8(number), count: 32)) }
        for key in keys.shuffled() { pins.abandon(key) }
        for limit in [1, 2, 64, 199, 200, 201] {
            #expect(pins.abandoned(after: nil, limit: limit) == Array(keys.prefix(limit)))
            for place in [0, 1, 100, 198, 199] {
                #expect(pins.abandoned(after: keys[place], limit: limit) == Array(keys[(place + 1)...].prefix(limit)))
            }
        }
        pins.forgetAbandoned(Array(keys[0..<100]))
        #expect(pins.abandoned(after: nil, limit: 2) == Array(keys[100..<102]))
    }

    @Test("Those that deletions queued and those that were abandoned are walked through together, by key, each once", arguments: House.all)
    func removals(on house: House) async throws {
        try await withStorage(on: house) { open in
            var stored: [StoredImage] = []
            for image in try Self.fixtures(9) { stored.append(try await open.store(image)) }
            let item = try await open.insert("Nova", of: try await open.account(), images: Array(stored[0..<5]), outcome: .completed)
            _ = try await open.items.delete(item.id, mode: nil, accountID: item.accountID, at: .second(1))
            await open.abandon(Array(stored[3...]))
            var found: [BlobKey] = []
            while case let next = try await open.storage.images.removals(after: found.last, limit: 2), !next.isEmpty {
                #expect(next.count <= 2)
                found += next
            }
            #expect(found == stored.map { BlobKey(digest: $0.digest) }.sorted())
        }
    }
}
