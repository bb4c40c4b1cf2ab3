import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Smart Balance in the store", .timeLimit(.minutes(1)))
struct SmartBalanceStoreTests {
    private static let prices = CreditPrices(persona: 3, style: 5)
    private static let reference = CreditNote(excerptOf: "bill 7")

    /// A storage whose charges ask for top-ups.
    private func withTopUps(on house: House = .sqlite, _ body: (OpenStorage) async throws -> Void) async throws {
        try await withStorage(on: house, asksForTopUps: true, body)
    }

    private func amount(_ value: Int) throws(Failure) -> CreditAmount { try CreditAmount(value, of: .own("amount")) }

    private func smartBalance(_ threshold: Int, _ amount: Int, paused reason: String? = nil) throws(Failure) -> SmartBalance {
        SmartBalance(threshold: try self.amount(threshold), amount: try self.amount(amount), pausedReason: reason)
    }

    /// An account with credits that has more bought.
    private func account(_ open: OpenStorage, _ name: String = "acme", balance: Int = 0, below threshold: Int = 1, buying: Int = 50)
        async throws -> Identifier
    {
        let id = try await open.account(name)
        if balance > 0 {
            _ = try await open.storage.credits.adjust(
                .grant(try amount(balance), note: nil), accountID: id, in: WriteContext(at: .second(0)))
        }
        _ = try await open.storage.smartBalances.set(
            try smartBalance(threshold, buying), accountID: id, in: WriteContext(at: .second(0)))
        return id
    }

    @discardableResult
    private func start(_ open: OpenStorage, _ name: String, of accountID: Identifier, at second: Int = 1) async throws(Failure) -> Int? {
        try await open.items.insert(
            NewPikzonality(
                id: .random(), accountID: accountID, mode: .persona, details: PikzonalityDetails(name: Name(stored: name)),
                references: try open.pinnedImages(), outcome: nil), costing: Self.prices, in: WriteContext(at: .second(second))
        ).creditsRemaining
    }

    private func due(_ open: OpenStorage, at second: Int = 100, isRepeated: Bool = false) async throws(Failure) -> [TopUp] {
        try await open.storage.topUps.due(at: .second(second), isRepeated: isRepeated, limit: 100)
    }

    private func standing(_ open: OpenStorage, _ id: Identifier) async throws(Failure) -> CreditStanding {
        try await open.storage.credits.standing(accountID: id)
    }

