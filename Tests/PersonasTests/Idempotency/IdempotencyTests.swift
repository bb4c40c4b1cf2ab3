import Personas
import Synchronization
import Testing

/// The rules of safe retries, over a store in memory.
@Suite("Idempotency")
struct IdempotencyTests {
    private final class Records: IdempotencyStore {
        private struct State {
            var claims: [(scope: IdempotentRequest.Scope, end: Timestamp)] = []
            var kept: [(request: IdempotentRequest, answer: [UInt8], at: Timestamp)] = []
        }

        private let state = Mutex(State())

        var claimEnds: [Timestamp] { state.withLock { $0.claims.map(\.end) } }

        func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) throws(Failure) -> IdempotencyRecord? {
            let result = state.withLock { state -> Result<IdempotencyRecord?, Failure> in
                if state.claims.contains(where: { $0.scope == request.scope }) { return .failure(.idempotencyKeyInUse) }
                let oldest = IdempotencyRecord.oldest(at: now)
                if let kept = state.kept.last(where: { $0.request.scope == request.scope && $0.at >= oldest }) {
                    return .success(IdempotencyRecord(fingerprint: kept.request.fingerprint, answer: kept.answer))
                }
                state.claims.append((request.scope, end))
                return .success(nil)
            }
            return try result.get()
        }

        func release(_ request: IdempotentRequest) {
            state.withLock { $0.claims.removeAll { $0.scope == request.scope } }
        }

        func keep(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp) async throws(Failure) {
            state.withLock { $0.kept.append((request, answer, now)) }
        }

        func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
            state.withLock { state in
                let over = state.kept.filter { $0.at < oldest }.prefix(limit).count
                state.kept.removeFirst(over)
                return over
            }
        }
    }

    private static let now = Timestamp(milliseconds: 1_700_000_000_000)
    private static let account = Identifier.random()

    private static func idempotency(over records: Records = Records()) -> Idempotency {
        Idempotency(records: records, clock: WallClock { now })
    }

    private static func request(
        _ key: String = "key", account: Identifier = account, route: String = "POST /v2/personas", fingerprint: UInt8 = 1
    ) throws -> IdempotentRequest {
        IdempotentRequest(
            scope: IdempotentRequest.Scope(accountID: account, route: route, key: try IdempotencyKey(quotable: key)),
            fingerprint: [fingerprint])
    }

    private static let answer: [UInt8] = [1, 2, 3]

    @Test("lets one request with a key run at a time, and the next one once it was let go")
    func oneAtATime() async throws {
        let idempotency = Self.idempotency()
        let request = try Self.request()
        #expect(try await idempotency.claim(request) == .first)
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.claim(request) }
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.claim(try Self.request(fingerprint: 2)) }
        await idempotency.release(request)
        #expect(try await idempotency.claim(request) == .first)
    }

    @Test("claims a key until later than any request runs, so that one whose process died is not lost for good")
    func claimEnds() async throws {
        let records = Records()
        #expect(try await Self.idempotency(over: records).claim(try Self.request()) == .first)
        #expect(records.claimEnds == [Self.now.adding(seconds: 90)])
    }

    @Test("gives the recorded answer again, as often as asked")
    func replays() async throws {
        let idempotency = Self.idempotency()
        let request = try Self.request()
        #expect(try await idempotency.claim(request) == .first)
        try await idempotency.keep(Self.answer, for: request)
        await idempotency.release(request)
        for _ in 0..<3 { #expect(try await idempotency.claim(request) == .answered(Self.answer)) }
    }

    @Test("refuses another request under a key that was answered, and stays ready for the right one")
    func reused() async throws {
        let idempotency = Self.idempotency()
        try await idempotency.keep(Self.answer, for: try Self.request())
        await #expect(throws: Failure.idempotencyKeyReused) { try await idempotency.claim(try Self.request(fingerprint: 2)) }
        #expect(try await idempotency.claim(try Self.request()) == .answered(Self.answer))
    }

    @Test("counts a key per account and route")
    func scopes() async throws {
        let idempotency = Self.idempotency()
        try await idempotency.keep(Self.answer, for: try Self.request())
        #expect(try await idempotency.claim(try Self.request(account: .random())) == .first)
        #expect(try await idempotency.claim(try Self.request(route: "POST /v2/styles")) == .first)
        #expect(try await idempotency.claim(try Self.request("other")) == .first)
    }

    @Test("forgets an answer after 24 hours by the clock that it was given, and not before")
    func expiry() async throws {
        let records = Records()
        let idempotency = Self.idempotency(over: records)
        try await records.keep(Self.answer, for: try Self.request("old"), at: Self.now.adding(seconds: -86_401))
        for index in 0..<1_200 {
            try await records.keep(Self.answer, for: try Self.request("old-\(index)"), at: Self.now.adding(seconds: -90_000))
        }
        try await records.keep(Self.answer, for: try Self.request("young"), at: Self.now.adding(seconds: -86_000))
        let old = try Self.request("old")
        #expect(try await idempotency.claim(old) == .first)
        await idempotency.release(old)
        #expect(try await idempotency.forgetExpired() == 1_201)
        #expect(try await idempotency.claim(try Self.request("young")) == .answered(Self.answer))
        #expect(try await idempotency.forgetExpired() == 0)
    }
}
