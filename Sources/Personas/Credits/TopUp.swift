/// Credits that the operator's payment service is asked to have paid for.
package struct TopUp: Sendable, Equatable {
    /// What the payment service knows it by, the same each time it is asked.
    package let id: Identifier
    /// For whom.
    package let accountID: Identifier
    /// How many.
    package let amount: CreditAmount
    /// The balance as it was asked for.
    package let balance: Int
    /// When that was.
    package let requestedAt: Timestamp
    /// How often the payment service was asked without a word of the outcome.
    package let attempts: Int
    /// When it is asked next, or has been asked since.
    package let nextAttemptAt: Timestamp

    /// - Parameter nextAttemptAt: nil for at once.
    package init(
        id: Identifier, accountID: Identifier, amount: CreditAmount, balance: Int, requestedAt: Timestamp, attempts: Int = 0,
        nextAttemptAt: Timestamp? = nil
    ) {
        self.id = id
        self.accountID = accountID
        self.amount = amount
        self.balance = balance
        self.requestedAt = requestedAt
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt ?? requestedAt
    }
}

/// What a payment service says of a top-up.
package enum PaymentAnswer: Sendable, Equatable {
    /// Somebody has paid.
    case paid(reference: CreditNote?)
    /// Nobody has, and nobody will.
    case declined(reference: CreditNote?)
    /// Nothing that says which of the two, so that it may be either.
    case unknown(PaymentProblem)
}

/// Why nobody knows whether somebody has paid.
package enum PaymentProblem: Sendable, Equatable {
    /// No answer came.
    case unanswered(DeliveryError)
    /// The answer has a status other than 2xx.
    case status(Int)
    /// The answer says neither that somebody has paid nor that nobody has, or is too long.
    case unreadable

    /// For the log.
    package var text: String {
        switch self {
        case .unanswered(let error): error.rawValue
        case .status(let status): "status \(status)"
        case .unreadable: "unreadable answer"
        }
    }
}

/// What becomes of a top-up by an answer.
package enum TopUpVerdict: Sendable, Equatable {
    /// It is credited.
    case credited(reference: CreditNote?)
    /// It is over, and nothing is bought any more, for that reason.
    case declined(reason: String)
    /// The payment service is asked again, under the same id.
    case repeated(at: Timestamp)
}

/// When a payment service is asked, and what follows from its answers. Knows no clock and no chance: both are given.
package enum TopUpRules {
    /// Seconds that one question may take, from looking up the host to the last byte of the answer.
    package static let attemptSecondsMax = 10
    /// Seconds of these within which the host has to take the connection.
    package static let connectSecondsMax = 5
    /// Bytes of an answer's body; one that has more is unreadable.
    package static let answerBytesMax = 64 * 1_024
    /// Characters of the reason for which nothing is bought any more.
    package static let reasonCharactersMax = 220
    /// By how much the time to a question may differ from the schedule's, so that what failed together does not come back together.
    package static let waitFactors = 0.8...1.2

    /// Seconds to the next question after each without an outcome; after the last of them it stays as long. The first ones are short, because creates may
    /// wait for it, and the last is no longer than that, because somebody may have paid.
    private static let waitsSeconds = [1, 2, 5, 15, 60, 300]
    private static let declinedWord = "declined"

    /// What follows from an answer.
    /// - Parameters:
    ///   - attempts: how often the payment service was asked, this time included.
    ///   - end: when the answer came, or was given up.
    ///   - waitFactor: one of `waitFactors`.
    package static func verdict(on answer: PaymentAnswer, attempts: Int, at end: Timestamp, waitFactor: Double) -> TopUpVerdict {
        switch answer {
        case .paid(let reference): return .credited(reference: reference)
        case .declined(let reference): return .declined(reason: reference.map { "\(declinedWord): \($0.text)" } ?? declinedWord)
        case .unknown:
            let seconds = waitsSeconds[min(max(0, attempts - 1), waitsSeconds.count - 1)]
            return .repeated(at: Timestamp(milliseconds: end.milliseconds + Int64(Double(seconds * 1_000) * waitFactor)))
        }
    }
}

/// What was written down of an answer.
package enum RecordedTopUp: Sendable, Equatable {
    /// The account has the credits.
    case credited(CreditEntry)
    /// It has none, and nothing is bought any more.
    case declined(reason: String)
    /// The payment service is asked again.
    case repeated(at: Timestamp)
    /// Nobody waits for the answer any more: the account is gone, or the outcome was known already.
    case unawaited
}

/// A top-up whose outcome nobody knew when its account was deleted: somebody may have paid.
package struct AbandonedTopUp: Sendable, Equatable {
    /// What the payment service knows it by.
    package let id: Identifier
    /// For whom it was.
    package let accountID: Identifier

    package init(id: Identifier, accountID: Identifier) {
        self.id = id
        self.accountID = accountID
    }
}
