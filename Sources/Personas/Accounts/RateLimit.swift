import Synchronization

/// What there is only so much of: the first three are counted for each API key, so that it leaves the rest to others.
package enum RateLimit: String, Sendable, CaseIterable, Codable {
    /// Requests that only read.
    case reads
    /// Requests that may change something.
    case writes
    /// Requests that run at the same time.
    case inFlight = "in-flight"
    /// Bytes of request bodies, and of images on their way in, that one account holds in memory at the same time.
    case bodyBytes = "body-bytes"
    /// Downloads of images that one account has under way at the same time.
    case downloads
    /// Searches that wait for their turn.
    case searches
    /// Reads of an account that wait for an item to change.
    case waits
    /// Streams of events that an account has open.
    case streams
    /// Archives of an account on their way out.
    case exports
    /// Archives on their way into an account.
    case imports
}

/// How much one API key may have of each.
package struct RateLimitPolicy: Sendable, Equatable {
    /// Seconds over which requests are counted: after a pause, those of so many seconds may come at once. Short, because a burst is what others
    /// feel.
    package static let windowSeconds = 10

    /// Requests per second that only read.
    package let readsPerSecond: Int
    /// Requests per second that may change something.
    package let writesPerSecond: Int
    /// Requests that run at the same time; those that wait for a job to lease, or for an item to change, and streams are not counted.
    package let inFlightMax: Int
    /// Requests that wait for others to end; further ones are refused at once.
    package let waitingMax: Int

    /// Reads per window.
    package var readsPerWindow: Int { readsPerSecond * Self.windowSeconds }
    /// Writes per window.
    package var writesPerWindow: Int { writesPerSecond * Self.windowSeconds }

    /// Every number must be at least 1.
    package init(readsPerSecond: Int = 2_000, writesPerSecond: Int = 500, inFlightMax: Int = 10, waitingMax: Int = 100) {
        self.readsPerSecond = readsPerSecond
        self.writesPerSecond = writesPerSecond
        self.inFlightMax = inFlightMax
        self.waitingMax = waitingMax
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

    /// Gives a permit back that was not needed.
    package mutating func giveBack() { permits = min(capacity, permits + 1) }

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

/// Holds every API key to its rate limits. All of it is memory: after a restart every key starts anew.
package final class RateLimiter: Sendable {
    /// Where a key stands with one of its limits.
    package struct Standing: Sendable, Equatable {
        /// The limit that is told of.
        package let limit: RateLimit
        /// What is left of it.
        package let remaining: Int
        /// Seconds until more is left.
        package let resetSeconds: Int

        package init(limit: RateLimit, remaining: Int, resetSeconds: Int) {
            self.limit = limit
            self.remaining = remaining
            self.resetSeconds = resetSeconds
        }
    }

    private struct Usage {
        var reads: TokenBucket
        var writes: TokenBucket
        var inFlight = 0
        var waiting: [Waiter<Bool>] = []
        /// Refusals that are held back.
        var heldBack = 0

        func isIdle(at now: ContinuousClock.Instant) -> Bool {
            inFlight == 0 && heldBack == 0 && reads.isFull(at: now) && writes.isFull(at: now)
        }
    }

    private struct State {
        var usages: [Identifier: Usage] = [:]
        var nextTicket: UInt64 = 0
    }

    /// What every key may have.
    package let policy: RateLimitPolicy
    private let keysRememberedMax: Int
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - policy: what every key may have.
    ///   - keysRememberedMax: keys from which on those are forgotten that have been quiet.
    ///   - sleep: how time passes while a request waits or a refusal is held back.
    package init(
        policy: RateLimitPolicy, keysRememberedMax: Int = 10_000,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.policy = policy
        self.keysRememberedMax = keysRememberedMax
        self.sleep = sleep
    }

    /// Keys that are remembered.
    package var keysRemembered: Int { state.withLock { $0.usages.count } }

    /// Takes a place among the requests of a key that run. Where all are taken, it waits for one, in turn: a page that asks for twenty things
    /// at once is no flood.
    /// - Parameter timeout: how long it waits at most. With none it is answered at once.
    /// - Returns: whether there is a place, which `leave` must give back in the end. A cancelled task waits no longer.
    package func enter(_ keyID: Identifier, waiting timeout: Duration) async -> Bool {
        let ticket = state.withLock { state -> UInt64? in
            if place(in: &state, keyID) { return nil }
            state.nextTicket += 1
            return state.nextTicket
        }
        guard let ticket else { return true }
        guard timeout > .zero else { return false }
        return await waitForTurn(clock: { [sleep] in try await sleep(timeout) }) { continuation in
            state.withLock { state in
                if place(in: &state, keyID) { return true }
                guard !Task.isCancelled, let count = state.usages[keyID]?.waiting.count, count < policy.waitingMax else { return false }
                state.usages[keyID]?.waiting.append(Waiter(ticket: ticket, continuation: continuation))
                return nil
            }
        } leave: { [self] _ in
            giveUp(keyID, ticket)
        }
    }

    /// Gives a place back, to the request of the key that has waited longest.
    package func leave(_ keyID: Identifier) {
        let next = state.withLock { state -> Waiter<Bool>? in
            if let first = state.usages[keyID]?.waiting.first {
                state.usages[keyID]?.waiting.removeFirst()
                return first
            }
            state.usages[keyID]?.inFlight -= 1
            return nil
        }
        next?.continuation.resume(returning: true)
    }

    /// Counts a request of a key.
    /// - Returns: whether it may go on, and where the key stands now.
    package func count(
        _ keyID: Identifier, isWrite: Bool, at now: ContinuousClock.Instant = .now
    ) -> (isAdmitted: Bool, standing: Standing) {
        state.withLock { state in
            var usage = usage(of: keyID, &state, at: now)
            defer { state.usages[keyID] = usage }
            let isAdmitted = isWrite ? usage.writes.take(at: now) : usage.reads.take(at: now)
            let bucket = isWrite ? usage.writes : usage.reads
            let limit: RateLimit = isWrite ? .writes : .reads
            return (isAdmitted, Standing(limit: limit, remaining: bucket.remaining, resetSeconds: bucket.secondsUntilNext))
        }
    }

    /// Counts a read of a key that is answered at once, without taking a place among the requests that run.
    /// - Returns: where the key stands now; nil, and nothing is counted, where the read has to wait for others of its key or is one too many.
    package func countNow(_ keyID: Identifier, at now: ContinuousClock.Instant = .now) -> Standing? {
        state.withLock { state in
            var usage = usage(of: keyID, &state, at: now)
            guard usage.inFlight < policy.inFlightMax, usage.reads.take(at: now) else { return nil }
            defer { state.usages[keyID] = usage }
            return Standing(limit: .reads, remaining: usage.reads.remaining, resetSeconds: usage.reads.secondsUntilNext)
        }
    }

    /// Takes back what `countNow` has counted, for a read that turned out to have to wait, and will be counted again.
    package func takeBack(_ keyID: Identifier) {
        state.withLock { $0.usages[keyID]?.reads.giveBack() }
    }

    /// Holds the refusal of a request back for a while, so that a client which does not look at its answers is slowed by it.
    ///
    /// Only so many of one key at a time, because each keeps a connection from others; more are given at once.
    package func holdBack(_ keyID: Identifier, for delay: Duration) async {
        let isHeld = state.withLock { state in
            guard let count = state.usages[keyID]?.heldBack, count < policy.waitingMax else { return false }
            state.usages[keyID]?.heldBack += 1
            return true
        }
        guard isHeld else { return }
        try? await sleep(delay)
        state.withLock { $0.usages[keyID]?.heldBack -= 1 }
    }

    private func place(in state: inout State, _ keyID: Identifier) -> Bool {
        var usage = usage(of: keyID, &state, at: .now)
        defer { state.usages[keyID] = usage }
        guard usage.inFlight < policy.inFlightMax else { return false }
        usage.inFlight += 1
        return true
    }

    private func usage(of keyID: Identifier, _ state: inout State, at now: ContinuousClock.Instant) -> Usage {
        if let usage = state.usages[keyID] { return usage }
        if state.usages.count >= keysRememberedMax { state.usages = state.usages.filter { !$0.value.isIdle(at: now) } }
        return Usage(
            reads: TokenBucket(capacity: policy.readsPerWindow, at: now), writes: TokenBucket(capacity: policy.writesPerWindow, at: now))
    }

    private func giveUp(_ keyID: Identifier, _ ticket: UInt64) {
        let waiter = state.withLock { state -> Waiter<Bool>? in
            guard let index = state.usages[keyID]?.waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
            return state.usages[keyID]?.waiting.remove(at: index)
        }
        waiter?.continuation.resume(returning: false)
    }
}
