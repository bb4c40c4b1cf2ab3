/// How one request is found again at fal, once fal has said so.
package struct FalHandle: Sendable, Equatable {
    /// The id that fal knows it by.
    package let requestID: String
    /// Where to ask how it stands. Like the other two within the origin of the queue, which alone is shown the key.
    package let statusURL: String
    /// Where its result is.
    package let responseURL: String
    /// Where it is called off.
    package let cancelURL: String

    package init(requestID: String, statusURL: String, responseURL: String, cancelURL: String) {
        self.requestID = requestID
        self.statusURL = statusURL
        self.responseURL = responseURL
        self.cancelURL = cancelURL
    }
}

/// What has come of a request at fal. The words are fal's, and safe to show; empty where there are none.
package enum FalOutcome: Sendable, Equatable {
    /// A portrait, which is still to be downloaded.
    case portrait(url: String)
    /// fal refused the input.
    case rejected(words: String)
    /// fal, or the model, reported an error.
    case failed(words: String)
    /// fal gave up in time of its own.
    case overdue
}

/// What happens to a request.
package enum FalEvent: Sendable, Equatable {
    /// fal has taken it.
    case accepted(FalHandle)
    /// fal has certainly not taken it; it may be sent again from a moment on.
    case notTaken(retryAt: Timestamp)
    /// fal is done with it.
    case reported(FalOutcome)
    /// fal says that it is done with it, but not what came of it, which has to be asked for.
    case unread(FalHandle?)
    /// fal did not hear that it is to be called off; it is told again from a moment on.
    case closeFailed(retryAt: Timestamp)
    /// fal knows that it is called off, or there is nobody to tell.
    case closed
}

/// A job that is given to fal, as a state machine without I/O: stores load it, apply one event and write it back in one transaction.
///
/// `waiting → intended → submitted → reported → ended`, back from `intended` to `waiting` where fal has certainly not taken it. A request in `intended`
/// may have come to fal and cost money, so it is never sent again: either an answer brings its handle, or a webhook its outcome, or time runs out. When
/// its job ends before fal has reported, it is `closing` until fal knows. Nothing leads back from `reported`, `closing` and `ended`.
package struct FalRequest: Sendable, Equatable {
    /// Where a request stands.
    package enum State: String, Sendable, CaseIterable {
        /// fal does not have it, and it is to be sent.
        case waiting
        /// It is being sent, or was, and nobody knows whether it has come to fal.
        case intended
        /// fal has it.
        case submitted
        /// fal is done with it, its job not yet.
        case reported
        /// Its job is over, and fal may still work on it.
        case closing
        /// Nothing is left to do. It is remembered for webhooks that come late, or once more.
        case ended
    }

    /// How often fal is asked to call a request off before it is left to itself: more than a quarter of an hour of trying.
    package static let closeAttemptsMax = 10

    /// The job, of which there is one request.
    package let jobID: Identifier
    /// Stands in the address of its webhook. Whoever knows it is fal.
    package let token: RandomToken
    /// When it was first about to be sent, from which on its time runs.
    package let intendedAt: Timestamp
    /// Where it stands.
    package private(set) var state: State
    /// How it is found at fal; nil as long as fal has not said so.
    package private(set) var handle: FalHandle?
    /// What has come of it; nil until fal has reported.
    package private(set) var outcome: FalOutcome?
    /// From when on it is sent, or called off; nil where neither is to be done.
    package private(set) var dueAt: Timestamp?
    /// How often it was about to be sent; of one that is being closed how often fal was asked to call it off.
    package private(set) var attempts: Int

    /// A request that is to be sent now.
    package init(jobID: Identifier, token: RandomToken, at now: Timestamp) {
        self.init(
            jobID: jobID, token: token, intendedAt: now, state: .waiting, handle: nil, outcome: nil, dueAt: now, attempts: 0)
    }

    /// Takes a request as stored.
    package init(
        jobID: Identifier, token: RandomToken, intendedAt: Timestamp, state: State, handle: FalHandle?, outcome: FalOutcome?,
        dueAt: Timestamp?, attempts: Int
    ) {
        self.jobID = jobID
        self.token = token
        self.intendedAt = intendedAt
        self.state = state
        self.handle = handle
        self.outcome = outcome
        self.dueAt = dueAt
        self.attempts = attempts
    }

    /// Notes that it is about to be sent. False, and nothing changes, unless it is to be sent by now.
    package mutating func intend(at now: Timestamp) -> Bool {
        guard state == .waiting, let due = dueAt, due <= now else { return false }
        (state, dueAt) = (.intended, nil)
        attempts += 1
        return true
    }

    /// Follows its job, which has ended. The store does the same by a trigger, in the transaction in which that happens.
    package mutating func followEndOfJob() {
        switch state {
        case .waiting, .reported: end()
        case .intended, .submitted: (state, dueAt, attempts) = (.closing, Timestamp(milliseconds: 0), 0)
        case .closing, .ended: break
        }
    }

    /// Takes an event in. What comes twice or too late changes nothing.
    package mutating func take(_ event: FalEvent, at now: Timestamp) {
        switch (event, state) {
        case (.accepted(let handle), .intended): (state, self.handle) = (.submitted, handle)
        case (.accepted(let handle), .closing) where self.handle == nil: (self.handle, dueAt) = (handle, now)
        case (.notTaken(let retryAt), .intended): (state, dueAt) = (.waiting, retryAt)
        // An earlier sending, of which fal had said that it was not taken, reports like any other.
        case (.reported(let outcome), .waiting), (.reported(let outcome), .intended), (.reported(let outcome), .submitted):
            (state, self.outcome, dueAt) = (.reported, outcome, nil)
        case (.unread(let handle?), .waiting), (.unread(let handle?), .intended):
            (state, self.handle, dueAt) = (.submitted, handle, nil)
        // There is nothing to close any more, or never was.
        case (.reported, .closing), (.unread, .closing), (.closed, .closing): end()
        case (.notTaken, .closing) where handle == nil: end()
        case (.closeFailed(let retryAt), .closing):
            attempts += 1
            dueAt = retryAt
            if attempts >= Self.closeAttemptsMax { end() }
        case (.accepted, _), (.notTaken, _), (.reported, _), (.unread, _), (.closeFailed, _), (.closed, _): break
        }
    }

    private mutating func end() { (state, dueAt) = (.ended, nil) }
}

