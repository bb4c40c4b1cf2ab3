/// Keeps what those who pay have asked for. A charge that leaves fewer credits than they want to have writes the request for a top-up in its own
/// transaction, so that after a crash there are both or neither; an account has one at a time.
package protocol SmartBalanceStore: Sendable {
    /// Has credits bought from now on, or others than before. What is paused stays so.
    /// - Throws: `accountMissing`.
    func set(
        _ smartBalance: SmartBalance, accountID: Identifier, in context: WriteContext<CreditStanding>
    ) async throws(Failure) -> CreditStanding
    /// Has none bought any more. A top-up that is asked for already goes on to its outcome.
    /// - Throws: `notFound`.
    func remove(accountID: Identifier, in context: WriteContext<CreditStanding>) async throws(Failure) -> CreditStanding
    /// Has credits bought again.
    /// - Throws: `notFound`.
    func resume(accountID: Identifier, in context: WriteContext<ResumedBalance>) async throws(Failure) -> ResumedBalance
    /// Asks for a top-up where the balance does not cover a price, one would, and none is asked for yet.
    /// - Returns: how the account stands with that.
    func ask(toCover price: Int, accountID: Identifier, at now: Timestamp) async throws(Failure) -> CreditStanding
}

/// How an account stands for which credits are bought again.
package struct ResumedBalance: Sendable, Equatable {
    /// How it stands.
    package let standing: CreditStanding
    /// Whether it was paused before.
    package let isChanged: Bool

    package init(standing: CreditStanding, isChanged: Bool) {
        self.standing = standing
        self.isChanged = isChanged
    }
}

/// Remembers top-ups until their outcome is known. Everything about one is here alone: a process that ends at any moment loses nothing but the question
/// that is under way, which is asked again.
package protocol TopUpStore: Sendable {
    /// Top-ups that are to be asked for now, those first that have been due for longest.
    /// - Parameter isRepeated: whether those are wanted that were asked for before, or the others.
    func due(at now: Timestamp, isRepeated: Bool, limit: Int) async throws(Failure) -> [TopUp]
    /// The first moment after `now` at which one is to be asked for; nil for none.
    func nextDueAt(after now: Timestamp) async throws(Failure) -> Timestamp?
    /// Does what follows from an answer, in one transaction; `TopUpRules.verdict` says what. Whatever comes after the outcome of a top-up changes nothing.
    /// - Parameters:
    ///   - end: when the answer came.
    ///   - waitFactor: by how much the time to the next question differs from the schedule's.
    func record(
        _ answer: PaymentAnswer, of id: Identifier, at end: Timestamp, waitFactor: Double
    ) async throws(Failure) -> RecordedTopUp
    /// Top-ups whose accounts were deleted before their outcome was known, at most `limit`. They are there until they are forgotten.
    func abandoned(limit: Int) async throws(Failure) -> [AbandonedTopUp]
    /// Forgets such top-ups, once the operator was told of them.
    func forget(_ abandoned: [AbandonedTopUp]) async throws(Failure)
}

/// The operator's own service, which has somebody pay.
package protocol PaymentService: Sendable {
    /// Asks it once, which takes `TopUpRules.attemptSecondsMax` at most. Asked again under the same id it says the same, and has nobody pay twice. Nil
    /// where the task was cancelled before there was an answer.
    func ask(for topUp: TopUp) async -> PaymentAnswer?
}
