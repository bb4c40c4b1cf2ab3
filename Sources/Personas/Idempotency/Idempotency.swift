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

/// What is kept of a request that has ended.
package struct IdempotencyRecord: Sendable, Equatable {
    /// The fingerprint of the request.
    package let fingerprint: [UInt8]
    /// How it was answered, in bytes that mean something only to the adapter that made them.
    package let answer: [UInt8]

    package init(fingerprint: [UInt8], answer: [UInt8]) {
        self.fingerprint = fingerprint
        self.answer = answer
    }

    /// The oldest moment whose records still count at another one.
    package static func oldest(at now: Timestamp) -> Timestamp { now.adding(seconds: -Limits.idempotencySecondsKept) }
}

/// Knows which idempotency keys are in use, and keeps the answers given under them.
///
/// A write that is done under a claim keeps its answer itself; see `WriteContext`.
package protocol IdempotencyStore: Sendable {
    /// Claims the key of a request, unless a record that still counts is kept under it. Of several requests at once one gets the claim,
    /// whichever processes they come to.
    /// - Parameter end: when the claim ends by itself, lest a key be lost with the process that claimed it. A store whose claims end with its
    ///   process anyway need not heed it.
    /// - Returns: the record; nil where the claim is the caller's, who has to release it.
    /// - Throws: `idempotencyKeyInUse` while another request has the key.
    func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) async throws(Failure) -> IdempotencyRecord?
    /// Ends a claim once its request has ended, whichever way.
    func release(_ request: IdempotentRequest) async
    /// Keeps the answer to a request that had no effect, so that no other write could keep it.
    func keep(_ answer: [UInt8], for request: IdempotentRequest, at now: Timestamp) async throws(Failure)
    /// Forgets the records kept before a moment, at most `limit` of them. Returns how many.
    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int
}

/// Makes POSTs safe to send again: of all requests with one key, one has its effect, and the others get its answer.
package struct Idempotency: Sendable {
    /// Records forgotten in one transaction: few enough that no client's write waits behind them for long.
    private static let forgottenAtOnce = 500

    /// How a request under a key goes on.
    package enum Decision: Sendable, Equatable {
        /// No request was answered under the key yet: the caller has the claim, and must call `release` in the end.
        case first
        /// The request was answered before, like this.
        case answered([UInt8])
    }

    private let records: any IdempotencyStore
    private let clock: WallClock

    /// Takes the store of records, and what tells how old they are.
    package init(records: any IdempotencyStore, clock: WallClock) {
        self.records = records
        self.clock = clock
    }

    /// Claims the key for a request.
    /// - Throws: `idempotencyKeyInUse` while another request with the key runs, `idempotencyKeyReused` when it was another request that the key
    ///   stood for.
    package func claim(_ request: IdempotentRequest) async throws(Failure) -> Decision {
        let now = clock.now
        let end = now.adding(seconds: Limits.idempotencyClaimSeconds)
        guard let kept = try await records.claim(request, until: end, at: now) else { return .first }
        guard kept.fingerprint == request.fingerprint else { throw .idempotencyKeyReused }
        return .answered(kept.answer)
    }

    /// Lets go of a key that was claimed first, once its request has ended, whichever way.
    package func release(_ request: IdempotentRequest) async {
        await records.release(request)
    }

    /// Keeps the answer to a request that had no effect.
    package func keep(_ answer: [UInt8], for request: IdempotentRequest) async throws(Failure) {
        try await records.keep(answer, for: request, at: clock.now)
    }

    /// Forgets the records whose time is over. Returns how many.
    package func forgetExpired() async throws(Failure) -> Int {
        var count = 0
        while true {
            let forgotten = try await records.forget(before: IdempotencyRecord.oldest(at: clock.now), limit: Self.forgottenAtOnce)
            count += forgotten
            if forgotten < Self.forgottenAtOnce { return count }
        }
    }
}
