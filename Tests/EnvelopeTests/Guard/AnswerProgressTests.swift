import NIOCore
import TestSupport
import Testing

@testable import ErrorEnvelopeHummingbird

/// When a client takes too little of its answer, told by numbers alone.
@Suite("The progress of answers")
struct AnswerProgressTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// What is expected of must not be changed by the expectation, hence a reference.
    private final class Watch {
        var progress = AnswerProgress(stallTimeout: .seconds(30), bytesPerSecondMin: 1_000)

        func begin(_ taken: TakenBytes, at now: NIODeadline) { self.progress.begin(taken, at: now) }

        func end(isWholeAnswer: Bool, at now: NIODeadline) { self.progress.end(isWholeAnswer: isWholeAnswer, at: now) }

        func isTooSlow(_ taken: TakenBytes, at now: NIODeadline) -> Bool { self.progress.isTooSlow(taken, at: now) }
    }

    private func taken(_ system: UInt64, _ client: UInt64 = 0) -> TakenBytes { TakenBytes(bySystem: system, byClient: client) }

    @Test("is fine while nothing waits, however long")
    func nothingWaits() {
        let progress = Watch()
        #expect(!progress.isTooSlow(self.taken(0), at: self.start + .hours(9)))
        progress.begin(self.taken(5), at: self.start)
        progress.end(isWholeAnswer: true, at: self.start + .seconds(1))
        #expect(!progress.progress.isWaiting)
        #expect(!progress.isTooSlow(self.taken(5), at: self.start + .hours(9)))
    }

    @Test("ends when nothing is taken for the timeout, and begins anew with every byte that the client acknowledges")
    func stall() {
        let progress = Watch()
        progress.begin(self.taken(1_000_000, 100_000), at: self.start)
        #expect(!progress.isTooSlow(self.taken(1_000_000, 100_000), at: self.start + .seconds(29)))
        // The window is tiny, and the system's buffer as full as before; yet the client reads.
        #expect(!progress.isTooSlow(self.taken(1_000_000, 130_000), at: self.start + .seconds(29)))
        #expect(progress.progress.movedAt == self.start + .seconds(29))
        // The 30,000 bytes earn 30 s on top of the timeout since the beginning, of which 29 s are gone.
        #expect(!progress.isTooSlow(self.taken(1_000_000, 130_000), at: self.start + .seconds(59)))
        #expect(progress.isTooSlow(self.taken(1_000_000, 130_000), at: self.start + .seconds(61)))
        let silent = Watch()
        silent.begin(self.taken(0, 9), at: self.start)
        #expect(!silent.isTooSlow(self.taken(0, 9), at: self.start + .seconds(29)))
        #expect(silent.isTooSlow(self.taken(0, 9), at: self.start + .seconds(31)))
    }

    @Test("waits twice as long for a client that has earned it, whose system acknowledges rarely but much")
    func rareAcknowledgements() {
        let progress = Watch()
        progress.begin(self.taken(0, 0), at: self.start)
        // What the buffer has room for at once, then a sixteenth of it every 39 s: 10 kB/s.
        func taken(_ round: Int) -> TakenBytes { self.taken(0, 6_000_000 + UInt64(round) * 390_000) }
        #expect(!progress.isTooSlow(taken(0), at: self.start))
        for round in 1...20 {
            let now = self.start + .seconds(Int64(round) * 39)
            #expect(!progress.isTooSlow(taken(round - 1), at: now - .seconds(1)), "\(round)")
            #expect(!progress.isTooSlow(taken(round), at: now), "\(round)")
        }
        let last = self.start + .seconds(20 * 39)
        #expect(!progress.isTooSlow(taken(20), at: last + .seconds(59)))
        #expect(progress.isTooSlow(taken(20), at: last + .seconds(60)))
    }

    @Test("holds the client to a least rate, however steadily it drips", arguments: [(1_100, false), (900, true)])
    func leastRate(bytesPerSecond: UInt64, isTooSlow: Bool) {
        let progress = Watch()
        progress.begin(self.taken(0, 50), at: self.start)
        let slow = (1...1_000).contains { second in
            progress.isTooSlow(self.taken(0, 50 + UInt64(second) * bytesPerSecond), at: self.start + .seconds(Int64(second)))
        }
        #expect(slow == isTooSlow)
    }

    @Test("counts what the system takes where it does not tell what the client does")
    func withoutAcknowledgements() {
        let progress = Watch()
        progress.begin(self.taken(10), at: self.start)
        #expect(!progress.isTooSlow(self.taken(10_010), at: self.start + .seconds(29)))
        #expect(!progress.isTooSlow(self.taken(10_010), at: self.start + .seconds(39)))
        #expect(progress.isTooSlow(self.taken(10_010), at: self.start + .seconds(41)))
    }

    @Test("adds up the waits of one answer, and forgets them with its end")
    func severalWaits() {
        let progress = Watch()
        var now = self.start
        for _ in 0..<3 {
            progress.begin(self.taken(0, 1), at: now)
            now = now + .seconds(10)
            #expect(!progress.isTooSlow(self.taken(0, 2), at: now))
            progress.end(isWholeAnswer: false, at: now)
            // The server needs this long for the next part.
            now = now + .hours(1)
        }
        progress.begin(self.taken(0, 2), at: now)
        #expect(progress.isTooSlow(self.taken(0, 3), at: now + .seconds(1)), "30 s for two bytes")
        progress.end(isWholeAnswer: true, at: now + .seconds(1))
        progress.begin(self.taken(0, 3), at: now + .seconds(2))
        #expect(!progress.isTooSlow(self.taken(0, 4), at: now + .seconds(12)))
    }
}
