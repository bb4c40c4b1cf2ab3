import Crypto
import Foundation
import NIOPosix
import Personas
import Synchronization
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Blobs as files", .timeLimit(.minutes(1)))
struct FileBlobStoreTests {
    @Test("An image is stored under the hash of its bytes, and known for what it is")
    func contentAddressing() async throws {
        try await withStorage { open in
            let sanitized = try SanitizedImage.fixture(1, side: 40)
            let image = try await open.store(sanitized)
            let hash = SHA256.hash(data: sanitized.bytes).map { String(format: "%02x", $0) }.joined()
            #expect(
                image
                    == StoredImage(
                        key: BlobKey(digest: Array(SHA256.hash(data: sanitized.bytes))), format: .png, width: 40, height: 40,
                        byteCount: sanitized.bytes.count))
            let path = "\(open.directory)/media/\(hash.prefix(2))/\(hash.dropFirst(2))"
            #expect(open.files.folder.file(of: image.key) == path)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(sanitized.bytes))
            #expect(try await open.verifiedBytes(of: image) == sanitized.bytes)
            #expect(try mediaFiles(open) == [path])
        }
    }

    @Test("Bytes that are there already are not written again")
    func existingBytes() async throws {
        try await withStorage { open in
            let first = try await open.store(try .fixture(1))
            let path = open.files.folder.file(of: first.key)
            let number = try inode(path)
            #expect(try await open.store(try .fixture(1)) == first)
            #expect(try inode(path) == number)
            #expect(try mediaFiles(open) == [path])
        }
    }

    @Test("Many tasks that store the same bytes at once leave one file, whole")
    func sameBytesAtOnce() async throws {
        try await withStorage { open in
            let sanitized = try SanitizedImage.fixture(1, side: 100)
            let images = try await withThrowingTaskGroup(of: StoredImage.self) { group in
                for _ in 0..<30 { group.addTask { try await open.store(sanitized) } }
                return try await group.reduce(into: Set<StoredImage>()) { $0.insert($1) }
            }
            let image = try #require(images.first)
            #expect(images.count == 1)
            #expect(try mediaFiles(open) == [open.files.folder.file(of: image.key)])
            #expect(try await open.verifiedBytes(of: image) == sanitized.bytes)
        }
    }

    @Test("What a crash left half way in is cleared at the next start; what had arrived stays")
    func incoming() async throws {
        try await withDataFolder { directory in
            let image = try await withStorage(in: directory) { open in try await open.store(try .fixture(1)) }
            let leftover = directory + "/media/incoming/half-written"
            try Data("half".utf8).write(to: URL(fileURLWithPath: leftover))
            try await withStorage(in: directory) { open in
                #expect(!FileManager.default.fileExists(atPath: leftover))
                #expect(try await open.verifiedBytes(of: image).count == image.byteCount)
                _ = try await open.store(try .fixture(2))
                #expect(try mediaFiles(open).count == 2)
            }
        }
    }

    @Test("An image that cannot be stored is an error, leaves nothing behind and pins nothing")
    func storeFails() async throws {
        try await withStorage { open in
            let sanitized = try SanitizedImage.fixture(1)
            let key = BlobKey(digest: Array(SHA256.hash(data: sanitized.bytes)))
            let path = open.files.folder.file(of: key)
            let folder = String(path.prefix(path.count - 63))
            try FileManager.default.removeItem(atPath: folder)
            await #expect {
                try await open.store(sanitized)
            } throws: { error in
                guard case Failure.mediaNotStored = error else { return false }
                return true
            }
            #expect(try mediaFiles(open) == [])
            #expect(open.index.pins.beginDeleting([key]) == [key], "nothing pins it")
            open.index.pins.endDeleting([key])
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            _ = try await open.store(sanitized)
            #expect(open.index.pins.beginDeleting([key]) == [], "the one who stored it pins it")
        }
    }

    @Test("A token opens its image, in parts too; one that never was opens nothing")
    func open() async throws {
        try await withStorage { open in
            let sanitized = try (0..<3).map { try SanitizedImage.fixture(UInt64($0), side: 60) }
            var images: [StoredImage] = []
            for image in sanitized { images.append(try await open.store(image)) }
            let item = try await open.insert("Nova", of: try await open.account(), images: images)
            for (position, token) in item.referenceTokens.enumerated() {
                let (content, bytes) = (try await open.images.open(token), sanitized[position].bytes)
                #expect(content.image == images[position])
                #expect(try await content.read(at: 0, count: bytes.count) == bytes)
                #expect(try await content.read(at: 100, count: 50) == Array(bytes[100..<150]))
                #expect(try await content.read(at: bytes.count - 3, count: 50) == Array(bytes.suffix(3)))
                #expect(try await content.read(at: bytes.count, count: 50) == [])
            }
            await #expect(throws: Failure.notFound) { try await open.images.open(.random()) }
        }
    }

    @Test("A reader that began before the deletion reads to the end; afterwards the token opens nothing")
    func readerOutlivesDeletion() async throws {
        try await withStorage { open in
            let sanitized = try SanitizedImage.fixture(1, side: 60)
            let image = try await open.store(sanitized)
            open.unpin([image])
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, images: [image], outcome: .completed)
            let content = try await open.images.open(item.referenceTokens[0])
            #expect(try await content.read(at: 0, count: 10) == Array(sanitized.bytes.prefix(10)))

            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1))
            await #expect(throws: Failure.notFound) { try await open.images.open(item.referenceTokens[0]) }
            #expect(try await open.collector.collect() == 1)
            #expect(try mediaFiles(open) == [])
            #expect(try await content.read(at: 10, count: sanitized.bytes.count) == Array(sanitized.bytes.dropFirst(10)))
        }
    }

    @Test("Bytes that changed, shrank or went from disk are noticed", arguments: ["changed", "shortened", "gone"])
    func corruption(kind: String) async throws {
        try await withStorage { open in
            let image = try await open.store(try .fixture(1))
            let url = URL(fileURLWithPath: open.files.folder.file(of: image.key))
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count - 20] ^= 1
            switch kind {
            case "changed": try bytes.write(to: url)
            case "shortened": try bytes.dropLast().write(to: url)
            default: try FileManager.default.removeItem(at: url)
            }
            await #expect {
                try await open.verifiedBytes(of: image)
            } throws: { error in
                guard case Failure.unexpected = error else { return false }
                return true
            }
        }
    }

    /// A store of its own, without any database.
    private func withBlobs(_ body: (FileBlobStore) async throws -> Void) async throws {
        try await withDataFolder { directory in
            let blobs = try FileBlobStore(folder: BlobFolder(directory + "/blobs"), threads: 2)
            defer { blobs.close() }
            try await body(blobs)
        }
    }

    @Test("What is fetched does not wait behind what is stored")
    func fetchedWhileStoring() async throws {
        try await withBlobs { blobs in
            let bytes = Array("bytes".utf8)
            let key = BlobKey(digest: try await blobs.digest(of: bytes))
            try await blobs.put(bytes, under: key)
            let isRead = DispatchSemaphore(value: 0)
            let isReadInTime = Mutex<[Bool]>([])
            for _ in 0..<2 {
                blobs.pool.submit { _ in
                    let isInTime = isRead.wait(timeout: .now() + 20) == .success
                    isReadInTime.withLock { $0.append(isInTime) }
                }
            }
            var read: [UInt8] = []
            _ = try await blobs.open(key).send(0..<bytes.count) { read += $0 }
            #expect(read == bytes)
            for _ in 0..<2 { isRead.signal() }
            try await eventually("the end of both waits") { isReadInTime.withLock { $0.count } == 2 }
            #expect(isReadInTime.withLock { $0 } == [true, true])
        }
    }

    @Test(
        "The key of small bytes and of large ones is their SHA-256",
        arguments: [0, 1, BodyDecoding.smallBytesMax, BodyDecoding.smallBytesMax + 1])
    func digests(byteCount: Int) async throws {
        try await withBlobs { blobs in
            let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
            let digest = try await blobs.digest(of: bytes)
            #expect(digest == Array(SHA256.hash(data: bytes)))
        }
    }

    private struct SinkFull: Error, Equatable {}

    @Test("A part is handed out in chunks, one after the other, and none after the sink has failed")
    func chunks() async throws {
        try await withBlobs { blobs in
            let size = Limits.blobChunkBytesMax
            let bytes = (0..<3 * size + 100).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
            let key = BlobKey(digest: try await blobs.digest(of: bytes))
            try await blobs.put(bytes, under: key)
            let blob = try await blobs.open(key)
            for range in [0..<bytes.count, 1..<size, 5..<size + 6, size..<size, bytes.count - 1..<bytes.count] {
                var chunks: [[UInt8]] = []
                #expect(try await blob.send(range) { chunks.append($0) } == range.count)
                #expect(chunks.flatMap { $0 } == Array(bytes[range]))
                #expect(chunks.dropLast().allSatisfy { $0.count == size })
            }
            var count = 0
            await #expect(throws: SinkFull()) {
                try await blob.send(0..<bytes.count) { _ in
                    count += 1
                    if count == 2 { throw SinkFull() }
                }
            }
            #expect(count == 2)
        }
    }

    @Test("A blob that ends before the part asked for says how much there was, and hands out no chunk that is cut short")
    func shortened() async throws {
        try await withBlobs { blobs in
            let size = Limits.blobChunkBytesMax
            let bytes = [UInt8](repeating: 7, count: 2 * size)
            let key = BlobKey(digest: try await blobs.digest(of: bytes))
            try await blobs.put(bytes, under: key)
            try #require(truncate(blobs.folder.file(of: key), off_t(size + 1)) == 0)
            let blob = try await blobs.open(key)
            var received = 0
            #expect(try await blob.send(0..<2 * size) { received += $0.count } == size)
            #expect(received == size)
            #expect(try await !blobs.isIntact(key))
        }
    }

    @Test("Each part lists its own blobs, and a blob that was deleted, once or twice, is in none and cannot be opened")
    func listing() async throws {
        try await withBlobs { blobs in
            var keys: [BlobKey] = []
            for number in 0..<UInt8(40) {
                let key = BlobKey(digest: try await blobs.digest(of: [number]))
                try await blobs.put([number], under: key)
                keys.append(key)
            }
            for _ in 0..<2 { try await blobs.delete(keys[0]) }
            await #expect(throws: Failure.notFound) { try await blobs.open(keys[0]) }
            await #expect(throws: Failure.notFound) { try await blobs.isIntact(keys[0]) }
            #expect(try await blobs.isIntact(keys[1]))
            var listed: [BlobKey] = []
            for prefix in 0...UInt8.max {
                try await blobs.list(prefix) { (found) async throws(Failure) in
                    #expect(found.allSatisfy { $0.digest[0] == prefix })
                    listed += found
                }
            }
            #expect(listed.sorted() == keys.dropFirst().sorted())
        }
    }

    private func inode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int)
    }
}
