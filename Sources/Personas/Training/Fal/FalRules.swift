/// What an answer of fal, or a webhook, says: what matters of its JSON, as far as it is there and of the right type.
package struct FalFacts: Sendable, Equatable {
    /// The id of the request.
    package var requestID: String?
    /// Where to ask how it stands.
    package var statusURL: String?
    /// Where its result is.
    package var responseURL: String?
    /// Where it is called off.
    package var cancelURL: String?
    /// One of fal's words: `IN_QUEUE`, `COMPLETED`, `OK`, `ERROR` and others.
    package var status: FalStatus?
    /// Words about what went wrong: fal's own.
    package var error: String?
    /// Words about what went wrong: the model's own, where they are no list of faults.
    package var detail: String?
    /// What a validation says of each fault of the input.
    package var faults: [String] = []
    /// Where the portrait is, by the operator's pointer.
    package var portraitURL: String?
    /// Whether a webhook holds the result, or else a validation's faults, rather than only the news that there is one.
    package var hasPayload = false

    /// Nothing.
    package init() {}
}

/// The words of fal that matter, of its queue, its cancellations and its webhooks.
package enum FalStatus: String, Sendable, CaseIterable {
    /// The queue: it waits.
    case inQueue = "IN_QUEUE"
    /// The queue: it is worked on.
    case inProgress = "IN_PROGRESS"
    /// The queue: it is done with, well or badly.
    case completed = "COMPLETED"
    /// A webhook: it went well. A cancellation: it was taken out of the queue.
    case ok = "OK"
    /// A webhook: it went badly.
    case error = "ERROR"
    /// A cancellation: whoever works on it was told.
    case cancellationRequested = "CANCELLATION_REQUESTED"
    /// A cancellation: it came too late.
    case alreadyCompleted = "ALREADY_COMPLETED"
    /// A cancellation: there is no such request.
    case notFound = "NOT_FOUND"

    /// The word of a text; nil for any other.
    package init?(text: String) {
        guard let status = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(text.utf8) }) else { return nil }
        self = status
    }
}

/// What came back for one call of fal.
package enum FalAnswer: Sendable, Equatable {
    /// No connection was made, so that nothing was sent.
    case nothingSent
    /// Something may have been sent, and no answer came.
    case lost
    /// An answer; the facts are nil where its body is no JSON object, or too long.
    case answer(status: Int, retryAfterSeconds: Int?, FalFacts?)
}

/// What sending a request came to.
package enum FalSubmission: Sendable, Equatable {
    /// fal has it.
    case accepted(FalHandle)
    /// fal certainly does not have it; it may be sent again after so many seconds, if fal says.
    case notTaken(retryAfterSeconds: Int?)
    /// fal may have it.
    case unknown
    /// fal does not want it, now or ever.
    case refused(FalOutcome)
}

/// How a request stands at fal.
package enum FalStanding: Sendable, Equatable {
    /// fal is not done with it, or does not say.
    case open
    /// fal is done with it.
    case done(FalOutcome)
}

