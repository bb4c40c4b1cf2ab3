/// The use case of fal's webhooks. What they report is on disk when the call returns; what follows from it is done by others.
///
/// Anybody may send what looks like one, and anybody's model at fal may have fal send a signed one. So the token in the address decides first, which
/// only fal knows beside this service: without a known one nothing is read, verified or parsed.
package struct FalWebhooks: Sendable {
    private let store: any FalRequestStore
    private let queue: any FalQueue
    private let verifier: any FalWebhookVerifier
    private let wakes: FalWakes
    private let closings: WakeSignal
    private let decoding: BodyDecoding
    private let clock: WallClock
    private let read: @Sendable ([UInt8]) -> FalFacts?
    private let tell: @Sendable (FalNews) -> Void

    /// - Parameters:
    ///   - wakes: wakes who follows a request.
    ///   - closings: given when a request may be due to be called off.
    ///   - read: reads a body; nil for one that is no JSON object that can be read.
    ///   - tell: is told what was reported.
    package init(
        store: any FalRequestStore, queue: any FalQueue, verifier: any FalWebhookVerifier, wakes: FalWakes, closings: WakeSignal,
        decoding: BodyDecoding, clock: WallClock, read: @escaping @Sendable ([UInt8]) -> FalFacts?,
        tell: @escaping @Sendable (FalNews) -> Void
    ) {
        self.store = store
        self.queue = queue
        self.verifier = verifier
        self.wakes = wakes
        self.closings = closings
        self.decoding = decoding
        self.clock = clock
        self.read = read
        self.tell = tell
    }

    /// The job whose webhook has a token in its address.
    /// - Throws: `notFound` where there is none, or none any more.
    package func job(of token: RandomToken) async throws(Failure) -> Identifier {
        guard let request = try await store.request(withToken: token) else { throw .notFound }
        return request.jobID
    }

    /// Takes in a body as it came. The same a second time changes nothing.
    /// - Throws: `invalid` where it is not from fal, or not from now; `providerUnavailable` where fal's keys cannot be had.
    package func take(_ body: [UInt8], _ signature: FalSignature, of jobID: Identifier) async throws(Failure) {
        try await verifier.verify(signature, of: body, at: clock.now)
        // A job has one request, and so hardly more than one webhook at a time: it stands for its account where those share.
        let facts = try await decoding.perform(on: body.count, for: jobID) { () throws(Failure) in read(body) }
        let outcome = FalRules.outcome(ofWebhook: facts)
        // The header is signed with the body, and there where the body cannot be read.
        let requestID = facts?.requestID ?? signature.requestID
        let event = outcome.map { .reported($0) } ?? FalEvent.unread(requestID.flatMap { queue.handle(of: $0) })
        guard let request = try await store.take(event, ofJob: jobID, at: clock.now) else { return }
        if let outcome, request.state == .reported { tell(.reported(outcome, jobID: jobID)) }
        wakes.wake(jobID)
        if request.state == .closing { closings.notify() }
    }
}
