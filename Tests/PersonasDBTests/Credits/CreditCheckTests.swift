import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("The check of credits", .timeLimit(.minutes(2)))
struct CreditCheckTests {
    /// One way in which a ledger can be wrong.
    struct Fault: Sendable, CustomTestStringConvertible {
        /// What breaks it: `<name>` stands for the id of an item or of the account.
        let sql: String
        /// What has to be named, by the same names.
        let subjects: Set<String>

        init(_ sql: String, _ subjects: Set<String>) {
            self.sql = sql
            self.subjects = subjects
        }

        var testDescription: String { sql }
    }

    /// Faults of which there is no doubt what is right.
    private static let mendable: [Fault] = [
        Fault("UPDATE credit_ledger SET balance = balance + 1 WHERE account_id = <account>", ["account"]),
        Fault("UPDATE credit_ledger SET balance = 0 WHERE account_id = <account>", ["account"]),
        Fault("UPDATE credit_ledger SET entry_count = entry_count - 1 WHERE account_id = <account>", ["account"]),
        Fault("DELETE FROM credit_ledger WHERE account_id = <account>", ["account"]),
    ]

    private static let damages: [Fault] = [
        // Entries that are lost, with what is kept beside them or without.
        Fault("UPDATE credit_ledger SET entry_count = entry_count + 1 WHERE account_id = <account>", ["account"]),
        Fault("INSERT INTO credit_ledger (account_id, balance, entry_count) VALUES (<empty>, 5, 1)", ["empty"]),
        Fault("DELETE FROM credit_entry WHERE number = 1 AND account_id = <account>", ["account"]),
        Fault("DELETE FROM credit_entry WHERE number = 9 AND account_id = <account>", ["account", "waiting"]),
        // Entries that are not what they were.
        Fault("UPDATE credit_entry SET balance_after = balance_after + 1 WHERE number = 4 AND account_id = <account>", ["account"]),
        Fault("UPDATE credit_entry SET amount = amount + 1 WHERE number = 1 AND account_id = <account>", ["account"]),
        Fault("UPDATE credit_entry SET amount = amount + 1 WHERE number = 4 AND account_id = <account>", ["account"]),
        // Refunds of what was not charged, or not for that.
        Fault("UPDATE credit_entry SET charge_number = 1 WHERE number = 4 AND account_id = <account>", ["account", "failed"]),
        Fault("UPDATE credit_entry SET charge_number = 99 WHERE number = 4 AND account_id = <account>", ["account", "failed"]),
        Fault("UPDATE credit_entry SET charge_number = 2 WHERE number = 4 AND account_id = <account>", ["account", "failed", "done"]),
        Fault("UPDATE credit_entry SET item_id = <done> WHERE number = 4 AND account_id = <account>", ["account"]),
        // Open charges of what is settled, or of nothing.
        Fault("INSERT INTO open_charge (item_id, account_id, charge_number) VALUES (<done>, <account>, 2)", ["done"]),
        Fault("INSERT INTO open_charge (item_id, account_id, charge_number) VALUES (<away>, <account>, 5)", ["away"]),
        Fault("UPDATE open_charge SET charge_number = 6 WHERE item_id = <again>", ["again"]),
        Fault("UPDATE open_charge SET charge_number = 99 WHERE item_id = <again>", ["again"]),
        Fault("UPDATE open_charge SET item_id = <free> WHERE item_id = <waiting>", ["free", "waiting"]),
        Fault("UPDATE open_charge SET account_id = <other> WHERE item_id = <waiting>", ["waiting"]),
        // Trainings that run, and whose charge is settled.
        Fault("DELETE FROM open_charge WHERE item_id = <waiting>", ["waiting"]),
        Fault("\(refund(of: 9, for: "waiting"))", ["waiting"]),
        Fault("\(refund(of: 9, for: "waiting")); DELETE FROM open_charge WHERE item_id = <waiting>", ["waiting"]),
        // One that ended well and was given back.
        Fault("\(refund(of: 2, for: "done"))", ["done"]),
        // Charges of another item.
        Fault("UPDATE credit_entry SET item_id = <done> WHERE number = 9 AND account_id = <account>", ["waiting", "done"]),
    ]

