import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// POSTs that are sent again under their `Idempotency-Key`.
@Suite("A POST with an Idempotency-Key", .serialized)
struct IdempotencyTests {
    private static let replayed = HTTPField.Name("Idempotent-Replayed")!
    private static let original = HTTPField.Name("Original-Request")!

    private static func key(_ text: String) -> HTTPFields { [HTTPField.Name("Idempotency-Key")!: text] }

    private static func expectReplay(_ again: Answer, of first: Answer, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(again.status == first.status, sourceLocation: sourceLocation)
        #expect(again.headers[replayed] == "true", sourceLocation: sourceLocation)
        #expect(first.headers[replayed] == nil, sourceLocation: sourceLocation)
        #expect(again.headers[original] == first.requestID, sourceLocation: sourceLocation)
        #expect(again.requestID != first.requestID, sourceLocation: sourceLocation)
        for name in [HTTPField.Name.location, .eTag, .contentType] {
            #expect(again.headers[name] == first.headers[name], sourceLocation: sourceLocation)
        }
    }

    @Test("has its effect once and gets the first answer again, the key quoted or bare", arguments: Mount.all)
    func createAgain(mount: Mount) async throws {
        try await TestService.run { service in
            let first = try await service.send(.post, mount.creation, .create("Nova"), headers: Self.key("retry-1"))
            #expect(first.status == (mount.isTyped ? 201 : 200))
            try await service.withoutTrace {
                for key in ["retry-1", "\"retry-1\""] {
                    let again = try await service.send(.post, mount.creation, .create("Nova"), headers: Self.key(key))
                    Self.expectReplay(again, of: first)
                    #expect(again.bytes == first.bytes)
                }
            }
            #expect(try await service.footprint().items.count == 1)
        }
    }

    @Test("gets the first answer even when the item has changed or gone since")
    func laterState() async throws {
        try await TestService.run { service in
            let first = try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k"))
            try await service.train()
            try await service.send(.delete, "/v2/personas/\(try #require(first.string("id")))")
            let again = try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k"))
            #expect(again.bytes == first.bytes)
            #expect(try await service.footprint().items.isEmpty)
        }
    }

    @Test("is refused when its key stood for another request")
    func reused() async throws {
        try await TestService.run { service in
            try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k"))
            try await service.withoutTrace {
                for (path, body) in [("/v2/personas", TestBody.create("Iris")), ("/v2/personas?x=1", .create("Nova"))] {
                    let answer = try await service.send(.post, path, body, headers: Self.key("k"))
                    answer.expect(422, .idempotencyKeyReused, ErrorCode.idempotencyKeyReused.defaultMessage)
                    #expect(answer.headers[Self.replayed] == nil)
                }
            }
        }
    }

