import Personas
import Synchronization
import Testing

/// The rules of safe retries, over a store in memory.
@Suite("Idempotency")
struct IdempotencyTests {
    /// Like a store of several processes: who asks when a claim's time is over gets the key, and the claim before is lost.
    private final class Records: IdempotencyStore {
        private struct State {
            var claims: [IdempotentRequest.Scope: (id: ClaimID, end: Timestamp)] = [:]
            var kept: [(request: IdempotentRequest, answer: [UInt8], at: Timestamp)] = []
        }

        private let state = Mutex(State())

        var claimEnds: [Timestamp] { state.withLock { $0.claims.values.map(\.end) } }

        func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) throws(Failure) -> ClaimOutcome {
            let result = state.withLock { state -> Result<ClaimOutcome, Failure> in
                if let other = state.claims[request.scope], other.end > now { return .failure(.idempotencyKeyInUse) }
                let oldest = IdempotencyRecord.oldest(at: now)
                if let kept = state.kept.last(where: { $0.request.scope == request.scope && $0.at >= oldest }) {
                    return .success(.recorded(IdempotencyRecord(fingerprint: kept.request.fingerprint, answer: kept.answer)))
                }
                let claim = ClaimID.random()
                state.claims[request.scope] = (claim, end)
                return .success(.claimed(claim))
            }
            return try result.get()
        }

        func release(_ claim: ClaimID, of request: IdempotentRequest) {
            state.withLock { if $0.claims[request.scope]?.id == claim { $0.claims[request.scope] = nil } }
        }

        func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) throws(Failure) {
            let isHeld = state.withLock { state in
                guard state.claims[request.scope]?.id == claim else { return false }
                state.kept.append((request, answer, now))
                return true
            }
            guard isHeld else { throw .idempotencyKeyInUse }
        }

        /// A record that is there already.
        func put(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp) {
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
        _ key: String = "key", account: Identifier = account, operation: String = "POST /v2/personas", fingerprint: UInt8 = 1
    ) throws -> IdempotentRequest {
        IdempotentRequest(
            scope: IdempotentRequest.Scope(accountID: account, operation: operation, key: try IdempotencyKey(quotable: key)),
            fingerprint: [fingerprint])
    }

    /// Claims the key of a request that is the first one under it.
    private static func first(_ request: IdempotentRequest, _ idempotency: Idempotency) async throws -> ClaimID {
        let decision = try await idempotency.claim(request)
        guard case .first(let claim) = decision else { throw Failure.unexpected("The request was answered before: \(decision)") }
        return claim
    }

    private static let answer: [UInt8] = [1, 2, 3]

    @Test("lets one request with a key run at a time, and the next one once it was let go")
    func oneAtATime() async throws {
        let idempotency = Self.idempotency()
        let request = try Self.request()
        let claim = try await Self.first(request, idempotency)
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.claim(request) }
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.claim(try Self.request(fingerprint: 2)) }
        await idempotency.release(claim, of: request)
        #expect(try await Self.first(request, idempotency) != claim)
    }

    @Test("takes nothing of a request that ran too long for its own once another has its key")
    func lostClaim() async throws {
        let now = Mutex(Self.now)
        let idempotency = Idempotency(records: Records(), clock: WallClock { now.withLock { $0 } })
        let request = try Self.request()
        let late = try await Self.first(request, idempotency)
        now.withLock { $0 = $0.adding(seconds: 91) }
        let claim = try await Self.first(request, idempotency)
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.keep([9], for: request, under: late) }
        await idempotency.release(late, of: request)
        await #expect(throws: Failure.idempotencyKeyInUse) { try await idempotency.claim(request) }
        try await idempotency.keep(Self.answer, for: request, under: claim)
        await idempotency.release(claim, of: request)
        #expect(try await idempotency.claim(request) == .answered(Self.answer))
    }

    @Test("claims a key for some seconds, so that one whose process died is not lost for long")
    func claimEnds() async throws {
        let records = Records()
        _ = try await Self.first(try Self.request(), Self.idempotency(over: records))
        #expect(records.claimEnds == [Self.now.adding(seconds: 5)])
    }

    @Test("gives the recorded answer again, as often as asked")
    func replays() async throws {
        let idempotency = Self.idempotency()
        let request = try Self.request()
        let claim = try await Self.first(request, idempotency)
        try await idempotency.keep(Self.answer, for: request, under: claim)
        await idempotency.release(claim, of: request)
        for _ in 0..<3 { #expect(try await idempotency.claim(request) == .answered(Self.answer)) }
    }

    @Test("refuses another request under a key that was answered, and stays ready for the right one")
    func reused() async throws {
        let records = Records()
        let idempotency = Self.idempotency(over: records)
        records.put(Self.answer, for: try Self.request(), at: Self.now)
        await #expect(throws: Failure.idempotencyKeyReused) { try await idempotency.claim(try Self.request(fingerprint: 2)) }
        #expect(try await idempotency.claim(try Self.request()) == .answered(Self.answer))
    }

    @Test("counts a key per account and operation")
    func scopes() async throws {
        let records = Records()
        let idempotency = Self.idempotency(over: records)
        records.put(Self.answer, for: try Self.request(), at: Self.now)
        _ = try await Self.first(try Self.request(account: .random()), idempotency)
        _ = try await Self.first(try Self.request(operation: "POST /v2/styles"), idempotency)
        _ = try await Self.first(try Self.request("other"), idempotency)
    }

    @Test("forgets an answer after 24 hours by the clock that it was given, and not before")
    func expiry() async throws {
        let records = Records()
        let idempotency = Self.idempotency(over: records)
        records.put(Self.answer, for: try Self.request("old"), at: Self.now.adding(seconds: -86_401))
        for index in 0..<1_200 {
            records.put(Self.answer, for: try Self.request("old-\(index)"), at: Self.now.adding(seconds: -90_000))
        }
        records.put(Self.answer, for: try Self.request("young"), at: Self.now.adding(seconds: -86_000))
        let old = try Self.request("old")
        await idempotency.release(try await Self.first(old, idempotency), of: old)
        #expect(try await idempotency.forgetExpired() == 1_201)
        #expect(try await idempotency.claim(try Self.request("young")) == .answered(Self.answer))
        #expect(try await idempotency.forgetExpired() == 0)
    }
}
