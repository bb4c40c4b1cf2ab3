import Personas
import TestSupport
import Testing

@testable import PersonasS3

/// What comes of bodies that break off, drip, or are not what they should be.
@Suite("Answers of a store of objects that is not well", .timeLimit(.minutes(2)))
struct S3BodyFaultTests {
    private static let bytes = StoreFixture.bytes(3 * Limits.blobChunkBytesMax + 100)
    private static let key = StoreFixture.key(of: bytes)

    /// The rest of the bytes, or all of them, as they are asked for.
    private static func rest(for request: FaultyStore.Request, of bytes: [UInt8] = bytes) -> FaultyStore.Reply {
        let (head, part) = answer(to: request, of: bytes)
        return .send(head, body: part)
    }

    /// The same, of which no more than so many bytes come before the connection is closed, or held open in silence.
    private static func start(_ count: Int, isClosed: Bool, for request: FaultyStore.Request) -> FaultyStore.Reply {
        let (head, part) = answer(to: request, of: bytes)
        return isClosed ? .sendAndClose(head, body: Array(part.prefix(count))) : .send(head, body: Array(part.prefix(count)))
    }

    private static func answer(to request: FaultyStore.Request, of bytes: [UInt8]) -> (head: String, part: [UInt8]) {
        guard let range = request.value(of: "range") else {
            return (FaultyStore.Reply.head(200, ["Content-Length: \(bytes.count)"]), bytes)
        }
        let ends = range.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
        let part = Array(bytes[ends[0]...(ends.count > 1 ? min(ends[1], bytes.count - 1) : bytes.count - 1)])
        let place = "Content-Range: bytes \(ends[0])-\(ends[0] + part.count - 1)/\(bytes.count)"
        return (FaultyStore.Reply.head(206, [place, "Content-Length: \(part.count)"]), part)
    }