/// What came of the wish to send a request.
package struct FalIntent: Sendable, Equatable {
    /// The request as it is now.
    package let request: FalRequest
    /// Whether the caller, and nobody else, is to send it now.
    package let maySend: Bool

    package init(request: FalRequest, maySend: Bool) {
        self.request = request
        self.maySend = maySend
    }
}

/// Remembers what was given to fal. Each call that changes something is one transaction. Where a job ends, however it does, the store applies
/// `followEndOfJob` in that transaction.
package protocol FalRequestStore: Sendable {
    /// The request of a job; nil where there never was one.
    func request(ofJob id: Identifier) async throws(Failure) -> FalRequest?
    /// The request whose webhook has a token in its address; nil where there is none.
    func request(withToken token: RandomToken) async throws(Failure) -> FalRequest?
    /// Notes on disk that a job is about to be sent, if it is to be sent by now. The first time makes its request.
    /// - Parameter token: what the first time puts into the address of its webhook.
    /// - Throws: `staleLease` where the job is not in the caller's hands any more, which is looked at in the same transaction.
    func intend(_ job: LeasedJob, token: RandomToken, at now: Timestamp) async throws(Failure) -> FalIntent
    /// Applies an event.
    /// - Returns: the request as it is then; nil where there is none any more.
    func take(_ event: FalEvent, ofJob id: Identifier, at now: Timestamp) async throws(Failure) -> FalRequest?
    /// Requests that are to be called off by now, those first that have waited for longest.
    /// - Parameter silentSince: what was first sent before, and has no handle, is among them, because nothing can be heard of it any more.
    func dueClosings(at now: Timestamp, silentSince: Timestamp, limit: Int) async throws(Failure) -> [FalRequest]
    /// Forgets requests that have ended and were first sent before a moment.
    /// - Returns: how many.
    func forget(intendedBefore moment: Timestamp, limit: Int) async throws(Failure) -> Int
}
