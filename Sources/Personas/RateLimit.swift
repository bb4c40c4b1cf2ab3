import Synchronization

/// What one API key may have of the service, so that it leaves the rest to others.
package enum RateLimit: String, Sendable, CaseIterable {
    /// Requests that only read.
    case reads
    /// Requests that may change something.
    case writes
    /// Requests that run at the same time.
    case inFlight = "in-flight"
    /// Bytes of request bodies held in memory at the same time.
    case bodyBytes = "body-bytes"
}

/// How much one API key may have of each.
package struct RateLimitPolicy: Sendable, Equatable {
    /// Seconds over which requests are counted.
    package static let windowSeconds = 60

    /// Requests per window that only read; so many at once after a pause.
    package let readsPerMinute: Int
    /// Requests per window that may change something; so many at once after a pause.
    package let writesPerMinute: Int
    /// Requests that run at the same time; those that wait for a job to lease are not counted.
    package let inFlightMax: Int

    /// Takes all members, each at least 1.
    package init(readsPerMinute: Int = 60_000, writesPerMinute: Int = 6_000, inFlightMax: Int = 10) {
        self.readsPerMinute = readsPerMinute
        self.writesPerMinute = writesPerMinute
        self.inFlightMax = inFlightMax
    }
}

/// A store of permits that refills steadily: the classic token bucket.
package struct TokenBucket: Sendable, Equatable {
    /// Permits of a full bucket, and those that one window brings.
    private let capacity: Double
    private var permits: Double
    private var filledAt: ContinuousClock.Instant

    /// A full bucket.
    package init(capacity: Int, at now: ContinuousClock.Instant) {
        self.capacity = Double(capacity)
        permits = Double(capacity)
        filledAt = now
    }

    /// Takes a permit. False, and nothing changes, when there is none.
    package mutating func take(at now: ContinuousClock.Instant) -> Bool {
        refill(at: now)
        guard permits >= 1 else { return false }
        permits -= 1
        return true
    }

    /// Whole permits left.
    package var remaining: Int { Int(permits) }

    /// Whether the bucket has been left alone for so long that a new one is the same.
    package func isFull(at now: ContinuousClock.Instant) -> Bool {
        permits + gain(until: now) >= capacity
    }

    /// Whole seconds until there is one permit more than now, rounded up and at least 1.
    package var secondsUntilNext: Int {
        let missing = Double(remaining + 1) - permits
        return max(1, Int((missing * Double(RateLimitPolicy.windowSeconds) / capacity).rounded(.up)))
    }

    private mutating func refill(at now: ContinuousClock.Instant) {
        permits = min(capacity, permits + gain(until: now))
        filledAt = now
    }

    private func gain(until now: ContinuousClock.Instant) -> Double {
        max(0, (now - filledAt) / Duration.seconds(RateLimitPolicy.windowSeconds)) * capacity
    }
}

/// Holds every API key to its rate limits. All of it is memory: after a restart everybody starts anew.
package final class RateLimiter: Sendable {
    /// Keys from which on those are forgotten that have been quiet.
    private static let keysRememberedMax = 10_000

    /// Where a key stands after a request was counted.
    package struct Standing: Sendable, Equatable {
        /// The limit that is told of.
        package let limit: RateLimit
        /// What is left of it.
        package let remaining: Int
        /// Seconds until more is left.
        package let resetSeconds: Int

        /// Takes all members.
        package init(limit: RateLimit, remaining: Int, resetSeconds: Int) {
            self.limit = limit
            self.remaining = remaining
            self.resetSeconds = resetSeconds
        }
    }

    /// What becomes of a request.
    package enum Verdict: Sendable, Equatable {
        /// It may go on.
        case admitted(Standing)
        /// It must not, by the limit that the standing names.
        case refused(Standing)
    }

    private struct Usage {
        var reads: TokenBucket
        var writes: TokenBucket
        var inFlight = 0

        func isIdle(at now: ContinuousClock.Instant) -> Bool {
            inFlight == 0 && reads.isFull(at: now) && writes.isFull(at: now)
        }
    }

    /// What every key may have.
    package let policy: RateLimitPolicy
    private let usages = Mutex<[Identifier: Usage]>([:])

    /// Takes what every key may have.
    package init(policy: RateLimitPolicy) {
        self.policy = policy
    }

    /// Counts a request of a key. One that is counted as in flight must be ended with `end` once it was admitted.
    package func begin(
        _ keyID: Identifier, isWrite: Bool, countsInFlight: Bool, at now: ContinuousClock.Instant = .now
    ) -> Verdict {
        usages.withLock { usages in
            if usages.count >= Self.keysRememberedMax, usages[keyID] == nil { usages = usages.filter { !$0.value.isIdle(at: now) } }
            var usage =
                usages[keyID]
                ?? Usage(
                    reads: TokenBucket(capacity: policy.readsPerMinute, at: now),
                    writes: TokenBucket(capacity: policy.writesPerMinute, at: now))
            defer { usages[keyID] = usage }
            // Looked at first, so that a client that sends too much at once does not lose its permits over it as well.
            if countsInFlight, usage.inFlight >= policy.inFlightMax {
                return .refused(Standing(limit: .inFlight, remaining: 0, resetSeconds: 1))
            }
            let isAdmitted = isWrite ? usage.writes.take(at: now) : usage.reads.take(at: now)
            let bucket = isWrite ? usage.writes : usage.reads
            let standing = Standing(limit: isWrite ? .writes : .reads, remaining: bucket.remaining, resetSeconds: bucket.secondsUntilNext)
            guard isAdmitted else { return .refused(standing) }
            if countsInFlight { usage.inFlight += 1 }
            return .admitted(standing)
        }
    }

    /// Ends a request that was counted as in flight.
    package func end(_ keyID: Identifier) {
        usages.withLock { $0[keyID]?.inFlight -= 1 }
    }
}
