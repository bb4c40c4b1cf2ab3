import Testing

@testable import Personas

extension SmartBalance {
    static func fixture(_ threshold: Int = 10, _ amount: Int = 100, paused reason: String? = nil) throws -> SmartBalance {
        SmartBalance(
            threshold: try CreditAmount(threshold, of: .own("threshold")), amount: try CreditAmount(amount, of: .own("amount")),
            pausedReason: reason)
    }
}

extension TopUp {
    static func fixture(
        _ amount: Int = 100, of accountID: Identifier = .random(), at now: Timestamp = .now, attempts: Int = 0
    ) throws -> TopUp {
        TopUp(
            id: .random(), accountID: accountID, amount: try CreditAmount(amount, of: .own("amount")), balance: 0, requestedAt: now,
            attempts: attempts)
    }
}

@Suite("When credits are bought")
struct SmartBalanceTests {
    @Test(
        "A charge has some bought that leaves fewer than the threshold, unless it is paused",
        arguments: [(11, false), (10, false), (9, true), (0, true)])
    func threshold(balance: Int, isWanted: Bool) throws {
        #expect(try SmartBalance.fixture().isWanted(at: balance) == isWanted)
        #expect(try !SmartBalance.fixture(paused: "declined").isWanted(at: balance))
    }

    @Test("Other numbers leave it paused or active, as it was")
    func changed() throws {
        let new = try SmartBalance.fixture(20, 200)
        #expect(try SmartBalance.fixture().changed(to: new) == new)
        #expect(try SmartBalance.fixture(paused: "declined").changed(to: new) == .fixture(20, 200, paused: "declined"))
    }

    @Test("What is to be done where a training costs more than there is")
    func coverage() throws {
        let (active, paused) = (try SmartBalance.fixture(), try SmartBalance.fixture(paused: "declined"))
        func coverage(_ price: Int, _ smartBalance: SmartBalance?, _ topUp: TopUp? = nil) -> CreditCoverage {
            CreditStanding(balance: 7, smartBalance: smartBalance, topUp: topUp).coverage(of: price)
        }
        for smartBalance in [nil, active, paused] {
            for topUp in [nil, try TopUp.fixture()] {
                for price in [0, 7] { #expect(coverage(price, smartBalance, topUp) == .covered) }
            }
        }
        #expect(coverage(8, nil) == .short)
        #expect(coverage(8, paused) == .paused)
        #expect(coverage(1_000, paused) == .paused)
        #expect(coverage(8, active) == .askable(active.amount))
        #expect(coverage(107, active) == .askable(active.amount))
        #expect(coverage(108, active) == .short)
        // One that is asked for already has its own amount, whatever was asked for since.
        for smartBalance in [nil, active, paused] { #expect(coverage(57, smartBalance, try .fixture(50)) == .awaited) }
        #expect(coverage(58, active, try .fixture(50)) == .awaited)
        #expect(coverage(58, nil, try .fixture(50)) == .short)
        #expect(coverage(58, paused, try .fixture(50)) == .short)
        #expect(coverage(108, active, try .fixture(50)) == .short)
        #expect(coverage(CreditAmount.max, active, try .fixture(CreditAmount.max)) == .awaited)
    }
}

@Suite("What a payment service says")
struct TopUpRulesTests {
    private func verdict(_ answer: PaymentAnswer, attempts: Int = 1, factor: Double = 1) -> TopUpVerdict {
        TopUpRules.verdict(on: answer, attempts: attempts, at: Timestamp(milliseconds: 1_000_000), waitFactor: factor)
    }

    @Test("Paid is credited and declined pauses, however often it was asked")
    func outcomes() throws {
        let reference = try CreditNote("bill 7", of: .own("reference"))
        for attempts in [1, 2, 1_000] {
            #expect(verdict(.paid(reference: reference), attempts: attempts) == .credited(reference: reference))
            #expect(verdict(.paid(reference: nil), attempts: attempts) == .credited(reference: nil))
            #expect(verdict(.declined(reference: nil), attempts: attempts) == .declined(reason: "declined"))
            #expect(verdict(.declined(reference: reference), attempts: attempts) == .declined(reason: "declined: bill 7"))
        }
        let longest = try #require(CreditNote(excerptOf: String(repeating: "ä", count: 10_000)))
        guard case .declined(let reason) = verdict(.declined(reference: longest)) else { throw Failure.notFound }
        #expect(reason.unicodeScalars.count <= TopUpRules.reasonCharactersMax)
    }

    @Test("Whatever says neither is asked again, later and later, and at last every five minutes for ever")
    func schedule() {
        let problems: [PaymentProblem] = [.unanswered(.timeout), .unanswered(.refused), .status(500), .status(404), .unreadable]
        let waits = [(1, 1), (2, 2), (3, 5), (4, 15), (5, 60), (6, 300), (7, 300), (100_000, 300)]
        for problem in problems {
            for (attempts, seconds) in waits {
                let at = Timestamp(milliseconds: 1_000_000).adding(seconds: seconds)
                #expect(verdict(.unknown(problem), attempts: attempts) == .repeated(at: at))
            }
        }
        #expect(verdict(.unknown(.unreadable), attempts: 3, factor: 0.8) == .repeated(at: Timestamp(milliseconds: 1_004_000)))
        #expect(verdict(.unknown(.unreadable), attempts: 3, factor: 1.2) == .repeated(at: Timestamp(milliseconds: 1_006_000)))
    }

    @Test("Words from elsewhere are shown without what could do harm, and no further than a note goes")
    func excerpts() throws {
        #expect(CreditNote(excerptOf: "") == nil)
        #expect(CreditNote(excerptOf: "bill 7")?.text == "bill 7")
        #expect(CreditNote(excerptOf: "a\u{1b}[2J\nb\u{202e}c\u{2069}\u{0}")?.text == "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}")
        let long = try #require(CreditNote(excerptOf: String(repeating: "e\u{301}", count: 5_000)))
        #expect(long.text.unicodeScalars.count == CreditNote.charactersMax)
        #expect(try CreditNote(long.text, of: .own("reference")) == long)
    }
}
