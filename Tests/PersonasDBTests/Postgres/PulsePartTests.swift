import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Parts of the pulse")
struct PulsePartTests {
    @Test("The clock follows the server's, and stands rather than go back by little")
    func clock() {
        let steady = Shared<Int64>(1_000)
        let clock = ServerClock { steady.value }
        #expect(abs(clock.now.milliseconds - Timestamp.now.milliseconds) < 60_000, "the machine's own until the server's is known")
        clock.adjust(to: Timestamp(milliseconds: 5_000_000), asked: 990, heard: 1_010)
        #expect(clock.now == Timestamp(milliseconds: 5_000_000))
        steady.withLock { $0 += 700 }
        #expect(clock.now == Timestamp(milliseconds: 5_000_700))

        // Earlier by more than the answer's time can explain.
        clock.adjust(to: Timestamp(milliseconds: 5_000_300), asked: 1_700, heard: 1_700)
        #expect(clock.now == Timestamp(milliseconds: 5_000_700))
        steady.withLock { $0 += 500 }
        #expect(clock.now == Timestamp(milliseconds: 5_000_800))

        // Another server, whose clock is an hour behind.
        clock.adjust(to: Timestamp(milliseconds: 1_400_000), asked: 2_200, heard: 2_200)
        #expect(clock.now == Timestamp(milliseconds: 1_400_000))
        // And back.
        clock.adjust(to: Timestamp(milliseconds: 5_000_800), asked: 2_200, heard: 2_200)
        #expect(clock.now == Timestamp(milliseconds: 5_000_800))
    }

    @Test("An answer that took its time moves the clock only where it must be wrong")
    func slowAnswer() {
        let clock = ServerClock { 10_000 }
        clock.adjust(to: Timestamp(milliseconds: 50_000), asked: 9_998, heard: 10_000)
        let exact = clock.now
        clock.adjust(to: Timestamp(milliseconds: 49_800), asked: 9_000, heard: 10_000)
        #expect(clock.now == exact)
        clock.adjust(to: Timestamp(milliseconds: 60_000), asked: 9_000, heard: 10_000)
        #expect(clock.now == Timestamp(milliseconds: 60_500))
    }

    @Test("Bells go as payloads that the server takes, and come back as they were")
    func payloads() throws {
        var bell = Bell(work: [.jobs, .topUps])
        for number in 0..<1_000 { bell.items[.random()] = number.isMultiple(of: 2) }
        for _ in 0..<500 { bell.accounts.insert(.random()) }
        bell.accountsGone = [.random()]
        let sender = Identifier.random()
        let payloads = bell.payloads(from: sender)
        #expect(payloads.count == 5 && payloads.allSatisfy { $0.utf8.count < 8_000 })
        var read = Bell()
        for payload in payloads {
            let (part, from) = Bell.read(payload)
            #expect(from == sender)
            read.add(part)
        }
        #expect(read == bell)
        #expect(Bell.read(Bell().payloads(from: sender)[0]).bell.isEmpty)
    }

    @Test("What names too many rings for everything, and so does what cannot be read", arguments: ["", "AAAA", "Ag==", "nonsense"])
    func everything(payload: String) {
        #expect(Bell.read(payload).bell == Bell(work: .everything) && Bell.read(payload).sender == nil)
        var bell = Bell(work: .jobs)
        for _ in 0..<Bell.namesMax { bell.add(Bell(accounts: [.random()])) }
        #expect(bell.accounts.count == Bell.namesMax)
        bell.add(Bell(items: [.random(): true]))
        #expect(bell == Bell(work: .everything))
        bell.add(Bell(accounts: [.random()]))
        #expect(bell == Bell(work: .everything), "there is nothing to add to that")
    }

    @Test("Rows of use tell each permit once, whenever they come")
    func rates() {
        let (other, key) = (Identifier.random(), Identifier.random())
        func row(_ reads: Int64, begunAt: Int64, usedAt: Int64) -> SharedRates.Row {
            SharedRates.Row(replicaID: other, keyID: key, begunAt: begunAt, usedAt: usedAt, reads: reads, writes: 0)
        }
        var rates = SharedRates(now: 100_000)
        #expect(rates.uses(in: [row(50, begunAt: 90_000, usedAt: 100_100)], at: 100_400).isEmpty, "how much of that is new nobody knows")
        #expect(rates.uses(in: [row(57, begunAt: 90_000, usedAt: 100_500)], at: 100_800) == [RateUse(keyID: key, reads: 7)])
        #expect(rates.uses(in: [row(57, begunAt: 90_000, usedAt: 100_500)], at: 101_200).isEmpty, "a row that was seen already")
        #expect(rates.uses(in: [row(3, begunAt: 101_300, usedAt: 101_300)], at: 101_600) == [RateUse(keyID: key, reads: 3)])
        #expect(rates.rememberedCount == 1)

        let told = rates.rows(for: [RateUse(keyID: key, reads: 2, writes: 1)], at: 101_600)
        #expect(told.map(\.reads) == [2] && told.map(\.begunAt) == [101_600])
        let further = rates.rows(for: [RateUse(keyID: key, reads: 5)], at: 102_000)
        #expect(further.map(\.reads) == [7] && further.map(\.writes) == [1] && further.map(\.begunAt) == [101_600])
        #expect(rates.rememberedCount == 2)
        #expect(rates.uses(in: [], at: 140_000).isEmpty && rates.rememberedCount == 0, "what is over is forgotten")
    }
}