    @Test("that break off, or do not come on, are asked for from where they were, and handed on without a seam", arguments: [true, false])
    func truncated(isClosed: Bool) async throws {
        var bounds = StoreFixture.shortBounds
        bounds.stallSecondsMax = 0.5
        let reply: @Sendable (FaultyStore.Request) -> FaultyStore.Reply = { request in
            switch request.number % 5 {
            case 0, 1: Self.start(100_000, isClosed: isClosed, for: request)
            case 2: .reset
            case 3: .answer(503)
            default: Self.rest(for: request)
            }
        }
        try await FaultyStore.run(reply) { server in
            try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                let received = try await store.bytes(0..<Self.bytes.count, of: Self.key)
                #expect(received == Self.bytes)
                #expect(server.requests.count == 5)
                let isIntact = try await store.isIntact(Self.key)
                #expect(isIntact)
                #expect(server.requests.count == 10)
                // What has come before a connection ends may be lost with it.
                guard !isClosed else { return }
                let end = Self.bytes.count - 1
                let ranges = server.requests.map { $0.value(of: "range") ?? "" }
                let (sent, verified) = ("bytes=131072-\(end)", "bytes=131072-")
                #expect(Array(ranges[..<5]) == ["", "bytes=65536-\(end)", sent, sent, sent])
                #expect(Array(ranges[5...]) == ["", "bytes=65536-", verified, verified, verified])
            }
        }
    }

    @Test("that do not come on for ever are given up, and whoever reads was given whole chunks alone")
    func stalledForEver() async throws {
        var bounds = StoreFixture.shortBounds
        bounds.stallSecondsMax = 0.5
        try await FaultyStore.run {
            Self.start($0.number == 0 ? 100_000 : 3, isClosed: false, for: $0)
        } _: { server in
            try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                let blob = try await store.open(Self.key)
                let received = Shared<[UInt8]>([])
                await #expect {
                    _ = try await blob.send(0..<Self.bytes.count) { chunk in received.withLock { $0 += chunk } }
                } throws: { isFailure($0, storeBusy, holding: "tries: 3") }
                #expect(received.value == Array(Self.bytes[..<Limits.blobChunkBytesMax]))
                #expect(server.requests.count == 3)
                await #expect { try await store.isIntact(Self.key) } throws: { isFailure($0, storeBusy) }
            }
        }
    }

    @Test("that drip are not waited for")
    func dripping() async throws {
        var bounds = StoreFixture.shortBounds
        bounds.stallSecondsMax = 0.3
        try await FaultyStore.run { request in
            let range = request.value(of: "range") == nil ? [] : ["Content-Range: bytes 0-196707/196708"]
            return .drip(FaultyStore.Reply.head(range.isEmpty ? 200 : 206, ["Content-Length: \(Self.bytes.count)"] + range))
        } _: { server in
            try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                await #expect {
                    _ = try await store.bytes(0..<Self.bytes.count, of: Self.key)
                } throws: { isFailure($0, storeBusy, holding: "does not come on", "tries: 3") }
                #expect(server.requests.count == 3)
                try await eventually("the connections end") { server.connectionsOpen == 0 }
            }
        }
    }

    @Test("with other bytes are found out")
    func wrongBytes() async throws {
        for change in [{ (bytes: inout [UInt8]) in bytes[100_000] ^= 1 }, { $0.removeLast() }, { $0.append(0) }, { $0 = [] }] {
            var bytes = Self.bytes
            change(&bytes)
            try await FaultyStore.run { [bytes] in
                Self.rest(for: $0, of: bytes)
            } _: { server in
                try await StoreFixture.withStore(at: server) { store in
                    let isIntact = try await store.isIntact(Self.key)
                    #expect(!isIntact)
                }
            }
        }
        try await FaultyStore.run {
            Self.rest(for: $0)
        } _: { server in
            try await StoreFixture.withStore(at: server) { store in
                let isIntact = try await store.isIntact(Self.key)
                #expect(isIntact)
            }
        }
    }

    @Test("with another part than was asked for are refused")
    func otherPart() async throws {
        let replies: [FaultyStore.Reply] = [
            .answer(200, body: Self.bytes), .answer(206, ["Content-Range: bytes 0-99/1000"], body: Array(Self.bytes[..<100])),
            .answer(206, ["Content-Range: bytes 10000-10099/1000"], body: Array(Self.bytes[..<100])),
            .answer(206, body: Array(Self.bytes[..<100])), .answer(204),
        ]
        for reply in replies {
            try await FaultyStore.run {
                $0.number == 0 ? .answer(200) : reply
            } _: { server in
                try await StoreFixture.withStore(at: server) { store in
                    let blob = try await store.open(Self.key)
                    await #expect { try await blob.bytes(1_000..<2_000) } throws: { isFailure($0, unexpected, holding: "another part") }
                }
            }
        }
    }

    @Test("are read no faster than whoever reads takes them, and end with whoever held them")
    func backpressure() async throws {
        try await FaultyStore.run { _ in
            .endless(FaultyStore.Reply.head(200, []))
        } _: { server in
            try await StoreFixture.withStore(at: server) { store in
                struct Enough: Error {}
                let blob = try await store.open(Self.key)
                await #expect(throws: Enough.self) {
                    _ = try await blob.send(0..<Int.max) { _ in
                        // Whatever lies between both ends is full when nothing more is taken for a while.
                        var (last, times) = (-1, 0)
                        try await eventually("the store can send no more") {
                            (times, last) = (server.bytesTaken == last ? times + 1 : 0, server.bytesTaken)
                            return times == 20
                        }
                        throw Enough()
                    }
                }
                try await eventually("the connection ends") { server.connectionsOpen == 0 }
                do { _ = try await store.open(Self.key) }
                try await eventually("the connection of a blob that nobody reads ends") {
                    server.connectionsAccepted == 2 && server.connectionsOpen == 0
                }
            }
        }
    }

    @Test("end with the task that reads them")
    func cancelled() async throws {
        try await FaultyStore.run { _ in
            .send(FaultyStore.Reply.head(200, ["Content-Length: 1000000"]), body: Self.bytes)
        } _: { server in
            try await StoreFixture.withStore(at: server) { store in
                let count = Shared(0)
                let task = Task {
                    try await store.open(Self.key).send(0..<1_000_000) { chunk in count.withLock { $0 += 1 } }
                }
                try await eventually("what there is was read") { count.value == 3 }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(count.value == 3)
                try await eventually("the connection ends") { server.connectionsOpen == 0 }
            }
        }
    }

    @Test("that list nothing, the same again, or for ever, are no listing")
    func listings() async throws {
        let truncated =
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%</NextContinuationToken></ListBucketResult>"
        let cases: [(reason: String, requests: Int, reply: @Sendable (FaultyStore.Request) -> FaultyStore.Reply)] = [
            ("cannot be read", 1, { _ in .answer(200, body: Array("<html/>".utf8)) }),
            ("cannot be read", 1, { _ in .answer(200) }),
            ("in circles", 2, { _ in .answer(200, body: Array(truncated.utf8)) }),
            ("no end", 3, { .answer(200, body: Array(truncated.replacing("%", with: "\($0.number)").utf8)) }),
        ]
        var bounds = StoreFixture.shortBounds
        bounds.listingPagesMax = 3
        for (reason, requests, reply) in cases {
            try await FaultyStore.run(reply) { server in
                try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                    await #expect { try await store.list(0xAB) { _ in } } throws: { isFailure($0, unexpected, holding: reason) }
                    #expect(server.requests.count == requests)
                }
            }
        }
    }
}