    @Test("is the same request however its JSON is written, and another one when it says anything else")
    func writing() async throws {
        try await TestService.run { service in
            let images = Picture.base64List
            func send(_ body: String) async throws -> Answer {
                try await service.send(.post, "/v2/personas", TestBody(body), headers: Self.key("k"))
            }
            let first = try await send(#"{"name":"Nova","image_base64s":\#(images),"special_instructions":"a/b","x":[1,true]}"#)
            #expect(first.status == 201)
            for same in [
                #"{"x":[1,true],"special_instructions":"a/b","image_base64s":\#(images),"name":"Nova"}"#,
                #" {"x" : [ 1 , true ], "special_instructions":"a\/b", "image_base64s":\#(images),"name":"\u004Eova" } "#,
            ] {
                #expect(try await send(same).bytes == first.bytes)
            }
            let swapped = Picture.list([2, 1, 3].map { Picture.base64(Picture.png(seed: $0)) })
            for other in [
                #"{"name":"nova","image_base64s":\#(images),"special_instructions":"a/b","x":[1,true]}"#,
                #"{"name":"Nova","image_base64s":\#(swapped),"special_instructions":"a/b","x":[1,true]}"#,
                #"{"name":"Nova","image_base64s":\#(images),"special_instructions":"a/b","x":[1,false]}"#,
                #"{"name":"Nova","image_base64s":\#(images),"special_instructions":null,"x":[1,true]}"#,
                #"{"name":"Nova","image_base64s":\#(images),"special_instructions":"a/b","x":["1",true]}"#,
                #"{"name":"Nova","image_base64s":\#(images),"special_instructions":"a/b"}"#,
            ] {
                #expect(try await send(other).status == 422, "\(other)")
            }
        }
    }

    @Test("stands alone in its account and on its route")
    func scopes() async throws {
        try await TestService.run { service in
            let other = try await service.newKey(account: "other")
            let sameAccount = TestService.Key.text(try await service.key(scopes: [.read, .write]).key)
            let first = try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k"))
            for mount in Mount.all where mount.creation != "/v2/personas" {
                let answer = try await service.send(
                    .post, mount.creation, .create("\(mount.mode) \(mount.isTyped)"), headers: Self.key("k"))
                #expect(answer.status < 300 && answer.headers[Self.replayed] == nil, "\(answer.text)")
            }
            let foreign = try await service.send(.post, "/v2/personas", .create("Nova"), key: other, headers: Self.key("k"))
            #expect(foreign.status == 201 && foreign.string("id") != first.string("id"))
            let again = try await service.send(.post, "/v2/personas", .create("Nova"), key: sameAccount, headers: Self.key("k"))
            #expect(again.bytes == first.bytes)
        }
    }

    @Test("is told to wait while the first still runs, and then gets its answer")
    func inUse() async throws {
        try await TestService.run { service in
            for index in 1...3 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            service.fetcher.answerOnlyCrowd(of: 4)
            let body: TestBody =
                #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#
            async let running = service.send(.post, "/v2/personas", body, headers: Self.key("k"))
            try await eventually("the images are asked for") { service.fetcher.fetched.count == 3 }
            for later in [body, .create("Iris")] {
                let answer = try await service.send(.post, "/v2/personas", later, headers: Self.key("k"))
                answer.expect(409, .idempotencyKeyInUse, ErrorCode.idempotencyKeyInUse.defaultMessage)
                #expect(answer.headers[.retryAfter] == "1")
            }
            _ = try? await service.fetcher.fetch("https://a.test/4", before: .now + .seconds(10))
            let first = try await running
            #expect(first.status == 201)
            #expect(try await service.send(.post, "/v2/personas", body, headers: Self.key("k")).bytes == first.bytes)
        }
    }

    @Test("a hundred times at once has one effect; every request gets its answer or is told to wait")
    func crowd() async throws {
        var configuration = HTTPConfiguration()
        configuration.rateLimits = RateLimitPolicy(inFlightMax: 200)
        try await TestService.run(configuration: configuration) { service in
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<100 {
                    group.addTask { try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k")) }
                }
                return try await group.reduce(into: [Answer]()) { $0.append($1) }
            }
            let made = answers.filter { $0.status == 201 }
            let fresh = made.filter { $0.headers[Self.replayed] == nil }
            #expect(fresh.count == 1, "\(fresh.prefix(3).map(\.headers)) \(made.count)")
            #expect(Set(made.map(\.bytes)).count == 1)
            let waiting = answers.filter { $0.status != 201 }
            #expect(waiting.allSatisfy { $0.status == 409 && $0.text.contains("IDEMPOTENCY_KEY_IN_USE") })
            #expect(try await service.footprint().items.count == 1)
        }
    }

    @Test("keeps a refusal that the same request would meet again, made out to the request that gets it")
    func refusals() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(ReserveNames(["Admin"]))
            let reserved = try await service.send(.post, "/v2/personas", .create("Admin"), headers: Self.key("reserved"))
            reserved.expect(
                409, .nameReserved, ErrorCode.nameReserved.defaultMessage,
                details: #"{"field":"name","message":"\#(ErrorCode.nameReserved.defaultMessage)"}"#)
            _ = try await service.administration.perform(ReleaseNames(["Admin"]))
            let again = try await service.send(.post, "/v2/personas", .create("Admin"), headers: Self.key("reserved"))
            Self.expectReplay(again, of: reserved)
            #expect(again.shape == reserved.shape)
            // Under another key the name is free by now.
            #expect(try await service.send(.post, "/v2/personas", .create("Admin"), headers: Self.key("other")).status == 201)
        }
    }

