import Hummingbird
import Personas
import PersonasWire

/// The calls of those who pay for an account: that credits are bought for it whenever it has few. There are none where trainings cost nothing.
struct SmartBalanceRoutes: Sendable {
    /// The path of what was asked for.
    static let path = "\(CreditRoutes.path)/smart-balance"
    /// The path that has credits bought again.
    static let resumePath = "\(path)/resume"

    let routes: CreditRoutes
    let bodyReader: BodyReader
    let calls: IdempotentCalls

    private var credits: Credits { routes.credits }

    /// Adds the calls to a group whose callers are known.
    func add(to group: RouterGroup<CallerContext>) {
        group.put(RouterPath(Self.path)) { request, context in try await put(request, context) }
        group.delete(RouterPath(Self.path)) { request, context in
            try context.caller.require(.billing)
            let standing = try await credits.removeSmartBalance(accountID: context.caller.accountID, requestID: context.requestID)
            return routes.answer(standing).response
        }
        group.post(RouterPath(Self.resumePath)) { request, context in try await resume(request, context) }
    }

    private func put(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.billing)
        let standing = try await bodyReader.withObject(of: request, from: context.caller) { (body) throws(Failure) in
            SmartBalance(threshold: try CreditAmount(body, "threshold"), amount: try CreditAmount(body, "amount"))
        } handle: { smartBalance, _ in
            try await credits.set(smartBalance, accountID: context.caller.accountID, requestID: context.requestID)
        }
        return routes.answer(standing).response
    }

    private func resume(_ request: Request, _ context: CallerContext) async throws -> Response {
        try context.caller.require(.billing)
        let call = try calls.call(request, context)
        let fingerprint = try await bodyReader.withObjectIfAny(of: request, from: context.caller) {
            call.fingerprint(of: $0)
        } handle: { fingerprint, _ in
            fingerprint
        }
        return try await call.perform(fingerprint: fingerprint, answer: { routes.answer($0.standing) }) { claim in
            try await credits.resumeSmartBalance(
                accountID: context.caller.accountID, claim: claim, requestID: context.requestID)
        }
    }
}

extension CreditAmount {
    /// A member that is to be an amount.
    /// - Throws: `invalidAmount` for whatever else it is, or is not there.
    fileprivate init(_ body: JSONObject, _ name: String) throws(Failure) {
        guard case .value(let value) = body.integer(name) else { throw .invalidAmount(.own(name)) }
        try self.init(value, of: .own(name))
    }
}
