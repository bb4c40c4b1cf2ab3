import Foundation
import Personas
import Testing

@testable import PersonasDB

@Suite("The store of items", .timeLimit(.minutes(1)))
struct ItemStoreTests {
    @Test(
        "An item is stored as it was given, with links, images and a job",
        arguments: House.all, [nil, TrainingOutcome.completed, .failed(.fixture)])
    func insert(on house: House, outcome: TrainingOutcome?) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let id = Identifier.timeOrdered(at: .second(5))
            let item = try await open.items.insert(
                NewPikzonality(
                    id: id, accountID: account, mode: .style,
                    details: PikzonalityDetails(name: Name(stored: "Paper Cuts"), specialInstructions: "Flat ☂ shapes"),
                    references: try open.pinnedImages(), outcome: outcome), at: .second(5))

            #expect(item.id == id && item.accountID == account && item.mode == .style)
            #expect(item.name.text == "Paper Cuts" && item.details.specialInstructions == "Flat ☂ shapes")
            #expect(item.createdAt == .second(5) && item.updatedAt == .second(5) && item.version == 1)
            #expect(item.referenceTokens.count == 3 && Set(item.referenceTokens).count == 3)
            switch outcome {
            case nil: #expect(item.status == .processing && item.progress == 0 && item.portraitToken == nil && item.error == nil)
            case .completed: #expect(item.status == .completed && item.progress == 100 && item.portraitToken != nil && item.error == nil)
            case .failed(let error):
                #expect(item.status == .failed && item.progress == 0 && item.portraitToken == nil && item.error == error)
            }
            #expect(try await open.items.find(id, mode: .style, accountID: account) == item)
            let expected = [
                "pikzonality": 1, "image_link": outcome == .completed ? 4 : 3, "media": 3, "media_removal": 0,
                "training_job": outcome == nil ? 1 : 0,
            ]
            #expect(try open.counts() == expected)
        }
    }

    @Test("What was written is read at once, on whichever connection", arguments: House.all)
    func readAfterWrite(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let account = try await open.account()
            try await withThrowingTaskGroup { group in
                for number in 0..<60 {
                    group.addTask {
                        let item = try await open.insert("Item \(number)", of: account)
                        let found = try await open.items.find(item.id, mode: nil, accountID: account)
                        #expect(found == item)
                        let changed = try await open.items.update(
                            item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: "now"), at: .second(1))
                        let foundChanged = try await open.items.find(item.id, mode: nil, accountID: account)
                        #expect(foundChanged == changed)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(
        "What a write returns is what every way of reading shows afterwards, byte for byte",
        arguments: House.all, [nil, TrainingOutcome.completed, .failed(TrainingError(code: .failed, message: "cafe\u{301}"))])
    func returned(on house: House, outcome: TrainingOutcome?) async throws {
        for mode in Mode.allCases { try await returned(on: house, outcome: outcome, mode: mode) }
    }

    private func returned(on house: House, outcome: TrainingOutcome?, mode: Mode) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let created = Timestamp(milliseconds: 1_795_000_000_123)
            var item = try await open.insert(
                "Nova 1", mode: mode, of: account, instructions: "\tcafe\u{301} 😀\r\n", outcome: outcome, at: created)
            try await expect(item, in: open)
            let changes: [(change: PikzonalityChange, time: Int64)] = [
                (PikzonalityChange(name: Name(stored: "NOVA 1")), 1_795_000_000_124),
                (PikzonalityChange(specialInstructions: "e\u{301}"), 1_795_000_000_999),
                (PikzonalityChange(specialInstructions: .some(nil)), -1),
                (PikzonalityChange(name: Name(stored: "Vega"), specialInstructions: "Warm"), 1_795_000_009_001),
            ]
            for (version, (change, time)) in changes.enumerated() {
                item = try await open.items.update(
                    item.id, mode: mode, accountID: account, change: change, at: Timestamp(milliseconds: time))
                #expect(item.version == version + 2)
                try await expect(item, in: open)
            }
            guard outcome == nil else { return }
            // A lease reads the item within its transaction.
            let leased = try await open.jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(0))
            #expect(leased.map { members($0.item) } == [members(item)])
        }
    }

    private func expect(_ item: Pikzonality, in open: OpenStorage) async throws {
        #expect(members(try await open.items.find(item.id, mode: item.mode, accountID: item.accountID)) == members(item))
        #expect(members(try await open.items.operatorItem(item.id).item.item) == members(item))
        let page = try await open.items.page(
            PikzonalityFilter(), sort: .newestFirst, after: nil, limit: 2, accountID: item.accountID)
        #expect(page.map(members) == [members(item)])
    }

    /// Every member of an item; as bytes, because texts are equal in whatever form Unicode writes them.
    private func members(_ item: Pikzonality) -> [UInt8] {
        var text = ""
        dump(item, to: &text)
        return Array(text.utf8)
    }

    @Test("An item of an account that is gone is refused and leaves nothing", arguments: House.all)
    func accountMissing(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            await #expect(throws: Failure.accountMissing) { try await open.insert("Nova", of: .random()) }
            #expect(try open.counts().values.allSatisfy { $0 == 0 })
        }
    }

    @Test("The operator sees the newest items of all accounts, with their accounts' names", arguments: House.all)
    func operatorViews(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            var items: [OperatorItem] = []
            for number in 0..<4 {
                let item = try await open.items.insert(
                    NewPikzonality(
                        id: .timeOrdered(at: .second(number)), accountID: number % 2 == 0 ? acme : zeta, mode: .persona,
                        details: PikzonalityDetails(name: Name(stored: "Item \(number)")), references: try open.pinnedImages()),
                    at: .second(number))
                items.insert(OperatorItem(item: item, accountName: number % 2 == 0 ? "acme" : "zeta"), at: 0)
            }
            #expect(try await open.items.operatorItems(PikzonalityFilter(), after: nil, limit: 3).rows == Array(items.prefix(3)))
            #expect(try await open.items.operatorItem(items[3].item.id).item == items[3])
            await #expect(throws: Failure.notFound) { try await open.items.operatorItem(.random()) }
        }
    }
}

