import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Personas
import Synchronization
import Testing

@testable import PersonasHTTP

/// What is kept of a POST under its key, and by which write, over a store in memory.
@Suite("An idempotent call")
struct IdempotentCallTests {
    /// Notes what it is asked to keep beside the writes.
    private final class Records: IdempotencyStore {
        private let state = Mutex<(kept: [[UInt8]], claims: Set<ClaimID>)>(([], []))

        /// The statuses of the answers that were kept.
        var statuses: [Int] { get throws { try state.withLock { $0.kept }.map { try AnswerRecord($0).status } } }
        var isClaimed: Bool { state.withLock { !$0.claims.isEmpty } }

        func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) throws(Failure) -> ClaimOutcome {
            let claim = ClaimID.random()
            state.withLock { _ = $0.claims.insert(claim) }
            return .claimed(claim)
        }

        func release(_ claim: ClaimID, of request: IdempotentRequest) { state.withLock { _ = $0.claims.remove(claim) } }

        func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) throws(Failure) {
            state.withLock { if $0.claims.contains(claim) { $0.kept.append(answer) } }
        }

        func forget(before oldest: Timestamp, limit: Int) throws(Failure) -> Int { 0 }
    }

    /// Makes a caller of every client.
    private struct EveryoneMiddleware: RouterMiddleware {
        func handle(
            _ request: Request, context: PersonasRequestContext, next: (Request, PersonasRequestContext) async throws -> Response
        ) async throws -> Response {
            context.caller = Caller(accountID: .random(), keyID: .random(), scopes: [])
            return try await next(request, context)
        }
    }

    /// Performs a call under a key. Returns the status of its answer, or why there is none.
    private static func perform(
        _ records: Records, isNothingDone: @escaping @Sendable (Int) -> Bool = { _ in false },
        effect: @escaping @Sendable (IdempotencyClaim<Int>?) async throws(Failure) -> Int
    ) async throws -> Result<Int, Failure> {
        let calls = IdempotentCalls(idempotency: Idempotency(records: records, clock: .system))
        let outcome = Mutex<Result<Int, Failure>?>(nil)
        let router = Router(context: PersonasRequestContext.self)
        router.add(middleware: EveryoneMiddleware())
        router.group(context: CallerContext.self).post("/things") { request, context in
            do {
                let response = try await calls.call(request, context).perform(
                    fingerprint: [1], answer: { JSONAnswer(status: HTTPResponse.Status(code: $0)) }, isNothingDone: isNothingDone,
                    effect: effect)
                outcome.withLock { $0 = .success(response.status.code) }
            } catch let failure as Failure {
                outcome.withLock { $0 = .failure(failure) }
            }
            return HTTPResponse.Status.ok
        }
        try await Application(router: router).test(.router) { client in
            _ = try await client.execute(uri: "/things", method: .post, headers: [HTTPField.Name("Idempotency-Key")!: "k"])
        }
        #expect(!records.isClaimed)
        return try #require(outcome.withLock { $0 })
    }

    @Test("that is recorded with its effect is kept by no other write")
    func recorded() async throws {
        let records = Records()
        let outcome = try await Self.perform(records) { claim in
            _ = claim?.record(201)
            return 201
        }
        #expect(outcome == .success(201))
        #expect(try records.statuses == [])
    }

    @Test("fails when its effect was not recorded, rather than being kept by another write")
    func forgotten() async throws {
        let records = Records()
        let outcome = try await Self.perform(records) { _ in 201 }
        #expect(outcome == .failure(.unexpected("What was done under an idempotency key was not recorded with it")))
        #expect(try records.statuses == [])
    }

    @Test("is kept by a write of its own where it says that nothing was done")
    func nothingDone() async throws {
        let records = Records()
        let outcome = try await Self.perform(records, isNothingDone: { $0 == 204 }) { _ in 204 }
        #expect(outcome == .success(204))
        #expect(try records.statuses == [204])
    }

    @Test("is kept where it was refused, unless what it did may be committed")
    func refused() async throws {
        for (isRecorded, statuses) in [(false, [404]), (true, [])] {
            let records = Records()
            let outcome = try await Self.perform(records) { (claim) throws(Failure) in
                if isRecorded { _ = claim?.record(201) }
                throw .notFound
            }
            #expect(outcome == .failure(.notFound))
            #expect(try records.statuses == statuses)
        }
    }
}
