import AsyncHTTPClient
import Personas
import TestObjectStore
import TestSupport
import Testing

@testable import PersonasS3

/// Against a store that is none of ours, and that checks every signature and digest.
@Suite("Images in a bucket", .timeLimit(.minutes(3)))
struct S3ObjectStoreTests {
    private static func withBucket<Value>(
        bounds: S3Bounds = StoreFixture.shortBounds, clock: WallClock = .system,
        _ body: (S3ObjectStore, _ bucket: String) async throws -> Value
    ) async throws -> Value {
        let bucket = try await StoreFixture.bucket()
        return try await StoreFixture.withStore(at: bucket, credentials: ObjectStoreServer.owner, bounds: bounds, clock: clock) {
            try await body($0, bucket)
        }
    }

    @Test("are put, read as a whole and in parts, verified and deleted")
    func life() async throws {
        let bytes = StoreFixture.bytes(3 * Limits.blobChunkBytesMax + 1_000)
        let key = StoreFixture.key(of: bytes)
        try await Self.withBucket { store, _ in
            try await store.probe()
            #expect(try await store.digest(of: bytes) == key.digest)
            #expect(try await store.digest(of: [1]) == StoreFixture.key(of: [1]).digest)
            await #expect(throws: Failure.notFound) { try await store.open(key) }
            await #expect(throws: Failure.notFound) { try await store.isIntact(key) }
            try await store.delete(key)

            try await store.put(bytes, under: key)
            // It is there already.
            try await store.put(bytes, under: key)
            #expect(try await store.isIntact(key))
            let end = bytes.count
            for range in [0..<end, 0..<1, 1..<end, 65_535..<190_000, 65_536..<131_072, end - 1..<end, 0..<65_536, 5..<5] {
                #expect(try await store.bytes(range, of: key) == Array(bytes[range]), "\(range)")
            }

            try await store.delete(key)
            await #expect(throws: Failure.notFound) { try await store.open(key) }
            try await store.delete(key)
        }
    }

