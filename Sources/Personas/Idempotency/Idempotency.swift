import Synchronization

/// One POST as its idempotency key names it.
package struct IdempotentRequest: Sendable, Equatable {
    /// Where a key counts: the same text means something else in another account or on another route.
    package struct Scope: Sendable, Hashable {
        /// The caller's account.
        package let accountID: Identifier
        /// Method and path template: `POST /v2/personas`.
        package let route: String
        /// The key.
        package let key: IdempotencyKey

        package init(accountID: Identifier, route: String, key: IdempotencyKey) {
            self.accountID = accountID
            self.route = route
            self.key = key
        }
    }

    /// Where the key counts.
    package let scope: Scope
    /// SHA-256 of the whole request, which tells another request under the same key apart.
    package let fingerprint: [UInt8]

    package init(scope: Scope, fingerprint: [UInt8]) {
        self.scope = scope
        self.fingerprint = fingerprint
    }
}

/// An answer as it is kept to be given again.
package struct IdempotencyRecord: Sendable, Equatable {
    /// The id of the request that was answered so.
    package let requestID: String
    /// The HTTP status.
    package let status: Int
    /// The header `Location`, if the answer had one.
    package let location: String?
    /// The header `ETag`, if the answer had one.
    package let entityTag: String?
    /// The JSON; empty where the answer had none.
    package let body: [UInt8]

    package init(requestID: String, status: Int, location: String? = nil, entityTag: String? = nil, body: [UInt8]) {
        self.requestID = requestID
        self.status = status
        self.location = location
        self.entityTag = entityTag
        self.body = body
    }
}

/// How the result of a write is answered. Handed to the store with the write, so that effect and answer are kept in one transaction: after a
/// crash there are both or none.
package struct Acknowledgement<Value: Sendable>: Sendable {
    /// What is answered.
    package let request: IdempotentRequest
    /// Makes the answer of the write's result. It runs inside the transaction, so it must neither wait nor read anything.
    package let answer: @Sendable (Value) -> IdempotencyRecord

    package init(request: IdempotentRequest, answer: @escaping @Sendable (Value) -> IdempotencyRecord) {
        self.request = request
        self.answer = answer
    }
}

/// Keeps answers under idempotency keys.
package protocol IdempotencyStore: Sendable {
    /// The answer kept for a scope no earlier than the moment named, with the fingerprint of the request that it answered.
    func find(_ scope: IdempotentRequest.Scope, since oldest: Timestamp) throws(Failure) -> (
        fingerprint: [UInt8], answer: IdempotencyRecord
    )?
    /// Keeps the answer to a request that had no effect, so that no other write could keep it.
    func keep(_ answer: IdempotencyRecord, for request: IdempotentRequest, at now: Timestamp) async throws(Failure)
    /// Forgets the answers kept before a moment, at most `limit` of them. Returns how many.
    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int
}

/// Makes POSTs safe to send again: of all requests with one key, one has its effect, and the others get its answer.
package struct Idempotency: Sendable {
    /// Answers forgotten in one transaction: few enough that no client's write waits behind them for long.
    private static let forgottenAtOnce = 500

    /// How a request under a key goes on.
    package enum Claim: Sendable, Equatable {
        /// Nobody was answered yet. Whoever gets this must call `release` in the end.
        case first
        /// It was answered before, like this.
        case answered(IdempotencyRecord)
    }

    private let answers: any IdempotencyStore
    private let running = RunningRequests()

    /// Takes the store of answers.
    package init(answers: any IdempotencyStore) {
        self.answers = answers
    }

    /// Claims the key for a request.
    /// - Throws: `idempotencyKeyInUse` while another request with the key runs, `idempotencyKeyReused` when it was another request that the key
    ///   stood for.
    package func claim(_ request: IdempotentRequest) throws(Failure) -> Claim {
        // Only this process writes, so its own memory knows every request that runs; one that a crash cut off runs no more.
        guard running.begin(request.scope) else { throw .idempotencyKeyInUse }
        do throws(Failure) {
            guard let kept = try answers.find(request.scope, since: oldest) else { return .first }
            guard kept.fingerprint == request.fingerprint else { throw .idempotencyKeyReused }
            running.end(request.scope)
            return .answered(kept.answer)
        } catch {
            running.end(request.scope)
            throw error
        }
    }

    /// Lets go of a key that was claimed first, once its request has ended, whichever way.
    package func release(_ request: IdempotentRequest) {
        running.end(request.scope)
    }

    /// Keeps the answer to a request that had no effect.
    package func keep(_ answer: IdempotencyRecord, for request: IdempotentRequest) async throws(Failure) {
        try await answers.keep(answer, for: request, at: .now)
    }

    /// Whether an answer of this status ends its request for good, rather than asking the client to try again or to mend something.
    package static func isFinal(status: Int) -> Bool {
        switch status {
        case 400, 401, 403, 429, 500...: false
        default: true
        }
    }

    /// Forgets the answers whose time is over. Returns how many.
    package func forgetExpired() async throws(Failure) -> Int {
        var count = 0
        while true {
            let forgotten = try await answers.forget(before: oldest, limit: Self.forgottenAtOnce)
            count += forgotten
            if forgotten < Self.forgottenAtOnce { return count }
        }
    }

    private var oldest: Timestamp { Timestamp.now.adding(seconds: -Limits.idempotencySecondsKept) }
}

/// The scopes in which a request runs at this moment.
private final class RunningRequests: Sendable {
    private let scopes = Mutex<Set<IdempotentRequest.Scope>>([])

    func begin(_ scope: IdempotentRequest.Scope) -> Bool {
        scopes.withLock { $0.insert(scope).inserted }
    }

    func end(_ scope: IdempotentRequest.Scope) {
        scopes.withLock { _ = $0.remove(scope) }
    }
}
