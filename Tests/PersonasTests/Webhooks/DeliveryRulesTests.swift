import TestSupport
import Testing

@testable import Personas

@Suite("What follows from attempts")
struct DeliveryRulesTests {
    private static let hour: Int64 = 3_600_000

    private static func attempt(_ status: Int?, at milliseconds: Int64 = 0, retryAfter: Int? = nil) -> DeliveryAttempt {
        DeliveryAttempt(
            at: Timestamp(milliseconds: milliseconds), url: "https://example.com/", durationMilliseconds: 0, httpStatus: status,
            error: status == nil ? .timeout : nil, retryAfterSeconds: retryAfter)
    }

    private static func verdict(
        _ attempt: DeliveryAttempt, attempts: Int = 1, health: EndpointHealth = EndpointHealth(), waitFactor: Double = 1
    ) -> DeliveryVerdict {
        DeliveryRules.verdict(on: attempt, attempts: attempts, health: health, waitFactor: waitFactor)
    }

    @Test("The schedule is that of Standard Webhooks: ten attempts within three days")
    func schedule() {
        let minute: Int64 = 60_000
        let waits = [5_000, 5 * minute, 30 * minute] + [2, 5, 10, 14, 20, 24].map { $0 * Self.hour }
        for (index, wait) in waits.enumerated() {
            for (factor, expected) in [(1, wait), (0.8, wait * 8 / 10), (1.2, wait * 12 / 10)] {
                let outcome = Self.verdict(Self.attempt(500), attempts: index + 1, waitFactor: factor).outcome
                #expect(outcome == .retry(at: Timestamp(milliseconds: expected)))
            }
        }
        #expect(Self.verdict(Self.attempt(500), attempts: 10).outcome == .failed)
        #expect(Self.verdict(Self.attempt(nil), attempts: 11).outcome == .failed)
        #expect(DeliveryRules.attemptsMax == 10)
    }

    @Test("Only 2xx is success, which makes good whatever was before")
    func success() {
        let bad = EndpointHealth(
            failuresInRow: 9, failingSince: Timestamp(milliseconds: 1), lastFailureAt: Timestamp(milliseconds: 2),
            slowedUntil: Timestamp(milliseconds: 3))
        for status in [200, 201, 204, 299] {
            let verdict = Self.verdict(Self.attempt(status, at: 3), attempts: 10, health: bad)
            #expect(verdict == DeliveryVerdict(outcome: .succeeded, health: .init()))
        }
        for status in [100, 199, 300, 301, 302, 307, 308, 400, 404, 500, 999, nil] {
            let verdict = Self.verdict(Self.attempt(status))
            #expect(verdict.outcome == .retry(at: Timestamp(milliseconds: 5_000)) && verdict.disabling == nil, "\(status ?? 0)")
            #expect(verdict.health.failuresInRow == 1 && verdict.health.slowedUntil == nil)
        }
    }

