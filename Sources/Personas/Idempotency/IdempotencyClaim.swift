/// Tells a claim on an idempotency key from every other, even from a later one of the same request.
package struct ClaimID: Sendable, Hashable {
    /// The id as stores that write it down keep it.
    package let identifier: Identifier

    package init(identifier: Identifier) {
        self.identifier = identifier
    }

    /// The id of a new claim.
    package static func random() -> ClaimID { ClaimID(identifier: .random()) }
}

/// The right to do what a request under an idempotency key asks for, with the way in which the outcome is recorded.
package struct IdempotencyClaim<Value: Sendable>: Sendable {
    /// Which claim it is. A store whose claims may be lost to another request writes nothing unless it is still this one that holds.
    package let id: ClaimID
    /// The request that the key was claimed for.
    package let request: IdempotentRequest
    /// Makes the record of what was done. It runs inside the transaction, so it must neither wait nor read anything; where a store does a
    /// transaction again, the last record counts.
    package let record: @Sendable (Value) -> [UInt8]

    package init(id: ClaimID, request: IdempotentRequest, record: @escaping @Sendable (Value) -> [UInt8]) {
        self.id = id
        self.request = request
        self.record = record
    }
}
