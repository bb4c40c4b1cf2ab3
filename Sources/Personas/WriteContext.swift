/// What a use case hands to its store with every write: the moment, the claim under which it writes, if a client may send the same again, and what the
/// audit is to say of it, if an operator asks for it.
///
/// Effect, record and audit belong into one transaction, so that after a crash there are all or none. A store therefore asks for the record and the
/// entries within the transaction, once it knows what it did, and keeps them there; where nothing was changed it writes no entry. Where claims may be
/// lost to another request, a write whose claim is no longer the one that holds does nothing and throws `idempotencyKeyInUse`, whichever port it
/// belongs to.
package struct WriteContext<Value: Sendable>: Sendable {
    /// When the write is done, for all that it changes.
    package let now: Timestamp
    /// The claim under which it is done; nil where no key came.
    package let claim: IdempotencyClaim<Value>?
    /// What the audit is to say of it; nil for what clients do, and the service by itself.
    package let audit: AuditNote<Value>?
    /// The id of the request that asks for it, which events name; nil for what operators do, and the service by itself.
    package let requestID: String?

    package init(
        at now: Timestamp, claim: IdempotencyClaim<Value>? = nil, audit: AuditNote<Value>? = nil, requestID: String? = nil
    ) {
        self.now = now
        self.claim = claim
        self.audit = audit
        self.requestID = requestID
    }
}