    @Test("lets its key go when the request was malformed, not allowed, or the fault was the server's")
    func released() async throws {
        try await TestService.run { service in
            let bad = try await service.send(.post, "/v2/personas", #"{"name":""}"#, headers: Self.key("k"))
            #expect(bad.status == 400)
            let reader = TestService.Key.text(try await service.key(scopes: [.read]).key)
            #expect(try await service.send(.post, "/v2/personas", .create("Nova"), key: reader, headers: Self.key("k")).status == 403)
            let fetcher: TestBody = #"{"name":"Nova","image_urls":["https://a.test/1","https://a.test/2","https://a.test/3"]}"#
            #expect(try await service.send(.post, "/v2/personas", fetcher, headers: Self.key("k")).status == 400)
            try service.data.breakImages()
            let broken = try await service.send(
                .post, "/v2/personas", .create("Nova"), headers: Self.key("k"), isFailureExpected: true)
            #expect(broken.status == 500)
            try service.data.mendImages()
            let good = try await service.send(.post, "/v2/personas", .create("Nova"), headers: Self.key("k"))
            #expect(good.status == 201 && good.headers[Self.replayed] == nil)
        }
    }

    @Test("is refused for a key that is none, before its body is looked at", arguments: ["", "\"\"", "a b", "first, second"])
    func malformed(key: String) async throws {
        try await TestService.run { service in
            try await service.withoutTrace {
                let message = "Idempotency-Key must be 1 to 255 visible characters, bare or in one pair of quotes"
                for path in ["/v2/personas", "/v2/styles", "/v2/pikzonality/persona", "/v2/pikzonality/style"] {
                    let answer = try await service.send(.post, path, TestBody(String(repeating: "[", count: 513)), headers: Self.key(key))
                    answer.expectViolations([("Idempotency-Key", message)])
                }
            }
        }
    }

    @Test("is a training worker's as well: a lease is given once, reports count once")
    func training() async throws {
        try await TestService.run { service in
            let worker = try await service.newKey(account: "worker", scopes: [.trainer])
            func post(_ path: String, _ body: TestBody? = nil, _ key: String) async throws -> Answer {
                try await service.send(.post, "/v2/training/\(path)", body, key: worker, headers: Self.key(key))
            }
            let nothing = try await post("lease", nil, "early")
            #expect(nothing.status == 204)
            for name in ["First", "Second"] { try await service.create(.persona, name) }
            #expect(try await post("lease", nil, "early").headers[Self.replayed] == "true")
            let leased = try await post("lease", nil, "lease")
            Self.expectReplay(try await post("lease", nil, "lease"), of: leased)
            #expect(try await post("lease", nil, "lease").bytes == leased.bytes)
            #expect(try await post("lease", #"{"wait_seconds":0}"#, "lease").status == 422)
            let (job, token) = (try #require(leased.string("job_id")), try #require(leased.string("lease_token")))
            let beat = TestBody(#"{"lease_token":"\#(token)","progress":40}"#)
            let heard = try await post("\(job)/heartbeat", beat, "beat")
            #expect(try await post("\(job)/heartbeat", beat, "beat").bytes == heard.bytes)
            let end = TestBody(#"{"lease_token":"\#(token)"}"#)
            let completed = try await post("\(job)/complete", end, "end")
            #expect(completed.status == 200)
            Self.expectReplay(try await post("\(job)/complete", end, "end"), of: completed)
            // Without the key, or with another, the job is over.
            #expect(try await post("\(job)/complete", end, "another").status == 409)
            let other = try await post("lease", nil, "second")
            let (otherJob, otherToken) = (try #require(other.string("job_id")), try #require(other.string("lease_token")))
            #expect(otherJob != job)
            let reason = TestBody(#"{"lease_token":"\#(otherToken)","code":"GENERATION_REJECTED","message":"No face"}"#)
            let failed = try await post("\(otherJob)/fail", reason, "fail")
            Self.expectReplay(try await post("\(otherJob)/fail", reason, "fail"), of: failed)
            #expect(failed.status == 200)
        }
    }
}
