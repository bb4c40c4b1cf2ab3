/// What those who pay ask for.
extension Credits {
    /// Has credits bought for an account from now on, whenever a charge leaves fewer than the threshold. What is paused stays so.
    /// - Throws: `topUpsNotOffered`, `accountMissing`.
    package func set(
        _ smartBalance: SmartBalance, accountID: Identifier, requestID: String? = nil
    ) async throws(Failure) -> CreditStanding {
        guard topUps != nil else { throw .topUpsNotOffered }
        return try await smartBalances.set(smartBalance, accountID: accountID, in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// Has none bought any more. What is asked for already goes on to its outcome.
    /// - Throws: `notFound` where none were to be bought.
    package func removeSmartBalance(accountID: Identifier, requestID: String? = nil) async throws(Failure) -> CreditStanding {
        try await smartBalances.remove(accountID: accountID, in: WriteContext(at: clock.now, requestID: requestID))
    }

    /// Has credits bought again after nobody had paid.
    /// - Parameter claim: the claim on the client's idempotency key.
    /// - Throws: `notFound` where none were to be bought.
    package func resumeSmartBalance(
        accountID: Identifier, claim: IdempotencyClaim<ResumedBalance>? = nil, requestID: String? = nil
    ) async throws(Failure) -> ResumedBalance {
        try await smartBalances.resume(
            accountID: accountID, in: WriteContext(at: clock.now, claim: claim, requestID: requestID))
    }
}

/// Has credits bought again for an account for which nobody had paid.
package struct ResumeSmartBalance: AdministrationOperation {
    private let accountName: String

    package init(accountName: String) {
        self.accountName = accountName
    }

    /// - Throws: `invalid`, `notFound` for an account that is not there, or for which none were to be bought.
    package func perform(in administration: Administration, progress: @escaping ProgressHandler) async throws(Failure) -> CreditReport {
        let account = try await administration.creditedAccount(accountName)
        let resumed = try await administration.stores.smartBalances.resume(
            accountID: account.id,
            in: administration.context(.creditsResume) { $0.isChanged ? [account.name] : [] })
        return CreditReport(account, resumed.standing)
    }
}
