import Personas
import TestSupport
import Testing

@Suite("A ledger of credits")
struct CreditLedgerTests {
    private static let now = Timestamp(milliseconds: 1_795_000_000_000)

    private func amount(_ value: Int) throws -> CreditAmount { try CreditAmount(value, of: .own("amount")) }

    @Test("keeps the sum of what is written, and numbers it")
    func sum() throws {
        let (account, item) = (Identifier.random(), Identifier.random())
        var ledger = CreditLedger(of: account)
        let note = try CreditNote("Welcome", of: .own("note"))
        let entries = [
            try ledger.adjust(.grant(try amount(10), note: note), at: Self.now), try ledger.charge(4, for: item, at: Self.now),
            ledger.refund(4, for: item, at: Self.now), ledger.topUp(try amount(7), reference: nil, at: Self.now),
            try ledger.adjust(.revoke(try amount(17), note: nil), at: Self.now),
        ]
        #expect(entries.map(\.number) == [1, 2, 3, 4, 5])
        #expect(entries.map(\.kind) == [.grant, .charge, .refund, .topUp, .revoke])
        #expect(entries.map(\.amount) == [10, -4, 4, 7, -17])
        #expect(entries.map(\.balanceAfter) == [10, 6, 10, 17, 0])
        #expect(entries.map(\.itemID) == [nil, item, item, nil, nil])
        #expect(entries.map(\.note) == ["Welcome", nil, nil, nil, nil])
        #expect(entries.allSatisfy { $0.accountID == account && $0.at == Self.now })
        #expect(Set(entries.map(\.id)).count == 5)
        #expect(ledger == CreditLedger(of: account, balance: 0, entryCount: 5))
    }

    @Test("refuses what goes below 0 or too high, and is as it was then")
    func refusals() throws {
        let ledger = CreditLedger(of: .random(), balance: 5, entryCount: 1)
        func refused(_ change: (inout CreditLedger) throws(Failure) -> CreditEntry) -> Failure? {
            var changed = ledger
            do throws(Failure) {
                _ = try change(&changed)
                return nil
            } catch {
                #expect(changed == ledger)
                return error
            }
        }
        let (six, five) = (try amount(6), try amount(5))
        #expect(
            refused { (ledger) throws(Failure) in try ledger.adjust(.revoke(six, note: nil), at: Self.now) } == .balanceTooLow(balance: 5))
        #expect(refused { (ledger) throws(Failure) in try ledger.adjust(.revoke(five, note: nil), at: Self.now) } == nil)
        #expect(
            refused { (ledger) throws(Failure) in try ledger.charge(6, for: .random(), at: Self.now) }
                == .insufficientCredits(CreditShortage(price: 6, balance: 5)))
        #expect(refused { (ledger) throws(Failure) in try ledger.charge(5, for: .random(), at: Self.now) } == nil)
        #expect(throws: Failure.insufficientCredits(CreditShortage(price: 6, balance: 5))) { try ledger.requireCovered(6) }
        #expect(throws: Never.self) { try ledger.requireCovered(5) }
        #expect(throws: Never.self) { try ledger.requireCovered(0) }
    }

    @Test("takes grants up to its most, and refunds and what was bought beyond, far from any overflow")
    func most() throws {
        let one = try amount(1)
        var ledger = CreditLedger(of: .random(), balance: CreditLedger.balanceMax - 1, entryCount: 1)
        #expect(try ledger.adjust(.grant(one, note: nil), at: Self.now).balanceAfter == CreditLedger.balanceMax)
        #expect(throws: Failure.balanceTooHigh(balance: CreditLedger.balanceMax)) {
            try ledger.adjust(.grant(one, note: nil), at: Self.now)
        }
        let item = Identifier.random()
        #expect(ledger.refund(CreditAmount.max, for: item, at: Self.now).balanceAfter == CreditLedger.balanceMax + CreditAmount.max)
        #expect(throws: Failure.balanceTooHigh(balance: ledger.balance)) { try ledger.adjust(.grant(one, note: nil), at: Self.now) }
        // As many refunds as anybody could have open at once.
        #expect(!CreditLedger.balanceMax.addingReportingOverflow(CreditAmount.max * 1_000_000).overflow)
    }

    @Test("is never below 0 and always the sum, whatever is written at random")
    func random() throws {
        for seed in 0..<200 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var ledger = CreditLedger(of: .random())
            var (sum, written) = (0, 0)
            for _ in 0..<50 {
                let value = Int.random(in: 1...40, using: &generator)
                let given = try amount(value)
                let entry: CreditEntry?
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: entry = try? ledger.adjust(.grant(given, note: nil), at: Self.now)
                case 1: entry = try? ledger.adjust(.revoke(given, note: nil), at: Self.now)
                case 2, 3: entry = try? ledger.charge(value, for: .random(), at: Self.now)
                default: entry = ledger.refund(value, for: .random(), at: Self.now)
                }
                sum += entry?.amount ?? 0
                written += entry == nil ? 0 : 1
                #expect(entry == nil || entry?.number == written && entry?.balanceAfter == sum && abs(entry?.amount ?? 0) == value)
                #expect(ledger.balance == sum && sum >= 0 && ledger.entryCount == written, "seed \(seed)")
            }
        }
    }
}

@Suite("Amounts, notes and prices of credits")
struct CreditAmountTests {
    @Test("An amount is a whole number from 1 to a million millions", arguments: [1, 2, 999, 1_000_000_000_000])
    func amounts(value: Int) throws {
        #expect(try CreditAmount(value, of: .own("amount")).value == value)
        #expect(try CreditAmount("\(value)", of: .own("amount")).value == value)
        #expect(try CreditAmount("00\(value)", of: .own("amount")).value == value)
    }

    @Test("Any other number is none", arguments: [0, -1, 1_000_000_000_001, .max, .min])
    func otherNumbers(value: Int) {
        #expect(throws: Failure.invalidAmount(.own("threshold"))) { try CreditAmount(value, of: .own("threshold")) }
        #expect(throws: Failure.invalidAmount(.own("amount"))) { try CreditAmount("\(value)", of: .own("amount")) }
    }

    @Test(
        "Any other text is none",
        arguments: [
            "", " ", "1 ", " 1", "+1", "-1", "1.0", "1.", ".5", "1e3", "0x1", "1_000", "1,000", "١", "１", "ten", "1\n", "\u{0}1",
            "9223372036854775808", "99999999999999999999999999", "1000000000001", "0", "000",
        ])
    func otherTexts(text: String) {
        #expect(throws: Failure.invalidAmount(.own("amount"))) { try CreditAmount(text, of: .own("amount")) }
    }

    @Test("A note is 1 to 200 characters that a terminal can be shown")
    func notes() throws {
        for text in ["W", "Welcome 🙂", "  ", String(repeating: "ż", count: CreditNote.charactersMax)] {
            #expect(try CreditNote(text, of: .own("note")).text == text)
        }
        let rule = "must have 1 to 200 characters, none of them a control character"
        for text in ["", String(repeating: "x", count: CreditNote.charactersMax + 1), "a\nb", "\u{1b}[31m", "a\u{0}", "a\u{9b}b", "\u{7f}"]
        {
            #expect(throws: Failure.invalid([Violation(.own("note"), rule)])) { try CreditNote(text, of: .own("note")) }
        }
    }

    @Test("Each mode has its price")
    func prices() {
        let prices = CreditPrices(persona: 2, style: 7)
        #expect(prices[.persona] == 2 && prices[.style] == 7)
        #expect(CreditPrices(persona: 0, style: 0)[.style] == 0)
    }
}
