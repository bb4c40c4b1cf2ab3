import CoreMetrics
import MetricsTestKit
import Personas
import TestSupport
import Testing

@testable import PersonasS3

/// What comes of requests that are refused, lost or not answered.
@Suite("Requests to a store of objects that is not well", .timeLimit(.minutes(2)))
struct S3FaultTests {
    private static let bytes = StoreFixture.bytes(1_000)
    private static let key = StoreFixture.key(of: bytes)

    /// Does the same with each operation, and tells what came of it: nil where it went well.
    private static func failures(
        bounds: S3Bounds = StoreFixture.shortBounds, _ reply: @escaping @Sendable (FaultyStore.Request) -> FaultyStore.Reply
    ) async throws -> (failures: [S3Request.Operation: Failure], requests: [FaultyStore.Request]) {
        try await FaultyStore.run(reply) { server in
            try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                let calls: [S3Request.Operation: () async throws -> Void] = [
                    .put: { try await store.put(bytes, under: key) }, .get: { _ = try await store.open(key) },
                    .delete: { try await store.delete(key) }, .list: { try await store.list(0) { _ in } },
                ]
                var failures: [S3Request.Operation: Failure] = [:]
                for (operation, call) in calls {
                    do {
                        try await call()
                    } catch {
                        failures[operation] = try #require(error as? Failure)
                    }
                }
                return (failures, server.requests)
            }
        }
    }

    private static func listing() -> FaultyStore.Reply {
        .answer(200, body: Array("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".utf8))
    }

    @Test(
        "are sent again where that may help, signed anew",
        arguments: [
            .answer(500), .answer(502), .refusal(503, "SlowDown", ["Retry-After: 0"]), .answer(504), .answer(429),
            .refusal(400, "RequestTimeout"),
            .refusal(409, "OperationAborted"), .reset, .sendAndClose(""), .sendAndClose("HTTP/1.1 200 O"),
            .sendAndClose("nonsense\r\n\r\n"),
        ] as [FaultyStore.Reply])
    func retried(fault: FaultyStore.Reply) async throws {
        let seen = Shared<[String: Int]>([:])
        let (failures, requests) = try await Self.failures { request in
            let earlier = seen.withLock { seen in
                seen[request.line, default: 0] += 1
                return seen[request.line, default: 0] - 1
            }
            return earlier < 2 ? fault : request.line.contains("list-type") ? Self.listing() : .answer(200)
        }
        #expect(failures == [:])
        #expect(requests.count == 12)
        #expect(requests.allSatisfy { $0.value(of: "authorization") != nil })
    }

    @Test("are given up after three tries: the store is busy", arguments: [.answer(503), .reset, .sendAndClose("")] as [FaultyStore.Reply])
    func givenUp(fault: FaultyStore.Reply) async throws {
        let (failures, requests) = try await Self.failures { _ in fault }
        #expect(requests.count == 12)
        for operation in [S3Request.Operation.put, .get, .list] {
            #expect(failures[operation].flatMap(storeBusy)?.hasSuffix("tries: 3") == true, "\(failures)")
        }
        #expect(failures[.delete].flatMap(mediaNotRemoved)?.hasSuffix("tries: 3") == true)
    }

    @Test("are given up at once where the store wants to be left alone for longer than a call lasts")
    func retryAfter() async throws {
        let (failures, requests) = try await Self.failures { _ in .refusal(503, "SlowDown", ["Retry-After: 86400"]) }
        #expect(requests.count == 4)
        #expect(failures[.put].flatMap(storeBusy)?.contains("503 SlowDown") == true)
    }

    @Test("are not sent again so often that they would keep a busy store busy")
    func budget() async throws {
        try await FaultyStore.run { _ in
            .answer(503)
        } _: { server in
            try await StoreFixture.withStore(at: server) { store in
                for _ in 0..<40 {
                    await #expect { try await store.put(Self.bytes, under: Self.key) } throws: { isFailure($0, storeBusy) }
                }
                // Beside the calls the ten that are saved at the beginning, and one for every ten calls since those were used up.
                #expect(server.requests.count == 40 + 10 + 3)
            }
        }
    }

    @Test("are ended when time is up, a GET for another try, and anything else for good")
    func overdue() async throws {
        var bounds = StoreFixture.shortBounds
        bounds.callSecondsMax = 1
        bounds.firstByteSecondsMax = 0.2
        let (failures, requests) = try await Self.failures(bounds: bounds) { request in
            request.line.hasPrefix("GET /bucket/p/") && request.value(of: "range") == nil && request.number % 2 == 1 ? .answer(200) : .hang
        }
        for operation in [S3Request.Operation.put, .list] {
            #expect(failures[operation].flatMap(storeBusy)?.contains("no answer within 1 s") == true, "\(failures)")
        }
        #expect(failures[.delete].flatMap(mediaNotRemoved)?.contains("no answer within 1 s") == true)
        #expect(requests.filter { !$0.line.hasPrefix("GET /bucket/p/") }.count == 3)
        #expect(failures[.get] == nil)
    }

    @Test("adopt the store's time, once, where it finds theirs too far off")
    func skewed() async throws {
        for (headers, requestsMax) in [(["Date: Sun, 06 Nov 1994 08:49:37 GMT"], 2), ([], 1)] {
            try await FaultyStore.run { _ in
                .refusal(403, "RequestTimeTooSkewed", headers)
            } _: { server in
                try await StoreFixture.withStore(at: server) { store in
                    await #expect {
                        try await store.put(Self.bytes, under: Self.key)
                    } throws: { isFailure($0, unexpected, holding: "403 RequestTimeTooSkewed") }
                    #expect(server.requests.count == requestsMax)
                    guard requestsMax == 2 else { return }
                    #expect(server.requests[1].value(of: "x-amz-date")?.hasPrefix("19941106T0849") == true)
                    // The next call begins with the time that was adopted.
                    _ = try? await store.put(Self.bytes, under: Self.key)
                    #expect(server.requests[2].value(of: "x-amz-date")?.hasPrefix("19941106T08") == true)
                }
            }
        }
    }

    @Test("mean what they say: an object that is there already is put, and one that is gone already deleted")
    func passed() async throws {
        let (failures, requests) = try await Self.failures { request in
            request.line.hasPrefix("PUT") ? .refusal(412, "PreconditionFailed") : .refusal(404, "NoSuchKey")
        }
        #expect(failures[.put] == nil && failures[.delete] == nil)
        #expect(failures[.get] == .notFound)
        #expect(failures[.list].flatMap(unexpected)?.contains("404 NoSuchKey") == true)
        #expect(requests.count == 4)
        #expect(requests.filter { $0.line.hasPrefix("PUT") }.map { $0.value(of: "if-none-match") } == ["*"])
    }

    @Test(
        "never take another's answer for one of the store: no object is missing, and none deleted, because a proxy says so",
        arguments: [
            .answer(404), .answer(404, body: Array("<html>Not Found</html>".utf8)), .refusal(404, "NoSuchBucket"), .answer(501),
            .answer(403),
        ]
            as [FaultyStore.Reply])
    func foreign(reply: FaultyStore.Reply) async throws {
        let (failures, requests) = try await Self.failures { _ in reply }
        #expect(requests.count == 4)
        for operation in [S3Request.Operation.put, .get, .list] { #expect(failures[operation].flatMap(unexpected) != nil, "\(failures)") }
        #expect(failures[.delete].flatMap(mediaNotRemoved) != nil)
    }

    @Test("are sent nowhere else, whatever the store answers", arguments: [301, 302, 303, 307, 308])
    func redirected(status: Int) async throws {
        try await FaultyStore.run { _ in
            .answer(200)
        } _: { other in
            let port = other.port
            let (failures, requests) = try await Self.failures { _ in
                .refusal(status, "PermanentRedirect", ["Location: http://127.0.0.1:\(port)/", "x-amz-bucket-region: eu-9"])
            }
            #expect(requests.count == 4)
            for operation in [S3Request.Operation.put, .get, .list] {
                #expect(failures[operation].flatMap(unexpected)?.contains("\(status) PermanentRedirect, the bucket is in eu-9") == true)
            }
            #expect(other.connectionsAccepted == 0)
        }
    }

    @Test("read no more of an answer than it should have")
    func longAnswers() async throws {
        for status in [403, 200] {
            try await FaultyStore.run { _ in
                .endless(FaultyStore.Reply.head(status, []))
            } _: { server in
                try await StoreFixture.withStore(at: server) { store in
                    await #expect { try await store.put(Self.bytes, under: Self.key) } throws: { isFailure($0, unexpected) }
                    await #expect { try await store.list(0) { _ in } } throws: { isFailure($0, unexpected) }
                    try await eventually("the connections end") { server.connectionsOpen == 0 }
                }
            }
        }
    }

    @Test("end with their task", arguments: S3Request.Operation.allCases)
    func cancelled(operation: S3Request.Operation) async throws {
        try await FaultyStore.run { _ in
            .hang
        } _: { server in
            try await StoreFixture.withStore(at: server) { store in
                let task = Task { () -> Failure? in
                    do throws(Failure) {
                        switch operation {
                        case .put: try await store.put(Self.bytes, under: Self.key)
                        case .get: _ = try await store.open(Self.key)
                        case .delete: try await store.delete(Self.key)
                        case .list: try await store.list(0) { _ in }
                        }
                        return nil
                    } catch {
                        return error
                    }
                }
                try await eventually("the request comes") { server.requests.count == 1 }
                task.cancel()
                #expect(await task.value == .cancelled)
                try await eventually("the connection ends") { server.connectionsOpen == 0 }
            }
        }
    }

    @Test("wait for a connection where all are in use, and not for long; those that read never keep others waiting")
    func allInUse() async throws {
        var bounds = StoreFixture.shortBounds
        (bounds.connectionsMax, bounds.readingConnectionsMax) = (1, 1)
        bounds.connectSecondsMax = 0.3
        try await FaultyStore.run {
            $0.line.hasPrefix("DELETE") ? .hang : .endless(FaultyStore.Reply.head(200, []))
        } _: { server in
            try await StoreFixture.withStore(at: server, bounds: bounds) { store in
                let reading = try await store.open(Self.key)
                await #expect { try await store.open(Self.key) } throws: { isFailure($0, storeBusy, holding: "in use") }
                let deleting = Task { try await store.delete(Self.key) }
                try await eventually("the request comes") { server.requests.count == 2 }
                await #expect { try await store.put(Self.bytes, under: Self.key) } throws: { isFailure($0, storeBusy, holding: "in use") }
                #expect(server.requests.count == 2)
                deleting.cancel()
                _ = await deleting.result
                _ = reading
            }
        }
    }

    @Test("are counted, each try, by what was asked for and what came of it")
    func metrics() async throws {
        let metrics = TestMetrics()
        let replies: [FaultyStore.Reply] = [
            .answer(503), .reset, .answer(200), .refusal(412, "PreconditionFailed"), .refusal(403, "AccessDenied"), .hang,
        ]
        var bounds = StoreFixture.shortBounds
        bounds.callSecondsMax = 5
        try await FaultyStore.run {
            replies[$0.number]
        } _: { server in
            try await StoreFixture.withStore(at: server, bounds: bounds, factory: metrics) { store in
                for _ in 0..<3 { try? await store.put(Self.bytes, under: Self.key) }
                let task = Task { try? await store.put(Self.bytes, under: Self.key) }
                try await eventually("the request comes") { server.requests.count == 6 }
                task.cancel()
                _ = await task.value
            }
        }
        for outcome in S3Metrics.Outcome.allCases {
            let counter = try metrics.expectCounter(
                "personas_object_store_requests_total", [("operation", "put"), ("outcome", outcome.rawValue)])
            #expect(counter.totalValue == (outcome == .overdue ? 0 : 1), "\(outcome)")
        }
        let timer = try metrics.expectTimer("personas_object_store_request_duration_seconds", [("operation", "put")])
        #expect(timer.values.count == 6)
        #expect(timer.values.allSatisfy { $0 > 0 })
    }

    @Test("ask for encryption where that is set")
    func encryption() async throws {
        try await FaultyStore.run { _ in
            .answer(200)
        } _: { server in
            try await StoreFixture.withStore(at: server, query: "&sse=AES256") { try await $0.put(Self.bytes, under: Self.key) }
            let request = try #require(server.requests.first)
            #expect(request.value(of: "x-amz-server-side-encryption") == "AES256")
            #expect(request.value(of: "authorization")?.contains("x-amz-server-side-encryption") == true)
        }
    }
}
