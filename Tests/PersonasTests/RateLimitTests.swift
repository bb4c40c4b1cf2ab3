import Personas
import Testing

@Suite("Rate limits")
struct RateLimitTests {
    private static let start = ContinuousClock.now
    private static func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("A bucket gives what it holds at once, then as much as a minute brings")
    func bucket() {
        var bucket = TokenBucket(capacity: 60, at: Self.start)
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        for left in (0..<60).reversed() {
            #expect(take(Self.start) == true)
            #expect(bucket.remaining == left)
        }
        #expect(take(Self.start) == false)
        #expect(bucket.secondsUntilNext == 1)
        #expect(take(Self.at(0.9)) == false)
        #expect(take(Self.at(1.01)) == true)
        #expect(take(Self.at(1.9)) == false)
        // However long it rests, it never holds more than its capacity.
        #expect(!bucket.isFull(at: Self.at(30)))
        #expect(bucket.isFull(at: Self.at(1_000)))
        var taken = 0
        while take(Self.at(1_000)) { taken += 1 }
        #expect(taken == 60)
    }

    @Test("A bucket says how long to wait, and a client that waits so long is served", arguments: [1, 2, 7, 59, 60, 61, 6_000, 60_000])
    func waiting(capacity: Int) {
        var bucket = TokenBucket(capacity: capacity, at: Self.start)
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        while take(Self.start) {}
        let seconds = bucket.secondsUntilNext
        #expect(seconds == max(1, (60 + capacity - 1) / capacity))
        #expect(take(Self.at(Double(seconds) + 0.001)) == true)
    }

    @Test("A clock that goes backwards takes nothing away and brings nothing")
    func backwards() {
        var bucket = TokenBucket(capacity: 2, at: Self.at(10))
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        #expect(take(Self.at(5)) == true)
        #expect(take(Self.at(4)) == true)
        #expect(take(Self.at(3)) == false)
    }

    @Test("Reads and writes are counted apart, and each key for itself")
    func apart() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerMinute: 3, writesPerMinute: 1, inFlightMax: 10))
        let (key, other) = (Identifier.random(), Identifier.random())
        func begin(_ key: Identifier, isWrite: Bool) -> RateLimiter.Verdict {
            defer { limiter.end(key) }
            return limiter.begin(key, isWrite: isWrite, countsInFlight: true, at: Self.start)
        }
        for left in [2, 1, 0] {
            let verdict = limiter.begin(key, isWrite: false, countsInFlight: true, at: Self.start)
            #expect(verdict == .admitted(RateLimiter.Standing(limit: .reads, remaining: left, resetSeconds: 20)))
            limiter.end(key)
        }
        let refused = limiter.begin(key, isWrite: false, countsInFlight: true, at: Self.start)
        #expect(refused == .refused(RateLimiter.Standing(limit: .reads, remaining: 0, resetSeconds: 20)))
        #expect(begin(key, isWrite: true) == .admitted(RateLimiter.Standing(limit: .writes, remaining: 0, resetSeconds: 60)))
        #expect(begin(other, isWrite: false) == .admitted(RateLimiter.Standing(limit: .reads, remaining: 2, resetSeconds: 20)))
    }

    @Test("So many requests run at once and no more, and one that is refused costs no permit")
    func inFlight() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerMinute: 100, writesPerMinute: 100, inFlightMax: 2))
        let key = Identifier.random()
        func begin(counted: Bool = true) -> RateLimiter.Verdict {
            limiter.begin(key, isWrite: false, countsInFlight: counted, at: Self.start)
        }
        _ = begin()
        _ = begin()
        for _ in 0..<5 { #expect(begin() == .refused(RateLimiter.Standing(limit: .inFlight, remaining: 0, resetSeconds: 1))) }
        // A request that only waits is let in, and takes no place.
        #expect(begin(counted: false) == .admitted(RateLimiter.Standing(limit: .reads, remaining: 97, resetSeconds: 1)))
        limiter.end(key)
        #expect(begin() == .admitted(RateLimiter.Standing(limit: .reads, remaining: 96, resetSeconds: 1)))
    }

    @Test("A poller of twenty items every two seconds never meets the default limits")
    func poller() {
        let limiter = RateLimiter(policy: RateLimitPolicy())
        let key = Identifier.random()
        for round in 0..<300 {
            for _ in 0..<20 {
                guard case .admitted = limiter.begin(key, isWrite: false, countsInFlight: true, at: Self.at(Double(round) * 2)) else {
                    Issue.record("refused in round \(round)")
                    return
                }
                limiter.end(key)
            }
        }
    }
}
