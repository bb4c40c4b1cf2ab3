/// When deliveries are tried again, and what becomes of endpoints that they do not reach. Knows no clock and no chance: both are given.
package enum DeliveryRules {
    /// Attempts at one delivery, until it is queued anew by hand.
    package static let attemptsMax = waitsSeconds.count + 1
    /// Seconds that one attempt may take, from looking up the host to the last byte of the answer that is read.
    package static let attemptSecondsMax = 15
    /// Seconds of these within which the host has to take the connection.
    package static let connectSecondsMax = 5
    /// Bytes of an answer's body that are read; what goes on is cut.
    package static let responseBytesMax = 64 * 1_024
    /// Characters of an answer's body that the log keeps.
    package static let responseCharactersMax = 1_024
    /// Failures in a row after which an endpoint is tried with one delivery at a time.
    package static let failuresUntilProbing = 5
    /// The longest time for which an endpoint may ask to be left alone.
    package static let retryAfterSecondsMax = 24 * hourSeconds
    /// How long an overloaded endpoint is left alone that names no time.
    package static let overloadedSeconds = 60
    /// Seconds without a success after which an endpoint is disabled.
    package static let failingSecondsMax = 5 * 24 * hourSeconds
    /// By how much the time to an attempt may differ from the schedule's, so that what failed together does not come back together.
    package static let waitFactors = 0.8...1.2

    private static let hourSeconds = 60 * 60
    /// Seconds to the next attempt after each that failed, as Standard Webhooks proposes.
    private static let waitsSeconds = [5, 5 * 60, 30 * 60] + [2, 5, 10, 14, 20, 24].map { $0 * hourSeconds }
    /// Failures that lie closer together than this do not make an outage of days.
    private static let outageSecondsMin = 12 * hourSeconds
    /// Failures that lie further apart than this are not one outage, as long as it is not known to be one.
    private static let outageGapSecondsMax = 24 * hourSeconds

    /// What follows from an attempt.
    /// - Parameters:
    ///   - attempts: how many were made at the delivery since it was queued, this one included.
    ///   - health: how the endpoint did before.
    ///   - waitFactor: one of `waitFactors`.
    package static func verdict(
        on attempt: DeliveryAttempt, attempts: Int, health: EndpointHealth, waitFactor: Double
    ) -> DeliveryVerdict {
        if let status = attempt.httpStatus, (200..<300).contains(status) {
            return DeliveryVerdict(outcome: .succeeded, health: health.succeeding(since: attempt.at))
        }
        let end = attempt.endedAt
        var health = health.failing(at: end)
        guard attempt.httpStatus != 410 else { return DeliveryVerdict(outcome: .cancelled, health: health, disabling: .gone) }
        var retryAt = attempts < attemptsMax ? end.adding(milliseconds: waitMilliseconds(afterAttempts: attempts, waitFactor)) : nil
        if let status = attempt.httpStatus, isOverload(status) {
            let seconds = min(attempt.retryAfterSeconds ?? overloadedSeconds, retryAfterSecondsMax)
            let until = end.adding(seconds: max(0, seconds))
            health.slowedUntil = max(health.slowedUntil ?? until, until)
            retryAt = retryAt.map { max($0, until) }
        }
        let isLost = health.failingSince.map { $0.adding(seconds: failingSecondsMax) <= end } ?? false
        return DeliveryVerdict(
            outcome: retryAt.map { .retry(at: $0) } ?? .failed, health: health, disabling: isLost ? .failing : nil)
    }

    /// Whether a status says that the receiver has too much to do, rather than that something is wrong.
    private static func isOverload(_ status: Int) -> Bool { status == 429 || (502...504).contains(status) }

    private static func waitMilliseconds(afterAttempts attempts: Int, _ factor: Double) -> Int64 {
        Int64(Double(waitsSeconds[max(0, attempts - 1)] * 1_000) * factor)
    }

    fileprivate static func isSameOutage(_ health: EndpointHealth, as failure: Timestamp) -> Bool {
        guard let since = health.failingSince, let last = health.lastFailureAt else { return false }
        return since.adding(seconds: outageSecondsMin) <= last || failure <= last.adding(seconds: outageGapSecondsMax)
    }
}

extension EndpointHealth {
    /// Whether only one delivery at a time is to find out how the endpoint does.
    package var isProbed: Bool { failuresInRow >= DeliveryRules.failuresUntilProbing || slowedUntil != nil }

    /// The health after a success. What failed while that was under way is later news than what the receiver knew when it took the message; but it was
    /// reached, so that an outage begins with that failure at the earliest.
    /// - Parameter moment: when the attempt began.
    fileprivate func succeeding(since moment: Timestamp) -> EndpointHealth {
        guard let last = lastFailureAt, last >= moment else { return EndpointHealth() }
        return EndpointHealth(failuresInRow: failuresInRow, failingSince: last, lastFailureAt: last, slowedUntil: slowedUntil)
    }

    /// The health after one more failure.
    fileprivate func failing(at moment: Timestamp) -> EndpointHealth {
        EndpointHealth(
            failuresInRow: failuresInRow + 1, failingSince: DeliveryRules.isSameOutage(self, as: moment) ? failingSince : moment,
            lastFailureAt: moment, slowedUntil: slowedUntil)
    }
}

extension Timestamp {
    fileprivate func adding(milliseconds more: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + more) }
}
