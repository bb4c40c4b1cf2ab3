import Crypto
import ErrorEnvelope
import ErrorEnvelopeHummingbird
import HTTPTypes
import Hummingbird
import Logging
import Personas
import PersonasWire
import Synchronization

/// Answers POSTs, each at most once under its idempotency key. Every POST goes through here, with a key or without.
struct IdempotentCalls: Sendable {
    let idempotency: Idempotency

    /// The call of one request whose key, if it has one, is well-formed.
    /// - Throws: `invalid`, before anything of the body is read.
    func call(_ request: Request, _ context: CallerContext) throws(Failure) -> IdempotentCall {
        guard let header = request.headers[.idempotencyKey] else { return callWithoutKey(context) }
        do {
            let key = try IdempotencyKey(quotable: header)
            let operation = "\(request.method.rawValue) \(context.endpointPath ?? request.uri.path)"
            return IdempotentCall(
                idempotency: idempotency, context: context, target: "\(request.method.rawValue) \(request.uri)",
                scope: IdempotentRequest.Scope(accountID: context.caller.accountID, operation: operation, key: key))
        } catch {
            throw .invalid([error])
        }
    }

    /// The call of a request that means nothing by a key, because it changes nothing.
    func callWithoutKey(_ context: CallerContext) -> IdempotentCall { IdempotentCall(idempotency: idempotency, context: context) }
}

/// One POST on its way to its answer.
struct IdempotentCall: Sendable {
    fileprivate let idempotency: Idempotency
    fileprivate let context: CallerContext
    /// Method, path and query: with the body, all that makes the request what it is.
    fileprivate var target = ""
    /// Nil for a request without a key.
    fileprivate var scope: IdempotentRequest.Scope?

    /// SHA-256 of the whole request, which tells another under the same key apart; none for a request without a key.
    func fingerprint(of body: JSONObject?) -> [UInt8] {
        fingerprint { take in body?.canonicalPieces(take) }
    }

    /// What takes in the parts of a form for its fingerprint; nil where none is needed.
    var formDigest: FormDigest? { scope.map { _ in FormDigest() } }

    /// The same of a request whose body is a form. It is another one than a request with JSON, whose first eight bytes are never these: the length
    /// of a member's name.
    func fingerprint(ofForm form: FormDigest?) -> [UInt8] {
        fingerprint { take in
            take(Array("multipart".utf8)[...])
            form?.pieces { take($0[...]) }
        }
    }

    private func fingerprint(_ pieces: ((ArraySlice<UInt8>) -> Void) -> Void) -> [UInt8] {
        guard scope != nil else { return [] }
        var hash = SHA256()
        hash.update(data: Array("\(target)\n".utf8))
        pieces { piece in piece.withUnsafeBytes { hash.update(bufferPointer: $0) } }
        return Array(hash.finalize())
    }

    /// Does what the request asks for unless that was done before, and answers.
    /// - Parameters:
    ///   - fingerprint: that of this call and its body.
    ///   - answer: makes the answer of what was done.
    ///   - recordedAs: makes what is kept of it, where the answer holds what must not be kept; nil where it is kept as it is.
    ///   - isNothingDone: whether a value says that nothing was done which the store could have recorded.
    ///   - effect: does it, handing on to the store the claim under which it is to be recorded.
    func perform<Value: Sendable>(
        fingerprint: [UInt8], answer: @escaping @Sendable (Value) -> JSONAnswer,
        recordedAs: (@Sendable (Value) -> JSONAnswer)? = nil, isNothingDone: (Value) -> Bool = { _ in false },
        effect: (IdempotencyClaim<Value>?) async throws -> Value
    ) async throws -> Response {
        guard let scope else { return answer(try await effect(nil)).response }
        let request = IdempotentRequest(scope: scope, fingerprint: fingerprint)
        let claim: ClaimID
        switch try await idempotency.claim(request) {
        case .answered(let record): return try Self.replay(AnswerRecord(record))
        case .first(let own): claim = own
        }
        let prolonging = idempotency.prolong(claim, of: request)
        let response: Result<Response, any Error>
        do {
            response = .success(
                try await first(
                    request, claim, answer: answer, recordedAs: recordedAs ?? answer, isNothingDone: isNothingDone, effect: effect))
        } catch {
            response = .failure(error)
        }
        prolonging?.cancel()
        await idempotency.release(claim, of: request)
        return try response.get()
    }

    /// Does what was not done before. What the store records is what is answered; where it did nothing that it could have recorded, or refused,
    /// the answer is kept here.
    ///
    /// A store that did something and recorded nothing is at fault. Its answer is not kept here in its stead, because a crash between the two
    /// writes would leave an effect without its record; the fault is to be seen instead.
    private func first<Value: Sendable>(
        _ request: IdempotentRequest, _ claim: ClaimID, answer: @escaping @Sendable (Value) -> JSONAnswer,
        recordedAs: @escaping @Sendable (Value) -> JSONAnswer, isNothingDone: (Value) -> Bool,
        effect: (IdempotencyClaim<Value>?) async throws -> Value
    ) async throws -> Response {
        let recorded = RecordedAnswer()
        let requestID = context.requestID
        do {
            let value = try await effect(
                IdempotencyClaim(id: claim, request: request) { value in
                    recorded.set(answer(value))
                    return AnswerRecord(recordedAs(value), requestID: requestID).bytes
                })
            if let given = recorded.answer { return given.response }
            guard isNothingDone(value) else { throw Failure.unexpected("What was done under an idempotency key was not recorded with it") }
            try await idempotency.keep(AnswerRecord(recordedAs(value), requestID: requestID).bytes, for: request, under: claim)
            return answer(value).response
        } catch {
            // Once a record was asked for, what it tells of may be committed, and must not be replaced by the word that nothing was done.
            if recorded.answer == nil { await keep(EnvelopeError(converting: error), for: request, under: claim) }
            throw error
        }
    }

    /// Keeps a refusal that the same request would meet again. It stands for nothing done, so that one which cannot be kept may as well be made anew.
    private func keep(_ error: EnvelopeError, for request: IdempotentRequest, under claim: ClaimID) async {
        guard AnswerRecord.isFinal(status: error.code.status) else { return }
        let envelope = ErrorEnvelope(code: error.code, message: error.message, details: error.details, requestID: context.requestID)
        let record = AnswerRecord(requestID: context.requestID, status: error.code.status, body: Array(envelope.encoded()))
        do throws(Failure) {
            try await idempotency.keep(record.bytes, for: request, under: claim)
        } catch {
            context.logger.warning("a refusal could not be kept for replay", metadata: ["reason": "\(error)"])
        }
    }

    /// Gives an answer again. A refusal is made anew of what it said, because every error carries the id of its own request.
    private static func replay(_ record: AnswerRecord) throws -> Response {
        let marks: HTTPFields = [.idempotentReplayed: "true", .originalRequest: record.requestID]
        if record.status >= 400 {
            let refusal = try ErrorEnvelope(decoding: record.body).error
            throw EnvelopeError(refusal.code ?? .conflict, message: refusal.message, details: refusal.details, headers: marks)
        }
        var response = record.answer.response
        response.headers.append(contentsOf: marks)
        return response
    }
}

/// The answer that was made when its record was asked for, so that it is made once.
private final class RecordedAnswer: Sendable {
    private let made = Mutex<JSONAnswer?>(nil)

    var answer: JSONAnswer? { made.withLock { $0 } }

    func set(_ answer: JSONAnswer) { made.withLock { $0 = answer } }
}