@Suite("Names of items", .timeLimit(.minutes(1)))
struct ItemNameTests {
    @Test("A name is given once per account and mode, whatever the case of its letters", arguments: House.all)
    func uniqueness(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            let first = try await open.insert("Nova Reyes", of: acme)
            let before = try open.counts()
            for name in ["Nova Reyes", "nova reyes", "NOVA REYES"] {
                await #expect(throws: Failure.nameTaken(.persona, first.id)) { try await open.insert(name, of: acme) }
                #expect(try await open.items.availability(of: Name(stored: name), mode: .persona, accountID: acme) == .taken(first.id))
            }
            #expect(try open.counts() == before)
            #expect(try await open.items.availability(of: Name(stored: "nova reyes"), mode: .style, accountID: acme) == .free)
            #expect(try await open.items.availability(of: Name(stored: "nova reyes"), mode: .persona, accountID: zeta) == .free)
            let style = try await open.insert("nova reyes", mode: .style, of: acme)
            _ = try await open.insert("nova reyes", of: zeta)
            await #expect(throws: Failure.nameTaken(.style, style.id)) { try await open.insert("Nova REYES", mode: .style, of: acme) }
        }
    }

    @Test("Of fifty callers that take one name at once, one gets it and the others learn whose it is", arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house, readers: 4) { open in
            let account = try await open.account()
            let results = await withTaskGroup(of: Result<Pikzonality, Failure>.self) { group in
                for number in 0..<50 {
                    let name = number % 2 == 0 ? "Nova Reyes" : "NOVA reyes"
                    group.addTask { await result { () throws(Failure) in try await open.insert(name, of: account) } }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            let winners = results.compactMap { try? $0.get() }
            let winner = try #require(winners.first)
            #expect(winners.count == 1)
            #expect(results.filter { $0 == .failure(.nameTaken(.persona, winner.id)) }.count == 49)
            #expect(try open.counts() == ["pikzonality": 1, "image_link": 3, "media": 3, "media_removal": 0, "training_job": 1])
        }
    }

    @Test("A failed item keeps its name; a deleted one gives it back", arguments: House.all)
    func keptAndGivenBack(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let failed = try await open.insert("Nova", of: account, outcome: .failed(.fixture))
            await #expect(throws: Failure.nameTaken(.persona, failed.id)) { try await open.insert("nova", of: account) }
            _ = try await open.items.delete(failed.id, mode: nil, accountID: account, at: .second(1))
            _ = try await open.insert("nova", of: account)
        }
    }

    @Test("A reserved name is given to no item, in any case; an item that has it keeps it", arguments: House.all)
    func reserved(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let holder = try await open.insert("Admin", of: account)
            let other = try await open.insert("Other", of: account)
            try await open.storage.names.reserve([Name(stored: "ADMIN"), Name(stored: "root")], at: .second(0))

            for (name, mode) in [("Root", Mode.persona), ("ROOT", .style), ("admin", .style)] {
                #expect(try await open.items.availability(of: Name(stored: name), mode: mode, accountID: account) == .reserved)
                await #expect(throws: Failure.nameReserved) { try await open.insert(name, mode: mode, of: account) }
            }
            let rename = PikzonalityChange(name: Name(stored: "rOOt"))
            await #expect(throws: Failure.nameReserved) {
                try await open.items.update(other.id, mode: nil, accountID: account, change: rename, at: .second(1))
            }
            #expect(try await open.items.find(other.id, mode: nil, accountID: account) == other)

            let recased = try await open.items.update(
                holder.id, mode: nil, accountID: account, change: PikzonalityChange(name: Name(stored: "ADMIN")), at: .second(1))
            #expect(recased.name.text == "ADMIN")
            #expect(try await open.storage.names.release([Name(stored: "Root")]).map(\.key) == ["root"])
            _ = try await open.insert("Root", of: account)
        }
    }
}

