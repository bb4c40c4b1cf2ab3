/// What a use case hands to its store with every write: the moment, and the claim under which it writes, if a client may send the same again.
///
/// Effect and record belong into one transaction, so that after a crash there are both or none. A store therefore asks for the record within the
/// transaction, once it knows what it did, and keeps it there.
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

/// The right to do what a request under an idempotency key asks for, with the way in which the outcome is recorded.
package struct IdempotencyClaim<Value: Sendable>: Sendable {
    /// The request that the key was claimed for.
    package let request: IdempotentRequest
    /// Makes the record of what was done. It runs inside the transaction, so it must neither wait nor read anything; where a store does a
    /// transaction again, the last record counts.
    package let record: @Sendable (Value) -> [UInt8]

    package init(request: IdempotentRequest, record: @escaping @Sendable (Value) -> [UInt8]) {
        self.request = request
        self.record = record
    }
}