    @Test("Lines of an import ask for it as they are stored, and are told where nothing is bought any more", arguments: House.all)
    func imports(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let id = try await account(open)
            func takeIn(_ name: String) async throws -> Failure? {
                let line = ImportedLine(line: 1, item: .success(.credited(name, of: id)))
                let outcomes = try await open.storage.archives.create(
                    [line], of: nil, costing: Self.prices, in: WriteContext(at: .second(1)))
                guard case .failure(let failure)? = outcomes.first?.id else { return nil }
                return failure
            }
            for name in ["Ann", "Ben"] {
                #expect(try await takeIn(name) == .insufficientCredits(CreditShortage(price: 3, balance: 0, isTopUpAsked: true)))
            }
            let topUp = try #require(try await due(open).first)
            #expect(try await due(open) == [topUp])
            _ = try await open.storage.topUps.record(.declined(reference: nil), of: topUp.id, at: .second(2), waitFactor: 1)
            #expect(try await takeIn("Cleo") == .topUpFailed)
            #expect(try await due(open).isEmpty)
        }
    }

    @Test("It is set, changed, paused, resumed and removed; what is paused stays so, and each account has its own", arguments: House.all)
    func setting(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let store = open.storage.smartBalances
            let (id, other) = (try await account(open, balance: 4, below: 3, buying: 7), try await open.account("other"))
            #expect(try await standing(open, id) == CreditStanding(balance: 4, smartBalance: smartBalance(3, 7)))
            #expect(try await standing(open, other) == CreditStanding())
            #expect(try open.storage.credits.standingNow(accountID: id)?.smartBalance == house.atOnce(smartBalance(3, 7)))
            let changed = try await store.set(try smartBalance(5, 9), accountID: id, in: WriteContext(at: .second(1)))
            #expect(try changed.smartBalance == smartBalance(5, 9))
            try await open.execute("UPDATE smart_balance SET paused_reason = 'declined'")
            let paused = try await store.set(try smartBalance(6, 9), accountID: id, in: WriteContext(at: .second(2)))
            #expect(try paused.smartBalance == smartBalance(6, 9, paused: "declined"))
            for isChanged in [true, false] {
                let resumed = try await store.resume(accountID: id, in: WriteContext(at: .second(3)))
                #expect(try resumed.isChanged == isChanged && resumed.standing.smartBalance == smartBalance(6, 9))
            }
            #expect(try await store.remove(accountID: id, in: WriteContext(at: .second(4))) == CreditStanding(balance: 4))
            for account in [id, other] {
                #expect(
                    await result { () throws(Failure) in try await store.remove(accountID: account, in: WriteContext(at: .second(4))) }
                        == .failure(.notFound))
                #expect(
                    await result { () throws(Failure) in try await store.resume(accountID: account, in: WriteContext(at: .second(4))) }
                        == .failure(.notFound))
            }
            let plan = try smartBalance(1, 1)
            #expect(
                await result { () throws(Failure) in try await store.set(plan, accountID: .random(), in: WriteContext(at: .second(4))) }
                    == .failure(.accountMissing))
        }
    }

    @Test("A charge that leaves fewer than the threshold asks, once at a time", arguments: House.all)
    func charge(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let id = try await account(open, balance: 12, below: 6)
            for (name, left, count) in [("a", 9, 0), ("b", 6, 0), ("c", 3, 1), ("d", 0, 1)] {
                #expect(try await start(open, name, of: id) == left)
                #expect(try await due(open).count == count)
            }
            let topUp = try #require(try await due(open).first)
            #expect(topUp.accountID == id && topUp.amount.value == 50 && topUp.balance == 3 && topUp.attempts == 0)
            #expect(topUp.requestedAt == .second(1))
            #expect(try await standing(open, id).topUp == topUp)
            let refused = await result { () throws(Failure) in try await start(open, "e", of: id) }
            #expect(refused == .failure(.insufficientCredits(CreditShortage(price: 3, balance: 0))))

            let other = try await account(open, "other", balance: 3, below: 6)
            #expect(try await start(open, "x", of: other, at: 2) == 0)
            #expect(try await due(open).map(\.accountID) == [id, other])
            _ = try await open.storage.smartBalances.remove(accountID: id, in: WriteContext(at: .second(2)))
            #expect(try await due(open).count == 2, "what is asked for goes on to its outcome")
        }
    }

    @Test("Where nobody could be asked, a charge asks nobody", arguments: House.all)
    func notAsked(on house: House) async throws {
        try await withStorage(on: house) { open in
            let id = try await account(open, balance: 5, below: 100)
            #expect(try await start(open, "a", of: id) == 2)
            #expect(try await due(open).isEmpty)
        }
    }

    @Test("What is not covered asks where that helps, once, however many come at once", arguments: House.all)
    func asking(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let store = open.storage.smartBalances
            let id = try await account(open, balance: 2, buying: 50)
            #expect(try await store.ask(toCover: 2, accountID: id, at: .second(1)).topUp == nil)
            #expect(try await store.ask(toCover: 53, accountID: id, at: .second(1)).topUp == nil)
            let asked = try await withThrowingTaskGroup(of: Identifier?.self) { group in
                for _ in 0..<20 { group.addTask { try await store.ask(toCover: 52, accountID: id, at: .second(1)).topUp?.id } }
                return try await group.reduce(into: Set<Identifier?>()) { $0.insert($1) }
            }
            #expect(asked.count == 1 && asked.first != .some(nil))
            #expect(try await due(open).map { $0.balance } == [2])
        }
    }

    @Test(
        "What is paid stands in the ledger once, with the reference, and is told; whatever comes later changes nothing",
        arguments: House.all)
    func paid(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let (topUps, id) = (open.storage.topUps, try await account(open, balance: 3))
            try await start(open, "a", of: id)
            let topUp = try #require(try await due(open).first)
            let recorded = try await topUps.record(.paid(reference: Self.reference), of: topUp.id, at: .second(9), waitFactor: 1)
            guard case .credited(let entry) = recorded else { throw Failure.unexpected("\(recorded)") }
            #expect(entry.kind == .topUp && entry.amount == 50 && entry.balanceAfter == 50)
            #expect(entry.note == "bill 7" && entry.at == .second(9))
            for answer in [PaymentAnswer.paid(reference: nil), .declined(reference: nil), .unknown(.unreadable)] {
                #expect(try await topUps.record(answer, of: topUp.id, at: .second(10), waitFactor: 1) == .unawaited)
            }
            #expect(try await standing(open, id) == CreditStanding(balance: 50, smartBalance: smartBalance(1, 50)))
            #expect(try await open.storage.credits.entries(before: nil, limit: 10, accountID: id).first == entry)
            let events = try await open.storage.events.events(EventFilter(), after: nil, limit: 100, accountID: id).events
            #expect(events.last?.type == .credits(.topUp) && events.last?.subject == .credits(entry))
            #expect(try await due(open).isEmpty)
            #expect(try await topUps.nextDueAt(after: .second(0)) == nil)
            // The database itself sees to it that the same top-up is credited once.
            await #expect(throws: Failure.self) {
                try await open.execute(
                    """
                    INSERT INTO credit_entry (account_id, number, id, kind, amount, balance_after, at, top_up_id)
                    SELECT account_id, 100, \(open.anyIdentifier), kind, amount, balance_after, at, top_up_id FROM credit_entry WHERE kind = 'top_up'
                    """)
            }
            await #expect(throws: Failure.self) {
                try await open.execute(
                    """
                    INSERT INTO top_up (id, account_id, amount, balance, requested_at, next_attempt_at)
                    SELECT \(open.anyIdentifier), id, 1, 0, 0, 0 FROM account CROSS JOIN (VALUES (1), (2)) AS twice
                    """)
            }
        }
    }

    @Test(
        "What nobody pays pauses, with the reason, and is told once; where nothing is to be bought by then nothing is paused",
        arguments: House.all)
    func declined(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let (topUps, id) = (open.storage.topUps, try await account(open, balance: 3))
            try await start(open, "a", of: id)
            let topUp = try #require(try await due(open).first)
            #expect(
                try await topUps.record(.declined(reference: Self.reference), of: topUp.id, at: .second(9), waitFactor: 1)
                    == .declined(reason: "declined: bill 7"))
            let paused = try smartBalance(1, 50, paused: "declined: bill 7")
            #expect(try await standing(open, id) == CreditStanding(balance: 0, smartBalance: paused))
            let events = try await open.storage.events.events(EventFilter(), after: nil, limit: 100, accountID: id).events
            #expect(events.filter { $0.type == .smartBalancePaused }.map(\.subject) == [.smartBalance(paused)])
            #expect(try await due(open).isEmpty)
            #expect(try await open.storage.smartBalances.ask(toCover: 3, accountID: id, at: .second(10)).topUp == nil)

            let other = try await account(open, "other", balance: 3)
            try await start(open, "a", of: other)
            let second = try #require(try await due(open).first)
            _ = try await open.storage.smartBalances.remove(accountID: other, in: WriteContext(at: .second(2)))
            #expect(
                try await topUps.record(.declined(reference: nil), of: second.id, at: .second(9), waitFactor: 1)
                    == .declined(reason: "declined"))
            #expect(try await standing(open, other) == CreditStanding())
        }
    }

    @Test(
        "What has no outcome is due again when the rules say, apart from what was never asked, those first that are due for longest",
        arguments: House.all)
    func repeated(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let topUps = open.storage.topUps
            var ids: [Identifier] = []
            for (index, name) in ["a", "b", "c"].enumerated() {
                let id = try await account(open, name, balance: 3)
                try await start(open, "x", of: id, at: 10 - index)
                ids.append(id)
            }
            #expect(try await due(open).map(\.accountID) == ids.reversed())
            #expect(try await topUps.nextDueAt(after: .second(8)) == .second(9))
            #expect(try await due(open, at: 8).map(\.accountID) == [ids[2]])
            let first = try #require(try await due(open).first)
            #expect(
                try await topUps.record(.unknown(.status(500)), of: first.id, at: .second(20), waitFactor: 1) == .repeated(at: .second(21)))
            #expect(try await due(open).map(\.accountID) == [ids[1], ids[0]])
            #expect(try await due(open, at: 20, isRepeated: true).isEmpty)
            #expect(try await topUps.nextDueAt(after: .second(20)) == .second(21))
            let repeated = try #require(try await due(open, at: 21, isRepeated: true).first)
            #expect(repeated.id == first.id && repeated.attempts == 1 && repeated.requestedAt == first.requestedAt)
            #expect(
                try await topUps.record(.unknown(.unreadable), of: first.id, at: .second(30), waitFactor: 1) == .repeated(at: .second(32)))
            #expect(try await topUps.due(at: .second(99), isRepeated: false, limit: 1).count == 1)
        }
    }

    @Test(
        "It survives the end of a process, and goes with its account; of an open top-up the operator is told before it is forgotten",
        arguments: House.all)
    func lives(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            var topUp: TopUp?
            try await withStorage(on: house, in: directory, asksForTopUps: true) { open in
                let id = try await account(open, balance: 3)
                try await start(open, "a", of: id)
                topUp = try await due(open).first
            }
            try await withStorage(on: house, in: directory, asksForTopUps: true) { open in
                let storage = open.storage
                let found = try #require(try await due(open).first)
                #expect(found == topUp)
                #expect(try await storage.topUps.abandoned(limit: 10).isEmpty)
                try await storage.accounts.delete(accountNamed: "acme", at: .second(5))
                #expect(try await storage.topUps.record(.paid(reference: nil), of: found.id, at: .second(6), waitFactor: 1) == .unawaited)
                let abandoned = AbandonedTopUp(id: found.id, accountID: found.accountID)
                for _ in 0..<2 { #expect(try await storage.topUps.abandoned(limit: 10) == [abandoned]) }
                try await storage.topUps.forget([abandoned])
                #expect(try await storage.topUps.abandoned(limit: 10).isEmpty)
                for table in ["smart_balance", "top_up", "credit_entry", "abandoned_top_up"] {
                    #expect(try open.count(table) == 0, "\(table)")
                }
            }
        }
    }

    @Test("How an account stands is of one moment, whatever is written meanwhile", arguments: House.all)
    func moments(on house: House) async throws {
        try await withTopUps(on: house) { open in
            let id = try await account(open, balance: 1, below: 1)
            let isOver = Shared(false)
            let torn = try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask {
                    defer { isOver.withLock { $0 = true } }
                    // At each moment both are the same.
                    for value in 2...(house == .sqlite ? 400 : 40) {
                        try await open.execute("UPDATE credit_ledger SET balance = \(value); UPDATE smart_balance SET threshold = \(value)")
                    }
                    return 0
                }
                group.addTask {
                    var torn = 0
                    while !isOver.value {
                        let looks: [CreditStanding?] = [
                            try await open.storage.credits.standing(accountID: id),
                            try open.storage.credits.standingNow(accountID: id),
                            try await open.storage.smartBalances.ask(toCover: 1, accountID: id, at: .second(1)),
                        ]
                        torn += looks.count { $0?.balance != $0?.smartBalance?.threshold.value }
                        await Task.yield()
                    }
                    return torn
                }
                return try await group.reduce(0, +)
            }
            #expect(torn == 0)
        }
    }

    @Test("A top-up is found by an index, however many there were")
    func plans() async throws {
        try await withTopUps { open in
            _ = try await due(open)
            _ = try await open.storage.topUps.nextDueAt(after: .second(0))
            _ = try await standing(open, .random())
            for text in ["next_attempt_at <= ?", "next_attempt_at > ?", "FROM top_up WHERE account_id"] {
                let plan = try await open.plan(of: text)
                #expect(plan.allSatisfy { $0.hasPrefix("SEARCH top_up USING") }, "\(text): \(plan)")
            }
        }
    }
}