    /// Faults of a ledger whose entry 1 is a top-up of 50 that was paid; another is still asked for, and an account has none.
    private static let damagedTopUps: [Fault] = [
        Fault("DELETE FROM credit_entry; DELETE FROM credit_ledger", ["paid"]),
        Fault("UPDATE top_up SET amount = 51 WHERE id = <paid>", ["account"]),
        Fault("UPDATE top_up SET account_id = <other> WHERE id = <paid>", ["account"]),
        Fault("DELETE FROM top_up WHERE id = <paid>", ["account"]),
        Fault("UPDATE top_up SET status = 'declined' WHERE id = <paid>", ["account"]),
        Fault("UPDATE credit_entry SET top_up_id = <asked>", ["account", "paid"]),
        Fault("UPDATE top_up SET status = 'paid', finished_at = 9, next_attempt_at = NULL WHERE id = <asked>", ["asked"]),
    ]

    /// Adds a whole entry to the ledger that gives back what a persona costs.
    private static func refund(of charge: Int, for item: String) -> String {
        """
        INSERT INTO credit_entry (account_id, number, id, kind, amount, balance_after, item_id, at, charge_number)
            SELECT account_id, entry_count + 1, <any>, 'refund', 3, balance + 3, <\(item)>, 0, \(charge)
            FROM credit_ledger WHERE account_id = <account>;
        UPDATE credit_ledger SET balance = balance + 3, entry_count = entry_count + 1 WHERE account_id = <account>
        """
    }

    @Test(
        "Ledgers of trainings in every state are right, and stay so when their items go and when their account does", arguments: House.all)
    func nothing(on house: House) async throws {
        try await withScene(on: house) { open, ids in
            #expect(try await open.creditFindings() == [])
            for name in ["done", "failed", "away", "again", "waiting"] {
                let id = try #require(ids[name])
                if name == "away" {
                    _ = try await open.trash.purge(id, accountID: nil, if: .none, in: WriteContext(at: .second(40)))
                } else {
                    _ = try await open.items.delete(
                        id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: WriteContext(at: .second(40)))
                }
                #expect(try await open.creditFindings() == [])
            }
            // What ran has been given back with its end.
            #expect(try await open.balance(of: try #require(ids["account"])) == 100 - 3 - 3)
            #expect(try open.count("open_charge") == 1, "the other account's")
            try await open.accounts.delete(accountNamed: "acme", at: .second(41))
            #expect(try await open.creditFindings() == [])
            #expect(try open.count("credit_entry") == 2 && open.count("credit_ledger") == 1)
        }
    }

    @Test("A balance that is not the sum of its entries is found, and repair takes the sum", arguments: House.all, mendable)
    func balances(on house: House, fault: Fault) async throws {
        try await withScene(on: house) { open, ids in
            let account = try #require(ids["account"])
            let balance = try await open.balance(of: account)
            try await inflict(fault, open, ids)
            for isRepairing in [false, true] {
                let findings = try await open.creditFindings(isRepairing: isRepairing)
                #expect(findings.map(\.kind) == [.countsDisagree] && findings.map(\.subject) == [account.text])
                #expect(findings.allSatisfy { $0.repaired == isRepairing && $0.detail.contains("has \(balance) after 9") }, "\(findings)")
            }
            #expect(try await open.creditFindings() == [])
            #expect(try await open.grant(1, to: account).number == 10, "the ledger goes on where it was")
            #expect(try await open.balance(of: account) == balance + 1)
        }
    }