    @Test("are sent twice from one opening, and nothing of a chunk that is not there to its end")
    func short() async throws {
        let bytes = StoreFixture.bytes(Limits.blobChunkBytesMax + 1_000)
        let key = StoreFixture.key(of: bytes)
        try await Self.withBucket { store, _ in
            try await store.put(bytes, under: key)
            let blob = try await store.open(key)
            for _ in 0..<2 { #expect(try await blob.bytes(0..<bytes.count) == bytes) }
            for beyond in [bytes.count + 1, 10 * bytes.count] {
                #expect(try await blob.bytes(0..<beyond) == Array(bytes[..<Limits.blobChunkBytesMax]))
            }
            #expect(try await blob.bytes(1_000..<bytes.count) == Array(bytes[1_000...]))
            #expect(try await blob.bytes(1_001..<bytes.count + 1) == [])
            #expect(try await blob.bytes(bytes.count..<bytes.count + 1) == [])
            #expect(try await blob.bytes(10 * bytes.count..<20 * bytes.count) == [])
        }
    }

    @Test("may have as many bytes as an image may")
    func largest() async throws {
        let bytes = StoreFixture.bytes(Limits.imageBytesMax)
        let key = StoreFixture.key(of: bytes)
        try await Self.withBucket { store, _ in
            try await store.put(bytes, under: key)
            #expect(try await store.bytes(0..<bytes.count, of: key) == bytes)
            #expect(try await store.isIntact(key))
        }
    }

    @Test("are sent to the end to whoever opened them before they were deleted")
    func deletedMeanwhile() async throws {
        let bytes = StoreFixture.bytes(Limits.imageBytesMax)
        let key = StoreFixture.key(of: bytes)
        try await Self.withBucket { store, _ in
            try await store.put(bytes, under: key)
            let blob = try await store.open(key)
            try await store.delete(key)
            #expect(try await blob.bytes(0..<bytes.count) == bytes)
            await #expect(throws: Failure.notFound) { try await blob.bytes(0..<bytes.count) }
        }
    }

    @Test("are refused by the store where they are not those of their digest, and found out where they lie under another's name")
    func damaged() async throws {
        let (bytes, other) = (StoreFixture.bytes(100_000), StoreFixture.bytes(100_000, seed: 2))
        let key = StoreFixture.key(of: bytes)
        try await Self.withBucket { store, bucket in
            await #expect { try await store.put(other, under: key) } throws: { isFailure($0, unexpected, holding: "refuses to put") }
            await #expect(throws: Failure.notFound) { try await store.open(key) }
            try await StoreFixture.plant(other, try ObjectName.name(of: key, in: try S3Location(bucket)), in: bucket)
            #expect(try await !store.isIntact(key))
        }
    }

    @Test("are listed by the first byte of their digests, page by page, with the times at which they were written")
    func listing() async throws {
        var bounds = StoreFixture.shortBounds
        bounds.listingNamesMax = 2
        let keys = (0..<7).map { number in
            BlobKey(digest: [number < 5 ? 0xAB : 0xAC] + [UInt8](repeating: UInt8(number / 2), count: 31), object: .random())
        }
        try await Self.withBucket(bounds: bounds) { store, bucket in
            let location = try S3Location(bucket)
            for key in keys { try await StoreFixture.plant([1], try ObjectName.name(of: key, in: location), in: bucket) }
            for name in [
                "some/images/ab/note", "some/images/ab/z", "some/images/ad", "ab/\(hexadecimal(keys[0].digest))/\(Identifier.random())",
            ] {
                try await StoreFixture.plant([1], name, in: bucket)
            }
            var pages: [[ListedBlob]] = []
            try await store.listWithTimes(0xAB) { (blobs) in pages.append(blobs) }
            #expect(pages.flatMap(\.self).map(\.key) == keys[..<5].sorted())
            #expect(pages.count == 4 && pages.allSatisfy { $0.count <= 2 })
            // The moment of the listing is not known better than to some seconds.
            let (earliest, latest) = (Timestamp.now.adding(seconds: -600), Timestamp.now.adding(seconds: 60))
            #expect(
                pages.flatMap(\.self).allSatisfy { $0.modifiedAt.map { earliest < $0 && $0 < latest } ?? false && $0.byteCount ?? 0 > 0 })
            var listed: [BlobKey] = []
            try await store.list(0xAC) { (keys) in listed += keys }
            #expect(listed == keys[5...].sorted())
            try await store.list(0xAD) { (keys) in #expect(keys.isEmpty) }
        }
    }

    @Test("are out of reach for whoever has the wrong secret or no right, and where there is no bucket: the reason is named, and no secret")
    func refused() async throws {
        let bucket = try await StoreFixture.bucket()
        let key = StoreFixture.key(of: [1])
        let wrong = ObjectStoreServer.owner.merging(["AWS_SECRET_ACCESS_KEY": "wrong-secret"]) { $1 }
        let missing = bucket.replacing("s3://b", with: "s3://c")
        let cases = [
            (bucket, wrong, "SignatureDoesNotMatch"), (bucket, ObjectStoreServer.stranger, "AccessDenied"),
            (missing, ObjectStoreServer.owner, "NoSuchBucket"),
        ]
        for (bucket, credentials, code) in cases {
            try await StoreFixture.withStore(at: bucket, credentials: credentials) { store in
                let calls: [() async throws -> Void] = [
                    { try await store.probe() }, { try await store.put([1], under: key) }, { _ = try await store.open(key) },
                    { _ = try await store.isIntact(key) }, { try await store.list(1) { _ in } },
                ]
                for call in calls {
                    await #expect { try await call() } throws: { error in
                        isFailure(error, unexpected, holding: code) && !"\(error)".contains("wrong-secret")
                    }
                }
                await #expect { try await store.delete(key) } throws: { isFailure($0, mediaNotRemoved, holding: code) }
            }
        }
    }

    @Test("are reached with a clock that is an hour off: that of the store counts")
    func skewed() async throws {
        try await Self.withBucket(clock: WallClock { .now.adding(seconds: -3_600) }) { store, _ in
            let key = StoreFixture.key(of: [1])
            try await store.put([1], under: key)
            #expect(try await store.isIntact(key))
        }
    }

    @Test("are reached by the name of the bucket as a host, through a client from outside, which stays open")
    func virtualHost() async throws {
        let bucket = try await StoreFixture.bucket()
        let name = try S3Location(bucket).bucket
        let server = try await ObjectStoreServer.running()
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.dnsOverride = ["\(name).localhost": "127.0.0.1"]
        let client = HTTPClient(configuration: configuration)
        let location = "s3://\(name)/p?endpoint=http://localhost:\(server.port)&path-style=false"
        let key = StoreFixture.key(of: [1, 2])
        let result: Result<Void, any Error>
        do {
            for _ in 0..<2 {
                try await StoreFixture.withStore(at: location, credentials: ObjectStoreServer.owner, client: client) { store in
                    try await store.put([1, 2], under: key)
                    #expect(try await store.bytes(0..<2, of: key) == [1, 2])
                    var listed: [BlobKey] = []
                    try await store.list(key.digest[0]) { (keys) in listed += keys }
                    #expect(listed == [key])
                }
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        try result.get()
    }

    @Test("need a key with an object")
    func withoutObject() async throws {
        let key = BlobKey(digest: StoreFixture.key(of: [1]).digest)
        try await Self.withBucket { store, _ in
            let calls: [() async throws -> Void] = [
                { try await store.put([1], under: key) }, { _ = try await store.open(key) }, { _ = try await store.isIntact(key) },
                { try await store.delete(key) },
            ]
            for call in calls { await #expect { try await call() } throws: { isFailure($0, unexpected, holding: "no object id") } }
        }
    }
}
