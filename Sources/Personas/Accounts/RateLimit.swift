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

/// Permits that an API key has taken.
package struct RateUse: Sendable, Equatable {
    /// The key.
    package let keyID: Identifier
    /// Permits to read.
    package private(set) var reads: Int
    /// Permits to write.
    package private(set) var writes: Int

    package init(keyID: Identifier, reads: Int = 0, writes: Int = 0) {
        self.keyID = keyID
        self.reads = reads
        self.writes = writes
    }

    /// Counts further ones; fewer where some were given back.
    package mutating func add(reads: Int, writes: Int) {
        self.reads += reads
        self.writes += writes
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

    /// Takes permits that were given elsewhere, whether there are so many or not: what is missing then comes first out of what is refilled. Never more
    /// than a whole bucket is missing, so that nobody waits for longer than two windows.
    package mutating func charge(_ count: Int, at now: ContinuousClock.Instant) {
        refill(at: now)
        permits = max(-capacity, permits - Double(count))
    }

    /// Whole permits left.
    package var remaining: Int { max(0, Int(permits)) }

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
        /// What keys have used since that was asked for last; nil where nobody asks.
        var untold: [Identifier: RateUse]?

        mutating func tell(_ keyID: Identifier, reads: Int = 0, writes: Int = 0) {
            guard let count = untold?.count, count < RateLimiter.keysUntoldMax || untold?[keyID] != nil else { return }
            untold?[keyID, default: RateUse(keyID: keyID)].add(reads: reads, writes: writes)
        }
    }

    /// Keys whose uses wait to be told elsewhere; those of others are not told while so many do.
    private static let keysUntoldMax = 10_000

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
            if isAdmitted { state.tell(keyID, reads: isWrite ? 0 : 1, writes: isWrite ? 1 : 0) }
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
            state.tell(keyID, reads: 1)
            return Standing(limit: .reads, remaining: usage.reads.remaining, resetSeconds: usage.reads.secondsUntilNext)
        }
    }

    /// Takes back what `countNow` has counted, for a read that turned out to have to wait, and will be counted again.
    package func takeBack(_ keyID: Identifier) {
        state.withLock { state in
            state.usages[keyID]?.reads.giveBack()
            state.tell(keyID, reads: -1)
        }
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

    /// What keys have used here since this was asked for last, those first that have used the most; nothing the first time.
    /// - Parameter limit: how many keys are told of at most. What the others have used is told of later.
    package func takeUses(limit: Int) -> [RateUse] {
        let untold = state.withLock { state -> [RateUse] in
            defer { state.untold = [:] }
            return (state.untold ?? [:]).values.filter { $0.reads > 0 || $0.writes > 0 }
        }
        guard untold.count > limit else { return untold }
        let sorted = untold.sorted { $0.reads + $0.writes > $1.reads + $1.writes }
        giveBack(sorted.dropFirst(limit))
        return Array(sorted.prefix(limit))
    }

    /// Takes back what was told of and came nowhere, to be told of again.
    package func giveBack(_ uses: some Sequence<RateUse>) {
        state.withLock { state in for use in uses { state.tell(use.keyID, reads: use.reads, writes: use.writes) } }
    }

    /// Takes from keys' buckets what they have used elsewhere.
    package func charge(_ uses: some Sequence<RateUse>, at now: ContinuousClock.Instant = .now) {
        state.withLock { state in
            for use in uses {
                var usage = usage(of: use.keyID, &state, at: now)
                // Of a key that nobody has presented here there is no bucket to make room for once there are that many.
                guard state.usages[use.keyID] != nil || state.usages.count < keysRememberedMax else { continue }
                usage.reads.charge(use.reads, at: now)
                usage.writes.charge(use.writes, at: now)
                state.usages[use.keyID] = usage
            }
        }
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