    @Test("What is wrong with entries, refunds and open charges is found, named, and left to a person", arguments: House.all, damages)
    func damage(on house: House, fault: Fault) async throws {
        try await withScene(on: house) { open, ids in
            try await inflict(fault, open, ids)
            let tables = ["credit_entry", "credit_ledger", "open_charge"]
            let rows = try await open.rows(tables)
            let expected = Set(try fault.subjects.map { try #require(ids[$0]).text })
            for isRepairing in [false, true] {
                let findings = try await open.creditFindings(isRepairing: isRepairing)
                #expect(Set(findings.map(\.subject)) == expected, "\(findings)")
                #expect(findings.allSatisfy { $0.kind == .creditsDisagree && !$0.repaired }, "\(findings)")
            }
            #expect(try await open.rows(tables) == rows)
        }
    }

    @Test("A top-up that is credited otherwise than it was paid is found, named, and left to a person", arguments: House.all, damagedTopUps)
    func topUps(on house: House, fault: Fault) async throws {
        try await withStorage(on: house) { open in
            let (store, account) = (open.storage.smartBalances, try await open.account())
            let amount = try CreditAmount(50, of: .own("amount"))
            _ = try await store.set(SmartBalance(threshold: amount, amount: amount), accountID: account, in: WriteContext(at: .second(0)))
            let paid = try #require(try await store.ask(toCover: 1, accountID: account, at: .second(1)).topUp)
            _ = try await open.storage.topUps.record(.paid(reference: nil), of: paid.id, at: .second(2), waitFactor: 1)
            let asked = try #require(try await store.ask(toCover: 51, accountID: account, at: .second(3)).topUp)
            let ids = ["account": account, "other": try await open.account("other"), "paid": paid.id, "asked": asked.id]
            #expect(try await open.creditFindings() == [])
            try await inflict(fault, open, ids)
            let tables = ["credit_entry", "credit_ledger", "top_up"]
            let rows = try await open.rows(tables)
            let expected = Set(try fault.subjects.map { try #require(ids[$0]).text })
            for isRepairing in [false, true] {
                let findings = try await open.creditFindings(isRepairing: isRepairing)
                #expect(Set(findings.map(\.subject)) == expected, "\(findings)")
                #expect(findings.allSatisfy { $0.kind == .creditsDisagree && !$0.repaired }, "\(findings)")
            }
            #expect(try await open.rows(tables) == rows)
        }
    }

    /// Breaks a ledger behind the back of what guards it.
    private func inflict(_ fault: Fault, _ open: OpenStorage, _ ids: [String: Identifier]) async throws {
        let sql = ids.reduce(fault.sql) { sql, named in
            sql.replacing("<\(named.key)>", with: open.literal(named.value))
        }
        for trigger in ["credit_entry_changed", "credit_entry_deleted"] {
            try await open.execute("DROP TRIGGER \(trigger)\(open.house == .postgres ? " ON credit_entry" : "")")
        }
        try await open.execute(sql.replacing("<any>", with: open.anyIdentifier))
    }

    /// An account whose ledger tells of a training that was completed (entry 2), one that failed (3, given back by 4), one whose item is in the trash (5),
    /// one that failed and is tried again (6 to 8), one that waits (9), and one that cost nothing; another account with an item in training; and one
    /// without a ledger.
    private func withScene(on house: House, _ body: (OpenStorage, [String: Identifier]) async throws -> Void) async throws {
        try await withStorage(on: house) { open in
            var ids = [
                "account": try await open.account(), "other": try await open.account("other"), "empty": try await open.account("empty"),
            ]
            let account = try #require(ids["account"])
            try await open.grant(100, to: account)
            ids["done"] = try await open.start("Done", of: account, at: .second(1)).item.id
            try await open.completeNext(at: .second(2))
            ids["failed"] = try await open.start("Failed", of: account, at: .second(3)).item.id
            try await open.failNext(at: .second(4))
            let away = try await open.start("Away", of: account, at: .second(5)).item
            ids["away"] = away.id
            try await open.completeNext(at: .second(6))
            try await open.putAway(away, at: .second(7))
            let again = try await open.start("Again", of: account, at: .second(8)).item.id
            ids["again"] = again
            try await open.failNext(at: .second(9))
            _ = try await open.items.retry(
                again, mode: nil, accountID: account, with: nil, costing: .fixture, if: .none,
                in: WriteContext<StartedItem>(at: .second(10)))
            ids["waiting"] = try await open.start("Waiting", of: account, at: .second(11)).item.id
            ids["free"] = try await open.start("Free", of: account, costing: nil, at: .second(12)).item.id
            try await open.grant(50, to: try #require(ids["other"]))
            _ = try await open.start("Theirs", mode: .style, of: try #require(ids["other"]), at: .second(13))
            #expect(try await open.ledger(of: account).map(\.amount) == [100, -3, -3, 3, -3, -3, 3, -3, -3])
            try await body(open, ids)
        }
    }
}
