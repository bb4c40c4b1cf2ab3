import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("Ledgers in the store", .timeLimit(.minutes(1)))
struct CreditStoreTests {
    @Test("Entries are numbered, carry their note and the balance with them, and come in pages, the newest first", arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            #expect(try await open.balance(of: account) == 0)
            #expect(try await open.ledger(of: account) == [])
            let first = try await open.grant(10, to: account, note: "Welcome", at: .second(1))
            #expect((first.number, first.kind, first.amount, first.balanceAfter) == (1, .grant, 10, 10))
            #expect((first.accountID, first.note, first.itemID, first.at) == (account, "Welcome", nil, .second(1)))
            let second = try await open.revoke(4, from: account, at: .second(2))
            let started = try await open.start("Nova", of: account, at: .second(3))
            #expect(started.creditsRemaining == 3)
            let all = try await open.credits.entries(before: nil, limit: 10, accountID: account)
            #expect(all.map(\.number) == [3, 2, 1])
            #expect(all[1] == second && all[2] == first)
            #expect((all[0].kind, all[0].itemID, all[0].amount, all[0].balanceAfter) == (.charge, started.item.id, -3, 3))
            #expect(try await open.credits.entries(before: nil, limit: 2, accountID: account) == Array(all.prefix(2)))
            #expect(try await open.credits.entries(before: 2, limit: 2, accountID: account) == [first])
            #expect(try await open.credits.entries(before: 1, limit: 2, accountID: account) == [])
            #expect(try open.credits.standingNow(accountID: account) == house.atOnce(CreditStanding(balance: 3)))
            #expect(try open.credits.entriesNow(before: 3, limit: 1, accountID: account) == house.atOnce([second]))
            #expect(try await open.ledger(of: try await open.account("other")) == [])
        }
    }

    @Test("No balance goes below 0 or beyond what operators may bring it to, and what is refused leaves nothing", arguments: House.all)
    func bounds(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            await #expect(throws: Failure.balanceTooLow(balance: 0)) { try await open.revoke(1, from: account) }
            try await open.grant(2, to: account)
            await #expect(throws: Failure.balanceTooLow(balance: 2)) { try await open.revoke(3, from: account) }
            await #expect(throws: Failure.insufficientCredits(CreditShortage(price: 3, balance: 2))) {
                try await open.start("Nova", of: account)
            }
            #expect(try open.counts().values.allSatisfy { $0 == 0 })
            #expect(try open.count("event") == 1 && open.count("open_charge") == 0)
            let most = CreditAmount.max
            for _ in 1..<CreditLedger.balanceMax / most { try await open.grant(most, to: account) }
            let balance = 2 + CreditLedger.balanceMax - most
            await #expect(throws: Failure.balanceTooHigh(balance: balance)) { try await open.grant(most, to: account) }
            try await open.grant(most - 2, to: account)
            #expect(try await open.balance(of: account) == CreditLedger.balanceMax)
            await #expect(throws: Failure.balanceTooHigh(balance: CreditLedger.balanceMax)) { try await open.grant(1, to: account) }
            await #expect(throws: Failure.accountMissing) { try await open.grant(1, to: .random()) }
            #expect(try await open.creditFindingsNow() == [])
        }
    }

    @Test(
        "A training that cost something and ended badly is given back also where nothing costs anything any more, and the reverse costs nothing",
        arguments: House.all)
    func pricesChange(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            try await open.grant(5, to: account)
            let dear = try await open.start("Dear", mode: .style, of: account, at: .second(1)).item
            #expect(try await open.balance(of: account) == 0)
            try await open.failNext(at: .second(2))
            #expect(try await open.balance(of: account) == 5)
            // Tried again for nothing, it has nothing to give back.
            let started = try await open.items.retry(
                dear.id, mode: nil, accountID: account, with: nil, costing: nil, if: .none,
                in: WriteContext<StartedItem>(at: .second(3)))
            #expect(started.creditsRemaining == nil)
            try await open.failNext(at: .second(4))
            #expect(try await open.ledger(of: account).map(\.amount) == [5, -5, 5])
            // And at another price it is given back what it cost, not what it would cost by then.
            let cheaper = CreditPrices(persona: 3, style: 2)
            let again = try await open.items.retry(
                dear.id, mode: nil, accountID: account, with: nil, costing: cheaper, if: .none,
                in: WriteContext<StartedItem>(at: .second(5)))
            #expect(again.creditsRemaining == 3)
            try await open.failNext(at: .second(6))
            #expect(try await open.ledger(of: account).map(\.amount) == [5, -5, 5, -2, 2])
            let free = try await open.start("Free", of: account, costing: CreditPrices(persona: 0, style: 1), at: .second(7))
            #expect(free.creditsRemaining == 5)
            #expect(try await open.ledger(of: account).count == 5)
            #expect(try await open.creditFindingsNow() == [])
        }
    }

    @Test(
        "The database itself keeps entries as they are, gives no charge back twice, and lets no balance fall below 0", arguments: House.all)
    func guarded(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            try await open.grant(10, to: account)
            _ = try await open.start("Nova", of: account, at: .second(1))
            try await open.failNext(at: .second(2))
            let rows = try await open.rows(["credit_entry", "credit_ledger"])
            for sql in [
                "UPDATE credit_entry SET amount = 11 WHERE number = 1", "UPDATE credit_entry SET note = 'x'",
                "DELETE FROM credit_entry WHERE number = 3", "DELETE FROM credit_entry",
                "UPDATE credit_ledger SET balance = -1", "UPDATE credit_ledger SET entry_count = 0",
                """
                INSERT INTO credit_entry (account_id, number, id, kind, amount, balance_after, item_id, at, charge_number)
                SELECT account_id, 4, \(open.anyIdentifier), 'refund', 3, 13, item_id, at, 2 FROM credit_entry WHERE number = 3
                """,
                """
                INSERT INTO credit_entry (account_id, number, id, kind, amount, balance_after, at)
                SELECT account_id, 4, \(open.anyIdentifier), 'revoke', 3, 13, at FROM credit_entry WHERE number = 1
                """,
            ] {
                await #expect(throws: (any Error).self, "\(sql)") { try await open.execute(sql) }
                #expect(try await open.rows(["credit_entry", "credit_ledger"]) == rows, "\(sql)")
            }
        }
    }
}
