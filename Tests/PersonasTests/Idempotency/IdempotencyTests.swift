import Personas
import Synchronization
import Testing

/// The rules of safe retries, over a store in memory.
@Suite("Idempotency")
struct IdempotencyTests {
    private final class Answers: IdempotencyStore {
        private let kept = Mutex<[(request: IdempotentRequest, answer: IdempotencyRecord, at: Timestamp)]>([])

        func find(_ scope: IdempotentRequest.Scope, since oldest: Timestamp) throws(Failure) -> (
            fingerprint: [UInt8], answer: IdempotencyRecord
        )? {
            kept.withLock { kept in kept.last { $0.request.scope == scope && $0.at >= oldest } }.map { ($0.request.fingerprint, $0.answer) }
        }

        func keep(_ answer: IdempotencyRecord, for request: IdempotentRequest, at now: Timestamp) async throws(Failure) {
            kept.withLock { $0.append((request, answer, now)) }
        }

        func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
            kept.withLock { kept in
                let over = kept.filter { $0.at < oldest }.prefix(limit).count
                kept.removeFirst(over)
                return over
            }
        }
    }

    private static let account = Identifier.random()

    private static func request(
        _ key: String = "key", account: Identifier = account, route: String = "POST /v2/personas", fingerprint: UInt8 = 1
    ) throws -> IdempotentRequest {
        IdempotentRequest(
            scope: IdempotentRequest.Scope(accountID: account, route: route, key: try IdempotencyKey(quotable: key)),
            fingerprint: [fingerprint])
    }

    private static let answer = IdempotencyRecord(
        requestID: "first", status: 201, location: "/there", entityTag: "\"v1\"", body: [1, 2, 3])

    @Test("lets one request with a key run at a time, and the next one once it was let go")
    func oneAtATime() throws {
        let idempotency = Idempotency(answers: Answers())
        let request = try Self.request()
        #expect(try idempotency.claim(request) == .first)
        #expect(throws: Failure.idempotencyKeyInUse) { try idempotency.claim(request) }
        #expect(throws: Failure.idempotencyKeyInUse) { try idempotency.claim(try Self.request(fingerprint: 2)) }
        idempotency.release(request)
        #expect(try idempotency.claim(request) == .first)
    }

    @Test("gives the kept answer again, as often as asked")
    func replays() async throws {
        let idempotency = Idempotency(answers: Answers())
        let request = try Self.request()
        #expect(try idempotency.claim(request) == .first)
        try await idempotency.keep(Self.answer, for: request)
        idempotency.release(request)
        for _ in 0..<3 { #expect(try idempotency.claim(request) == .answered(Self.answer)) }
    }

    @Test("refuses another request under a key that was answered, and stays ready for the right one")
    func reused() async throws {
        let idempotency = Idempotency(answers: Answers())
        try await idempotency.keep(Self.answer, for: try Self.request())
        #expect(throws: Failure.idempotencyKeyReused) { try idempotency.claim(try Self.request(fingerprint: 2)) }
        #expect(try idempotency.claim(try Self.request()) == .answered(Self.answer))
    }

    @Test("counts a key per account and route")
    func scopes() async throws {
        let idempotency = Idempotency(answers: Answers())
        try await idempotency.keep(Self.answer, for: try Self.request())
        #expect(try idempotency.claim(try Self.request(account: .random())) == .first)
        #expect(try idempotency.claim(try Self.request(route: "POST /v2/styles")) == .first)
        #expect(try idempotency.claim(try Self.request("other")) == .first)
    }

    @Test("forgets an answer after 24 hours, and not before")
    func expiry() async throws {
        let answers = Answers()
        let idempotency = Idempotency(answers: answers)
        let now = Timestamp.now
        try await answers.keep(Self.answer, for: try Self.request("old"), at: now.adding(seconds: -86_401))
        for index in 0..<1_200 {
            try await answers.keep(Self.answer, for: try Self.request("old-\(index)"), at: now.adding(seconds: -90_000))
        }
        try await answers.keep(Self.answer, for: try Self.request("young"), at: now.adding(seconds: -86_000))
        let old = try Self.request("old")
        #expect(try idempotency.claim(old) == .first)
        idempotency.release(old)
        #expect(try await idempotency.forgetExpired() == 1_201)
        #expect(try idempotency.claim(try Self.request("young")) == .answered(Self.answer))
        #expect(try await idempotency.forgetExpired() == 0)
    }

    @Test("takes as final what the same request would meet again")
    func finalStatuses() {
        for status in [200, 201, 204, 404, 409, 412, 413, 415, 422] { #expect(Idempotency.isFinal(status: status)) }
        for status in [400, 401, 403, 429, 500, 503, 504] { #expect(!Idempotency.isFinal(status: status)) }
    }
}
