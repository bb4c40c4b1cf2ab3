/// What a use case hands to its store with every write: the moment, and the claim under which it writes, if a client may send the same again.
///
/// Effect and record belong into one transaction, so that after a crash there are both or none. A store therefore asks for the record within the
/// transaction, once it knows what it did, and keeps it there. Where claims may be lost to another request, a write whose claim is no longer the
/// one that holds does nothing and throws `idempotencyKeyInUse`, whichever port it belongs to.
package struct WriteContext<Value: Sendable>: Sendable {
    /// When the write is done, for all that it changes.
    package let now: Timestamp
    /// The claim under which it is done; nil where no key came.
    package let claim: IdempotencyClaim<Value>?

    package init(at now: Timestamp, claim: IdempotencyClaim<Value>? = nil) {
        self.now = now
        self.claim = claim
    }
}
