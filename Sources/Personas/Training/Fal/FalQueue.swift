import Synchronization

/// The queue of fal that the operator has chosen, with the model that it works with. None of these calls is repeated by itself.
package protocol FalQueue: Sendable {
    /// How a request is found of which only the id is known; nil for an id that can be none.
    func handle(of requestID: String) -> FalHandle?
    /// Sends a request.
    /// - Parameters:
    ///   - input: what the model is given, in JSON.
    ///   - webhook: where fal is to report.
    func submit(_ input: [UInt8], webhook: String) async -> FalSubmission
    /// Asks how a request stands, and for its result once it has one.
    func standing(of handle: FalHandle) async -> FalStanding
    /// Calls a request off.
    /// - Returns: whether fal knows that it is called off, or done with, so that nothing is left to be told.
    func cancel(_ handle: FalHandle) async -> Bool
}

/// What fal signs its webhooks with, as their headers have it.
package struct FalSignature: Sendable {
    /// `X-Fal-Webhook-Request-Id`.
    package let requestID: String?
    /// `X-Fal-Webhook-User-Id`.
    package let userID: String?
    /// `X-Fal-Webhook-Timestamp`: seconds since 1970.
    package let timestamp: String?
    /// `X-Fal-Webhook-Signature`: 64 bytes in hexadecimal digits.
    package let signature: String?

    package init(requestID: String?, userID: String?, timestamp: String?, signature: String?) {
        self.requestID = requestID
        self.userID = userID
        self.timestamp = timestamp
        self.signature = signature
    }
}

/// Says whether a webhook is from fal.
package protocol FalWebhookVerifier: Sendable {
    /// Verifies the signature over a body as it came.
    /// - Throws: `invalid` where it is not from fal, or not from now; `providerUnavailable` where fal's keys cannot be had, or not at once.
    func verify(_ signature: FalSignature, of body: [UInt8], at now: Timestamp) async throws(Failure)
    /// Has fal's keys at hand, so that no webhook need wait for them.
    /// - Returns: whether they are.
    func prepare() async -> Bool
}

/// What happens to requests, for logs and metrics. Words of fal that are told here are safe to log, and no client's business.
package enum FalNews: Sendable {
    /// A request was sent, and that came of it.
    case sent(FalSubmission, jobID: Identifier)
    /// fal has reported, by webhook or when it was asked.
    case reported(FalOutcome, jobID: Identifier)
    /// Time was up before it did.
    case overdue(jobID: Identifier)
    /// A portrait could not be downloaded.
    case downloadFailed(jobID: Identifier, reason: String)
    /// fal knows that a request is called off, or is left to itself because it did not listen.
    case closed(jobID: Identifier, isHeard: Bool)
    /// The store could not do what it was asked for; it is asked again.
    case storeFailed(Failure)
}

/// Wakes whoever follows a request when something may have happened to it.
package final class FalWakes: Sendable {
    private let signals = Mutex<[Identifier: WakeSignal]>([:])

    /// Wakes that nobody waits for.
    package init() {}

    /// Begins to follow the request of a job. There is one follower of each at a time.
    func follow(_ jobID: Identifier) -> WakeSignal {
        let signal = WakeSignal()
        signals.withLock { $0[jobID] = signal }
        return signal
    }

    /// Ends that.
    func end(_ jobID: Identifier, _ signal: WakeSignal) {
        signals.withLock { if $0[jobID] === signal { $0[jobID] = nil } }
    }

    /// Wakes the follower of a request, if there is one.
    package func wake(_ jobID: Identifier) { signals.withLock { $0[jobID] }?.notify() }
}
