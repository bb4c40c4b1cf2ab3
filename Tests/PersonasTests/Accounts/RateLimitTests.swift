import Personas
import Synchronization
import Testing

@Suite("Rate limits")
struct RateLimitTests {
    private static let start = ContinuousClock.now
    private static func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("A bucket gives what it holds at once, then as much as time brings")
    func bucket() {
        var bucket = TokenBucket(capacity: 10, at: Self.start)
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        for left in (0..<10).reversed() {
            #expect(take(Self.start) == true)
            #expect(bucket.remaining == left)
        }
        #expect(take(Self.start) == false)
        #expect(bucket.secondsUntilNext == 1)
        #expect(take(Self.at(0.9)) == false)
        #expect(take(Self.at(1.01)) == true)
        #expect(take(Self.at(1.9)) == false)
        // However long it rests, it never holds more than its capacity.
        #expect(!bucket.isFull(at: Self.at(5)))
        #expect(bucket.isFull(at: Self.at(1_000)))
        var taken = 0
        while take(Self.at(1_000)) { taken += 1 }
        #expect(taken == 10)
    }

    @Test("A bucket says how long to wait, and a client that waits so long is served", arguments: [1, 2, 7, 9, 10, 11, 1_000, 10_000])
    func waiting(capacity: Int) {
        var bucket = TokenBucket(capacity: capacity, at: Self.start)
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        while take(Self.start) {}
        let seconds = bucket.secondsUntilNext
        #expect(seconds == max(1, (10 + capacity - 1) / capacity))
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

    @Test("What was used elsewhere is taken from a bucket, and what is missing comes first out of what is refilled")
    func charges() {
        var bucket = TokenBucket(capacity: 10, at: Self.start)
        func take(_ now: ContinuousClock.Instant) -> Bool { bucket.take(at: now) }
        bucket.charge(7, at: Self.start)
        #expect(bucket.remaining == 3)
        bucket.charge(5, at: Self.start)
        #expect(bucket.remaining == 0 && bucket.secondsUntilNext == 3)
        #expect(take(Self.at(2.9)) == false)
        #expect(take(Self.at(3.1)) == true)
        // Never more than a whole bucket is missing.
        bucket.charge(1_000_000, at: Self.at(10))
        #expect(take(Self.at(20.9)) == false)
        #expect(take(Self.at(21.1)) == true)
    }

    @Test("What keys use is told once, the busiest first, and the rest the next time")
    func uses() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 100, writesPerSecond: 100))
        let keys = (0..<3).map { _ in Identifier.random() }
        _ = limiter.count(keys[0], isWrite: false)
        #expect(limiter.takeUses(limit: 10).isEmpty, "before anybody asks nothing is noted")
        for (number, key) in keys.enumerated() {
            for _ in 0...number { _ = limiter.count(key, isWrite: false) }
            _ = limiter.count(key, isWrite: true)
        }
        _ = limiter.countNow(keys[2])
        limiter.takeBack(keys[2])
        #expect(
            limiter.takeUses(limit: 2) == [RateUse(keyID: keys[2], reads: 3, writes: 1), RateUse(keyID: keys[1], reads: 2, writes: 1)])
        #expect(limiter.takeUses(limit: 2) == [RateUse(keyID: keys[0], reads: 1, writes: 1)])
        #expect(limiter.takeUses(limit: 2).isEmpty)
        let refused = RateUse(keyID: keys[0], reads: 4, writes: 0)
        limiter.giveBack([refused])
        #expect(limiter.takeUses(limit: 2) == [refused])
    }

    @Test("A key that others have used up is refused here, and one that nobody has seen takes no room from those that are known")
    func elsewhere() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1, writesPerSecond: 1), keysRememberedMax: 2)
        let keys = (0..<3).map { _ in Identifier.random() }
        limiter.charge(keys.map { RateUse(keyID: $0, reads: 10, writes: 2) }, at: Self.start)
        #expect(limiter.keysRemembered == 2)
        #expect(!limiter.count(keys[0], isWrite: false, at: Self.start).isAdmitted)
        #expect(limiter.count(keys[0], isWrite: true, at: Self.start).standing.remaining == 7)
        #expect(limiter.count(keys[2], isWrite: false, at: Self.start).standing.remaining == 9)
    }

    @Test("Reads and writes are counted apart, and each key for itself")
    func apart() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 2, writesPerSecond: 1))
        let (key, other) = (Identifier.random(), Identifier.random())
        for left in (0..<20).reversed() {
            let (isAdmitted, standing) = limiter.count(key, isWrite: false, at: Self.start)
            #expect(isAdmitted && standing == RateLimiter.Standing(limit: .reads, remaining: left, resetSeconds: 1))
        }
        let (isRefused, standing) = limiter.count(key, isWrite: false, at: Self.start)
        #expect(!isRefused && standing == RateLimiter.Standing(limit: .reads, remaining: 0, resetSeconds: 1))
        #expect(limiter.count(key, isWrite: true, at: Self.start).standing.remaining == 9)
        #expect(limiter.count(other, isWrite: false, at: Self.start).standing.remaining == 19)
    }

    @Test("A read that is answered at once counts as every other, and takes no place among the requests that run")
    func countedNow() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1, inFlightMax: 1))
        let (key, other) = (Identifier.random(), Identifier.random())
        for left in [9, 8] {
            #expect(
                limiter.countNow(key, at: Self.start) == RateLimiter.Standing(limit: .reads, remaining: left, resetSeconds: 1))
        }
        #expect(limiter.count(key, isWrite: false, at: Self.start).standing.remaining == 7, "both count with one bucket")
        #expect(await limiter.enter(key, waiting: .zero), "none of them holds the place")
        #expect(limiter.countNow(key, at: Self.start) == nil, "it has to wait for the one that runs")
        #expect(limiter.countNow(other, at: Self.start)?.remaining == 9, "another key has places of its own")
        limiter.leave(key)
        #expect(limiter.countNow(key, at: Self.start)?.remaining == 6, "what had to wait was not counted")
    }

    @Test("A read over the limit is not answered at once, however often it comes, until time brings another")
    func overTheLimitNow() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1))
        let key = Identifier.random()
        for _ in 0..<10 { #expect(limiter.countNow(key, at: Self.start) != nil) }
        for _ in 0..<3 { #expect(limiter.countNow(key, at: Self.start) == nil) }
        let refused = limiter.count(key, isWrite: false, at: Self.start)
        #expect(!refused.isAdmitted && refused.standing.remaining == 0)
        #expect(limiter.countNow(key, at: Self.at(1.01))?.remaining == 0)
        #expect(limiter.countNow(key, at: Self.at(1.01)) == nil)
    }

    @Test("What is taken back can be used again, and never makes more than the limit")
    func takenBack() {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1))
        let key = Identifier.random()
        limiter.takeBack(key)
        #expect(limiter.keysRemembered == 0, "a key that was never counted is not remembered for it")
        #expect(limiter.countNow(key, at: Self.start)?.remaining == 9)
        for _ in 0..<3 { limiter.takeBack(key) }
        #expect(limiter.countNow(key, at: Self.start)?.remaining == 9)
        limiter.takeBack(key)
        #expect(limiter.count(key, isWrite: true, at: Self.start).standing.remaining == 4_999, "writes have a bucket of their own")
        for left in (0..<10).reversed() { #expect(limiter.countNow(key, at: Self.start)?.remaining == left) }
        #expect(limiter.countNow(key, at: Self.start) == nil)
        limiter.takeBack(key)
        #expect(limiter.count(key, isWrite: false, at: Self.start).isAdmitted, "what was given back is the next one's")
    }

    @Test("A permit that is given back is there once, and not before it was taken")
    func givenBack() {
        var bucket = TokenBucket(capacity: 2, at: Self.start)
        bucket.giveBack()
        #expect(bucket.remaining == 2)
        func take() -> Bool { bucket.take(at: Self.start) }
        #expect(take() && take() && !take())
        bucket.giveBack()
        #expect(bucket.remaining == 1 && take() && !take())
    }

    @Test("So many requests run at once; more wait for their turn, and those that wait in vain are refused")
    func inFlight() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(inFlightMax: 2, waitingMax: 2))
        let (key, other) = (Identifier.random(), Identifier.random())
        let order = Order()
        for _ in 0..<2 { #expect(await limiter.enter(key, waiting: .zero)) }
        #expect(await !limiter.enter(key, waiting: .milliseconds(1)), "no request left in time")
        #expect(await limiter.enter(other, waiting: .zero), "another key has places of its own")
        var waiting: [Task<Bool, Never>] = []
        for number in 0..<2 {
            waiting.append(
                Task {
                    order.note("waits \(number)")
                    let isIn = await limiter.enter(key, waiting: .seconds(60))
                    order.note("in \(number)")
                    return isIn
                })
            while order.count <= number { await Task.yield() }
        }
        for _ in 0..<2 { limiter.leave(key) }
        for task in waiting { #expect(await task.value) }
        for _ in 0..<2 { limiter.leave(key) }
        for _ in 0..<2 { #expect(await limiter.enter(key, waiting: .zero)) }
        #expect(await !limiter.enter(key, waiting: .zero), "places that were given back are no more than there were")
    }

    @Test("However many come and go at once, no more than the places run, and every request gets its turn")
    func crowd() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(inFlightMax: 3, waitingMax: 500))
        let key = Identifier.random()
        let running = Order()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<400 {
                group.addTask {
                    guard await limiter.enter(key, waiting: .seconds(60)) else { return false }
                    defer { limiter.leave(key) }
                    running.enter()
                    defer { running.leave() }
                    await Task.yield()
                    return true
                }
            }
            for await isIn in group { #expect(isIn) }
        }
        #expect((1...3).contains(running.most))
    }

    @Test("A request that waits stands in line before the clock starts, so that no clock is too fast", .timeLimit(.minutes(1)))
    func immediateClock() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(inFlightMax: 1)) { _ in }
        let key = Identifier.random()
        #expect(await limiter.enter(key, waiting: .seconds(10)))
        for _ in 0..<1_000 {
            guard await !limiter.enter(key, waiting: .seconds(10)) else {
                Issue.record("there was no place")
                return
            }
        }
        limiter.leave(key)
        #expect(await limiter.enter(key, waiting: .seconds(10)))
    }

    @Test("Without time to wait the answer comes at once, and no clock is asked", .timeLimit(.minutes(1)))
    func zeroTimeout() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(inFlightMax: 1)) { _ in
            Issue.record("waited")
        }
        let key = Identifier.random()
        #expect(await limiter.enter(key, waiting: .zero))
        #expect(await !limiter.enter(key, waiting: .zero))
    }

    @Test("A cancelled task waits no longer, and leaves its place in the line to others", .timeLimit(.minutes(1)))
    func cancelled() async {
        let asleep = Order()
        let limiter = RateLimiter(policy: RateLimitPolicy(inFlightMax: 1, waitingMax: 1)) { duration in
            asleep.note("sleeps")
            try await Task.sleep(for: duration)
        }
        let key = Identifier.random()
        #expect(await limiter.enter(key, waiting: .zero))
        let waiting = Task { await limiter.enter(key, waiting: .seconds(3_600)) }
        while asleep.count < 1 { await Task.yield() }
        waiting.cancel()
        #expect(await !waiting.value)
        let next = Task { await limiter.enter(key, waiting: .seconds(3_600)) }
        while asleep.count < 2 { await Task.yield() }
        limiter.leave(key)
        #expect(await next.value)
    }

    @Test("At the cap those keys are forgotten that have been quiet, and no key's use is")
    func forgetting() async {
        let limiter = RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1, writesPerSecond: 1), keysRememberedMax: 4)
        let (quiet, busy, running) = (Identifier.random(), Identifier.random(), Identifier.random())
        _ = limiter.count(quiet, isWrite: false, at: Self.at(0))
        for _ in 0..<10 { #expect(limiter.count(busy, isWrite: true, at: Self.at(20)).isAdmitted) }
        #expect(await limiter.enter(running, waiting: .zero))
        for number in 0..<20 {
            _ = limiter.count(.random(), isWrite: false, at: Self.at(20 + Double(number) / 1_000))
            #expect(!limiter.count(busy, isWrite: true, at: Self.at(20)).isAdmitted, "after \(number) strangers")
        }
        _ = limiter.count(.random(), isWrite: false, at: Self.at(1_000))
        #expect(limiter.keysRemembered <= 3, "all but who runs, and the last")
        limiter.leave(running)
    }

    @Test("A poller of twenty items every two seconds never meets the default limits")
    func poller() {
        let limiter = RateLimiter(policy: RateLimitPolicy())
        let key = Identifier.random()
        for round in 0..<300 {
            for _ in 0..<20 where !limiter.count(key, isWrite: false, at: Self.at(Double(round) * 2)).isAdmitted {
                Issue.record("refused in round \(round)")
                return
            }
        }
    }
}

/// What happened, in its order, and how much of it at once.
private final class Order: Sendable {
    private let state = Mutex((notes: [String](), running: 0, most: 0))

    var count: Int { state.withLock { $0.notes.count } }
    var most: Int { state.withLock { $0.most } }

    func note(_ text: String) { state.withLock { $0.notes.append(text) } }

    func enter() {
        state.withLock { state in
            state.running += 1
            state.most = max(state.most, state.running)
        }
    }

    func leave() { state.withLock { $0.running -= 1 } }
}
