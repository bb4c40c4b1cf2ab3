import Crypto
import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("The media folder", .timeLimit(.minutes(1)))
struct MediaFolderTests {
    @Test("An image is stored under the hash of its bytes, and known for what it is")
    func contentAddressing() async throws {
        try await withStorage { open in
            let probed = try SanitizedImage.fixture(1, side: 40)
            let image = try await open.media.store(probed)
            let hash = SHA256.hash(data: probed.bytes).map { String(format: "%02x", $0) }.joined()
            #expect(
                image
                    == StoredImage(
                        digest: Array(SHA256.hash(data: probed.bytes)), format: .png, width: 40, height: 40, byteCount: probed.bytes.count))
            let path = "\(open.directory)/media/\(hash.prefix(2))/\(hash.dropFirst(2))"
            #expect(open.folder.path(of: image.digest) == path)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(probed.bytes))
            #expect(try await open.media.verifiedBytes(of: image) == probed.bytes)
            #expect(try mediaFiles(open) == [path])
        }
    }

    @Test("Bytes that are there already are not written again")
    func existingBytes() async throws {
        try await withStorage { open in
            let first = try await open.media.store(try .fixture(1))
            let path = open.folder.path(of: first.digest)
            let number = try inode(path)
            #expect(try await open.media.store(try .fixture(1)) == first)
            #expect(try inode(path) == number)
            #expect(try mediaFiles(open) == [path])
        }
    }

    @Test("Many who store the same bytes at once leave one file, whole")
    func sameBytesAtOnce() async throws {
        try await withStorage { open in
            let probed = try SanitizedImage.fixture(1, side: 100)
            let images = try await withThrowingTaskGroup(of: StoredImage.self) { group in
                for _ in 0..<30 { group.addTask { try await open.media.store(probed) } }
                return try await group.reduce(into: Set<StoredImage>()) { $0.insert($1) }
            }
            let image = try #require(images.first)
            #expect(images.count == 1)
            #expect(try mediaFiles(open) == [open.folder.path(of: image.digest)])
            #expect(try await open.media.verifiedBytes(of: image) == probed.bytes)
        }
    }

    @Test("What a crash left half way in is cleared at the next start; what had arrived stays")
    func incoming() async throws {
        try await withDataFolder { directory in
            let image = try await withStorage(in: directory) { open in try await open.media.store(try .fixture(1)) }
            let leftover = directory + "/media/incoming/half-written"
            try Data("half".utf8).write(to: URL(fileURLWithPath: leftover))
            try await withStorage(in: directory) { open in
                #expect(!FileManager.default.fileExists(atPath: leftover))
                #expect(try await open.media.verifiedBytes(of: image).count == image.byteCount)
                _ = try await open.media.store(try .fixture(2))
                #expect(try mediaFiles(open).count == 2)
            }
        }
    }

    @Test("An image that cannot be stored is an error, leaves nothing behind and holds nothing")
    func storeFails() async throws {
        try await withStorage { open in
            let probed = try SanitizedImage.fixture(1)
            let digest = Array(SHA256.hash(data: probed.bytes))
            let path = open.folder.path(of: digest)
            let folder = String(path.prefix(path.count - 63))
            try FileManager.default.removeItem(atPath: folder)
            await #expect {
                try await open.media.store(probed)
            } throws: { error in
                guard case Failure.mediaNotStored = error else { return false }
                return true
            }
            #expect(try mediaFiles(open) == [])
            #expect(open.folder.holds.beginRemoval(of: [digest]) == [digest], "nobody holds it")
            open.folder.holds.endRemoval(of: [digest])
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            _ = try await open.media.store(probed)
            #expect(open.folder.holds.beginRemoval(of: [digest]) == [], "the one who stored it holds it")
        }
    }

    @Test("A token opens its image, in parts too; one that never was opens nothing")
    func open() async throws {
        try await withStorage { open in
            let probed = try (0..<3).map { try SanitizedImage.fixture(UInt64($0), side: 60) }
            var images: [StoredImage] = []
            for image in probed { images.append(try await open.media.store(image)) }
            let item = try await open.insert("Nova", of: try await open.account(), images: images)
            for (position, token) in item.referenceTokens.enumerated() {
                let (content, bytes) = (try await open.media.open(token), probed[position].bytes)
                #expect(content.image == images[position])
                #expect(try await content.read(at: 0, count: bytes.count) == bytes)
                #expect(try await content.read(at: 100, count: 50) == Array(bytes[100..<150]))
                #expect(try await content.read(at: bytes.count - 3, count: 50) == Array(bytes.suffix(3)))
                #expect(try await content.read(at: bytes.count, count: 50) == [])
            }
            await #expect(throws: Failure.notFound) { try await open.media.open(.random()) }
        }
    }

    @Test("A reader that began before the deletion reads to the end; afterwards the token opens nothing")
    func readerOutlivesDeletion() async throws {
        try await withStorage { open in
            let probed = try SanitizedImage.fixture(1, side: 60)
            let image = try await open.media.store(probed)
            open.media.release([image])
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, images: [image], outcome: .completed)
            let content = try await open.media.open(item.referenceTokens[0])
            #expect(try await content.read(at: 0, count: 10) == Array(probed.bytes.prefix(10)))

            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1))
            await #expect(throws: Failure.notFound) { try await open.media.open(item.referenceTokens[0]) }
            #expect(try await open.media.removeUnreferenced() == 1)
            #expect(try mediaFiles(open) == [])
            #expect(try await content.read(at: 10, count: probed.bytes.count) == Array(probed.bytes.dropFirst(10)))
        }
    }

    @Test("Bytes that changed, shrank or went from disk are noticed", arguments: ["changed", "shortened", "gone"])
    func corruption(kind: String) async throws {
        try await withStorage { open in
            let image = try await open.media.store(try .fixture(1))
            let url = URL(fileURLWithPath: open.folder.path(of: image.digest))
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count - 20] ^= 1
            switch kind {
            case "changed": try bytes.write(to: url)
            case "shortened": try bytes.dropLast().write(to: url)
            default: try FileManager.default.removeItem(at: url)
            }
            await #expect {
                try await open.media.verifiedBytes(of: image)
            } throws: { error in
                guard case Failure.unexpected = error else { return false }
                return true
            }
        }
    }

    private func inode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int)
    }
}