    @Test("A success that was under way when another attempt failed leaves what that said, but for the outage")
    func successBesideFailure() {
        let asked = Self.verdict(
            Self.attempt(429, at: 1_000, retryAfter: 60), health: EndpointHealth(failuresInRow: 1, failingSince: Timestamp(milliseconds: 0))
        )
        for begun in [0, 999, 1_000] as [Int64] {
            let verdict = Self.verdict(Self.attempt(200, at: begun), health: asked.health)
            #expect(verdict.outcome == .succeeded)
            #expect(
                verdict.health
                    == EndpointHealth(
                        failuresInRow: 2, failingSince: Timestamp(milliseconds: 1_000), lastFailureAt: Timestamp(milliseconds: 1_000),
                        slowedUntil: Timestamp(milliseconds: 61_000)))
        }
        #expect(Self.verdict(Self.attempt(200, at: 1_001), health: asked.health).health == EndpointHealth())
    }

    @Test("410 ends the delivery and the endpoint")
    func gone() {
        let verdict = Self.verdict(Self.attempt(410))
        #expect(verdict.outcome == .cancelled && verdict.disabling == .gone)
    }

    @Test("An overloaded receiver is left alone, for as long as it asks or for a minute, and for a day at most")
    func overload() {
        for status in [429, 502, 503, 504] {
            for (asked, seconds) in [(nil, 60), (7_200, 7_200), (0, 0), (Int.max, 86_400)] as [(Int?, Int64)] {
                let verdict = Self.verdict(Self.attempt(status, retryAfter: asked))
                #expect(verdict.health.slowedUntil == Timestamp(milliseconds: seconds * 1_000))
                #expect(verdict.outcome == .retry(at: Timestamp(milliseconds: max(5, seconds) * 1_000)))
            }
        }
        // Others may ask what they like.
        #expect(Self.verdict(Self.attempt(500, retryAfter: 7_200)).health.slowedUntil == nil)
        // What was asked for longer stays, and the last attempt has no next one.
        let health = EndpointHealth(slowedUntil: Timestamp(milliseconds: 500_000))
        let verdict = Self.verdict(Self.attempt(429), attempts: 10, health: health)
        #expect(verdict.outcome == .failed && verdict.health.slowedUntil == health.slowedUntil)
    }

    @Test("After five failures in a row, and while it is slowed, one delivery at a time finds out how an endpoint does")
    func probes() {
        var health = EndpointHealth()
        for count in 1...7 {
            health = Self.verdict(Self.attempt(500), health: health).health
            #expect(health.isProbed == (count >= 5))
        }
        #expect(!Self.verdict(Self.attempt(200, at: 1), health: health).health.isProbed)
        #expect(Self.verdict(Self.attempt(503)).health.isProbed)
    }

    @Test("An endpoint is disabled that nothing has reached for five days")
    func disabling() {
        var health = EndpointHealth()
        var disabled: Int64?
        for hour in stride(from: Int64(0), through: 200, by: 10) where disabled == nil {
            let verdict = Self.verdict(Self.attempt(nil, at: hour * Self.hour), health: health)
            health = verdict.health
            #expect(health.failingSince == Timestamp(milliseconds: 0))
            if verdict.disabling != nil {
                #expect(verdict.disabling == .failing)
                disabled = hour
            }
        }
        #expect(disabled == 120)
    }

    @Test("Failures that lie close together, with nothing sent for days after them, are no outage; once it was one, it stays one")
    func outages() {
        func health(after hours: [Int64]) -> EndpointHealth {
            hours.reduce(EndpointHealth()) { Self.verdict(Self.attempt(500, at: $1 * Self.hour), health: $0).health }
        }
        func disabling(_ hours: [Int64]) -> WebhookDisabledReason? {
            Self.verdict(Self.attempt(500, at: (hours.last ?? 0) * Self.hour), health: health(after: hours.dropLast())).disabling
        }
        #expect(disabling([0, 1, 200]) == nil)
        #expect(health(after: [0, 1, 200]).failingSince == Timestamp(milliseconds: 200 * Self.hour))
        #expect(disabling([0, 11, 36]) == nil && health(after: [0, 11, 36]).failingSince == Timestamp(milliseconds: 36 * Self.hour))
        #expect(disabling([0, 12, 200]) == .failing)
        #expect(disabling([0, 12, 119]) == nil)
    }

    @Test("Whatever comes in whatever order, the rules hold", arguments: 0..<50)
    func randomly(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<40 {
            var (health, now, attempts) = (EndpointHealth(), Int64.random(in: 0...1_000_000, using: &random), 0)
            for _ in 0..<60 {
                now += Int64.random(in: 0...30 * Self.hour, using: &random)
                attempts += 1
                let status = [nil, 200, 302, 410, 429, 500, 503, 504].randomElement(using: &random) ?? nil
                let attempt = Self.attempt(
                    status, at: now, retryAfter: Bool.random(using: &random) ? Int.random(in: 0...200_000, using: &random) : nil)
                let verdict = Self.verdict(
                    attempt, attempts: attempts, health: health,
                    waitFactor: Double.random(in: DeliveryRules.waitFactors, using: &random))
                Self.check(verdict, of: attempt, attempts: attempts, before: health)
                health = verdict.disabling == nil ? verdict.health : EndpointHealth()
                if case .retry = verdict.outcome { continue }
                attempts = 0
            }
        }
    }

    private static func check(_ verdict: DeliveryVerdict, of attempt: DeliveryAttempt, attempts: Int, before: EndpointHealth) {
        let (status, health) = (attempt.httpStatus ?? 0, verdict.health)
        guard !(200..<300).contains(status) else {
            let isLate = before.lastFailureAt.map { $0 >= attempt.at } ?? false
            #expect(verdict.outcome == .succeeded && verdict.disabling == nil)
            #expect(isLate ? health.slowedUntil == before.slowedUntil : health == EndpointHealth())
            return
        }
        #expect(health.failuresInRow == before.failuresInRow + 1 && health.lastFailureAt == attempt.at)
        #expect(health.failingSince.map { $0 <= attempt.at } == true)
        #expect((verdict.disabling == .gone) == (status == 410))
        if verdict.disabling == .failing {
            #expect(before.failingSince.map { attempt.at.milliseconds - $0.milliseconds >= 120 * hour } == true)
        }
        switch verdict.outcome {
        case .succeeded: Issue.record("a failure is no success")
        case .failed: #expect(attempts >= 10 && status != 410)
        case .cancelled: #expect(status == 410)
        case .retry(let at):
            #expect(attempts < 10 && at > attempt.at && at.milliseconds - attempt.at.milliseconds <= 29 * hour)
            if [429, 503, 504].contains(status), let asked = attempt.retryAfterSeconds {
                #expect(at >= attempt.at.adding(seconds: min(asked, 86_400)))
            }
        }
    }
}