@Suite("Changing and reaching items", .timeLimit(.minutes(1)))
struct ItemChangeTests {
    @Test("A change touches what it names and counts as one", arguments: House.all)
    func change(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, instructions: "Warm smile", at: .second(0))
            func update(_ change: PikzonalityChange, at second: Int) async throws -> Pikzonality {
                try await open.items.update(item.id, mode: .persona, accountID: account, change: change, at: .second(second))
            }
            let renamed = try await update(PikzonalityChange(name: Name(stored: "Vega")), at: 1)
            #expect(renamed.name.text == "Vega" && renamed.details.specialInstructions == "Warm smile")
            #expect(renamed.version == 2 && renamed.updatedAt == .second(1) && renamed.createdAt == item.createdAt)

            let instructed = try await update(PikzonalityChange(specialInstructions: "Dark hair"), at: 2)
            #expect(instructed.name.text == "Vega" && instructed.details.specialInstructions == "Dark hair" && instructed.version == 3)

            let cleared = try await update(PikzonalityChange(specialInstructions: .some(nil)), at: 3)
            #expect(cleared.details.specialInstructions == nil && cleared.name.text == "Vega" && cleared.version == 4)

            let both = try await update(PikzonalityChange(name: Name(stored: "Lyra"), specialInstructions: "Both"), at: 2)
            #expect(both.name.text == "Lyra" && both.details.specialInstructions == "Both" && both.version == 5)
            #expect(both.updatedAt == .second(3), "a clock that goes back does not take the item with it")
            #expect(both.referenceTokens == item.referenceTokens && both.status == item.status)
            #expect(try await open.items.find(item.id, mode: nil, accountID: account) == both)
        }
    }

    @Test(
        "A change that leaves everything as it was is none",
        arguments: House.all,
        [
            PikzonalityChange(), PikzonalityChange(name: Name(stored: "Nova")), PikzonalityChange(specialInstructions: "Warm smile"),
            PikzonalityChange(name: Name(stored: "Nova"), specialInstructions: "Warm smile"),
        ])
    func noChange(on house: House, change: PikzonalityChange) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, instructions: "Warm smile")
            #expect(try await open.items.update(item.id, mode: nil, accountID: account, change: change, at: .second(9)) == item)
            #expect(try await open.items.find(item.id, mode: nil, accountID: account) == item)
        }
    }

    @Test("An item may take its own name in other letters, but not another's", arguments: House.all)
    func rename(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account)
            let other = try await open.insert("Vega", of: account)
            _ = try await open.insert("Lyra", mode: .style, of: account)
            func rename(_ name: String) async throws -> Pikzonality {
                try await open.items.update(
                    item.id, mode: nil, accountID: account, change: PikzonalityChange(name: Name(stored: name)), at: .second(1))
            }
            #expect(try await rename("NOVA").name.text == "NOVA")
            await #expect(throws: Failure.nameTaken(.persona, other.id)) { try await rename("vEGA") }
            #expect(try await open.items.find(item.id, mode: nil, accountID: account).version == 2)
            #expect(try await rename("Lyra").name.text == "Lyra", "a style's name is free for a persona")
            #expect(try await open.items.availability(of: Name(stored: "nova"), mode: .persona, accountID: account) == .free)
        }
    }

    @Test("A name conflict tells of the caller's own item, whatever other account and other item has the name", arguments: House.all)
    func conflictNamesOwnItem(on house: House) async throws {
        try await withStorage(on: house) { open in
            // Identifiers at random, so that over the accounts each comes before and after another.
            var named: [(account: Identifier, taken: Identifier, other: Identifier)] = []
            for number in 0..<4 {
                let account = try await open.account("account \(number)")
                _ = try await open.insert("Nova", mode: .style, of: account)
                let taken = try await open.insert("Nova", of: account)
                named.append((account, taken.id, try await open.insert("Vega", of: account).id))
            }
            for (account, taken, other) in named {
                let change = PikzonalityChange(name: Name(stored: "nova"))
                await #expect(throws: Failure.nameTaken(.persona, taken)) {
                    try await open.items.update(other, mode: nil, accountID: account, change: change, at: .second(1))
                }
                await #expect(throws: Failure.nameTaken(.persona, taken)) { try await open.insert("NOVA", of: account) }
            }
        }
    }

    @Test("What belongs to another account or mode is not there, for any call, and stays as it is", arguments: House.all)
    func ownership(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            let item = try await open.insert("Nova", of: acme, outcome: .completed)
            let before = try open.counts()
            let change = PikzonalityChange(name: Name(stored: "Stolen"))
            for (id, mode, account) in [
                (item.id, nil, zeta), (item.id, Mode.persona, zeta), (item.id, .style, acme), (Identifier.random(), nil, acme),
            ] {
                await #expect(throws: Failure.notFound) { try await open.items.find(id, mode: mode, accountID: account) }
                await #expect(throws: Failure.notFound) {
                    try await open.items.update(id, mode: mode, accountID: account, change: change, at: .second(1))
                }
                await #expect(throws: Failure.notFound) { try await open.items.delete(id, mode: mode, accountID: account, at: .second(1)) }
            }
            #expect(try open.counts() == before)
            #expect(try await open.items.find(item.id, mode: .persona, accountID: acme) == item)
            let page = try await open.items.page(PikzonalityFilter(), sort: .name, after: nil, limit: 10, accountID: zeta)
            #expect(page == [])
            #expect(try await open.items.availability(of: item.name, mode: .persona, accountID: zeta) == .free)
        }
    }
}
