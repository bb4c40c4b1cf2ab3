/// One POST as its idempotency key names it.
package struct IdempotentRequest: Sendable, Equatable {
    /// Where a key counts: the same text means something else in another account or for another operation.
    package struct Scope: Sendable, Hashable {
        /// The caller's account.
        package let accountID: Identifier
        /// What is asked for, in a text that means something only to the adapter that made it. It is kept with the records, so an adapter must
        /// go on naming an operation as it did.
        package let operation: String
        /// The key.
        package let key: IdempotencyKey

        package init(accountID: Identifier, operation: String, key: IdempotencyKey) {
            self.accountID = accountID
            self.operation = operation
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

/// How a store answers the wish to claim a key.
package enum ClaimOutcome: Sendable, Equatable {
    /// The key is the caller's, who has to release the claim.
    case claimed(ClaimID)
    /// A record that still counts is kept under the key.
    case recorded(IdempotencyRecord)
}

/// Knows which idempotency keys are in use, and keeps the answers given under them.
///
/// A write that is done under a claim keeps its answer itself; see `WriteContext`. A claim that ended by itself is lost once another request has
/// got the key, be it the same one sent again. From then on the first must change nothing: neither its writes nor its calls of `keep` and
/// `release` are to be taken for those of the other, so all of them name their claim.
package protocol IdempotencyStore: Sendable {
    /// Claims the key of a request, unless a record that still counts is kept under it. Of several requests at once one gets the claim,
    /// whichever processes they come to.
    /// - Parameter end: when the claim ends by itself, lest a key be lost with the process that claimed it. A store whose claims end with its
    ///   process anyway need not heed it.
    /// - Throws: `idempotencyKeyInUse` while another request has the key.
    func claim(_ request: IdempotentRequest, until end: Timestamp, at now: Timestamp) async throws(Failure) -> ClaimOutcome
    /// Whether a claim may be there that nobody works under any more, because it outlives the process that made it. Such claims end soon, unless they are
    /// prolonged.
    var areClaimsShared: Bool { get }
    /// Has a claim end later, because its request still runs. A claim that is no longer the one that holds stays lost, and where the store cannot be
    /// reached it ends when it would have.
    func prolong(_ claim: ClaimID, of request: IdempotentRequest, until end: Timestamp) async
    /// Ends a claim once its request has ended, whichever way. A claim that is no longer the one that holds is none to be ended.
    func release(_ claim: ClaimID, of request: IdempotentRequest) async
    /// Keeps the answer to a request that had no effect, so that no other write could keep it.
    /// - Throws: `idempotencyKeyInUse` when the claim was lost.
    func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID, at now: Timestamp) async throws(Failure)
    /// Forgets the records kept before a moment, at most `limit` of them. Returns how many.
    func forget(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int
}

extension IdempotencyStore {
    /// False: a claim is the process's own.
    package var areClaimsShared: Bool { false }

    /// Does nothing: claims last as long as their process.
    package func prolong(_ claim: ClaimID, of request: IdempotentRequest, until end: Timestamp) async {}
}

/// Makes POSTs safe to send again: of all requests with one key, one has its effect, and the others get its answer.
package struct Idempotency: Sendable {
    /// Records forgotten in one transaction: few enough that no client's write waits behind them for long.
    private static let forgottenAtOnce = 500

    /// How a request under a key goes on.
    package enum Decision: Sendable, Equatable {
        /// No request was answered under the key yet: the caller has this claim, and must call `release` in the end.
        case first(ClaimID)
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
        switch try await records.claim(request, until: end, at: now) {
        case .claimed(let claim): return .first(claim)
        case .recorded(let kept):
            guard kept.fingerprint == request.fingerprint else { throw .idempotencyKeyReused }
            return .answered(kept.answer)
        }
    }

    /// Keeps a claim from ending while its request runs, until the task is cancelled; nil where it does not end before.
    package func prolong(_ claim: ClaimID, of request: IdempotentRequest) -> Task<Void, Never>? {
        guard records.areClaimsShared else { return nil }
        return Task { [records, clock] in
            while (try? await Task.sleep(for: .seconds(Limits.idempotencyRenewalSeconds))) != nil {
                await records.prolong(claim, of: request, until: clock.now.adding(seconds: Limits.idempotencyClaimSeconds))
            }
        }
    }

    /// Lets go of a key that was claimed first, once its request has ended, whichever way.
    package func release(_ claim: ClaimID, of request: IdempotentRequest) async {
        await records.release(claim, of: request)
    }

    /// Keeps the answer to a request that had no effect.
    /// - Throws: `idempotencyKeyInUse` when the claim was lost to another request.
    package func keep(_ answer: [UInt8], for request: IdempotentRequest, under claim: ClaimID) async throws(Failure) {
        try await records.keep(answer, for: request, under: claim, at: clock.now)
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