/// What fal's answers mean.
package enum FalRules {
    /// Bytes of the largest body of fal that is read, an answer or a webhook.
    package static let bodyBytesMax = 1_048_576
    /// Webhooks whose bodies are in memory at once.
    package static let webhooksMax = 32
    /// Requests in hand at once; each waits most of the time, and costs a task.
    package static let requestsMax = 2_048
    /// Seconds that one call of fal may take.
    package static let callSecondsMax = 30
    /// Seconds for which a request that has ended is remembered beyond the time that it may take: fal sends webhooks anew for hours.
    package static let secondsKept = 86_400
    /// Seconds for which a webhook's signature is good, before and after its time.
    package static let signatureSecondsMax = 300

    /// The longest pause before a request is sent again that was not taken, whatever fal says.
    private static let retrySecondsMax = 300
    /// The same where fal does not say.
    private static let ownRetrySecondsMax = 60

    /// How jobs are leased: a request ends by its own time, and neither by that of a lease nor because the process was restarted.
    package static func leasePolicy(timeoutSeconds: Int) -> LeasePolicy {
        LeasePolicy(seconds: timeoutSeconds + secondsKept, attemptsMax: .max)
    }

    /// When a request is sent again that was not taken.
    /// - Parameter attempts: how often it was sent, at least once.
    package static func retryAt(_ now: Timestamp, attempts: Int, retryAfterSeconds: Int?) -> Timestamp {
        let own = min(ownRetrySecondsMax, 1 << min(max(0, attempts - 1), 10))
        return now.adding(seconds: min(retrySecondsMax, max(own, retryAfterSeconds ?? 0)))
    }

    /// When fal is told again that a request is called off.
    /// - Parameter attempts: how often it was told before.
    package static func closeAt(_ now: Timestamp, attempts: Int) -> Timestamp {
        now.adding(seconds: min(600, 2 << min(max(0, attempts), 10)))
    }

    /// What the answer to a submit means.
    /// - Parameter handle: made of what the answer says; nil where it names no request.
    package static func submission(_ answer: FalAnswer, handle: FalHandle?) -> FalSubmission {
        switch answer {
        case .nothingSent: return .notTaken(retryAfterSeconds: nil)
        case .lost: return .unknown
        case .answer(let status, let retryAfterSeconds, let facts):
            switch status {
            // Without a name it is there all the same.
            case 200..<300: return handle.map { .accepted($0) } ?? .unknown
            case 408, 409, 425, 429: return .notTaken(retryAfterSeconds: retryAfterSeconds)
            case 503 where retryAfterSeconds != nil: return .notTaken(retryAfterSeconds: retryAfterSeconds)
            case 500...: return .unknown
            case 400, 413, 415, 422: return .refused(.rejected(words: words(of: facts)))
            // What is wrong with the key, the model or the operator's account is not for the ears of clients.
            default: return .refused(.failed(words: ""))
            }
        }
    }

    /// What has come of a request that fal says it is done with, by the answer to the question for its result; nil where that has to be asked again.
    /// - Parameter error: what the status said was wrong; nil where it said nothing of the kind.
    package static func outcome(ofResult answer: FalAnswer, error: String?) -> FalOutcome? {
        guard case .answer(let status, _, let facts) = answer else { return nil }
        switch status {
        case 200..<300:
            if let error { return .failed(words: FalWords.safe([error])) }
            return outcome(of: facts)
        case 400, 413, 415, 422: return .rejected(words: words(of: facts))
        // As with the answer to a submit.
        case 401...407: return .failed(words: "")
        case 504: return .overdue
        case 408, 425, 429, 500...:
            // A model's own error comes with its status; without one it is the queue that has a bad moment.
            guard let error else { return nil }
            return .failed(words: FalWords.safe([error]))
        default: return .failed(words: words(of: facts))
        }
    }

    /// What a webhook reports; nil where it says that there is something without saying what.
    package static func outcome(ofWebhook facts: FalFacts?) -> FalOutcome? {
        guard let facts else { return nil }
        switch facts.status {
        case .ok: return facts.hasPayload ? outcome(of: facts) : nil
        case .error:
            // The same end is the same error, whoever tells of it.
            if let error = facts.error, let status = httpStatus(in: error) {
                var result = facts
                result.error = nil
                return outcome(ofResult: .answer(status: status, retryAfterSeconds: nil, result), error: error)
            }
            return facts.faults.isEmpty ? .failed(words: words(of: facts)) : .rejected(words: words(of: facts))
        default: return nil
        }
    }

    /// The status of a model's answer, where fal's words for an error are nothing else.
    private static func httpStatus(in error: String) -> Int? {
        let prefix = "Invalid status code: "
        guard error.utf8.starts(with: prefix.utf8), error.utf8.count == prefix.utf8.count + 3 else { return nil }
        return Int(error.dropFirst(prefix.count)).flatMap { $0 >= 400 ? $0 : nil }
    }

    /// Whether an answer to a cancellation says that nothing is left to be told: by its word, and without one by its status.
    package static func isClosed(_ answer: FalAnswer) -> Bool {
        guard case .answer(let status, _, let facts) = answer else { return false }
        switch facts?.status {
        case .ok, .cancellationRequested, .alreadyCompleted, .notFound, .completed: return true
        case .inQueue, .inProgress, .error, nil: return (200..<300).contains(status) || status == 400 || status == 404
        }
    }

    /// An address that is too long to be one is kept no longer than it takes to be that: a model that answers with the image itself (`data:`) would
    /// fill the disk.
    private static func outcome(of facts: FalFacts?) -> FalOutcome {
        facts?.portraitURL.map { .portrait(url: kept($0)) }
            ?? .failed(words: "the result has no portrait")
    }

    /// What cannot be stored is no part of an address either.
    private static func kept(_ address: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in address.unicodeScalars.prefix(Limits.imageURLCharactersMax + 1) {
            scalars.append(scalar.value == 0 ? "\u{fffd}" : scalar)
        }
        return String(scalars)
    }

    private static func words(of facts: FalFacts?) -> String {
        guard let facts else { return "" }
        return FalWords.safe(facts.faults.isEmpty ? [facts.error ?? facts.detail ?? ""] : facts.faults)
    }
}
