import Foundation
import Personas
import Testing

@testable import PersonasDB

/// The ids and labels that clients' own programs give items.
@Suite("Names of the client's own", .timeLimit(.minutes(1)))
struct OwnNamesTests {
    @Test("What is stored of them is read on every way, whatever the labels say", arguments: House.all)
    func stored(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let labels = [
                "a": "", "A": "1", "with.dots-and_more": "\0\u{1b}[31m\"\\\n", "z": String(repeating: "🙂", count: 500), "x": "e\u{301}",
            ]
            let item = try await open.insert("Nova", of: account, externalID: "order/7?x=\"1\"", metadata: labels, outcome: .completed)
            let plain = try await open.insert("Vega", of: account, outcome: .completed)
            #expect(Dictionary(uniqueKeysWithValues: item.details.metadata.members.map { ($0.key, $0.value) }) == labels)
            for expected in [item, plain] {
                #expect(try await open.items.find(expected.id, mode: nil, accountID: account) == expected)
                #expect(try open.items.findNow(expected.id, mode: nil, accountID: account) == house.atOnce(expected))
                #expect(try await open.items.operatorItem(expected.id).item.item == expected)
            }
            #expect(plain.details.externalID == nil && plain.details.metadata == .none)
            #expect(try open.count("pikzonality", where: "metadata IS NULL AND external_id IS NULL") == 1)
            #expect(try open.count("metadata_entry") == labels.count, "an item without labels has no entry")
            #expect(try await page(open, PikzonalityFilter(), account).sorted { $0.name.text < $1.name.text } == [item, plain])
        }
    }

    @Test("An id is unique per account and mode, by its bytes; a name that is taken is told first", arguments: House.all)
    func unique(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            let first = try await open.insert("Nova", of: acme, externalID: "abc")
            await #expect(throws: Failure.externalIDTaken(.persona, first.id)) {
                try await open.insert("Vega", of: acme, externalID: "abc")
            }
            await #expect(throws: Failure.nameTaken(.persona, first.id)) { try await open.insert("nova", of: acme, externalID: "abc") }
            let others = [
                try await open.insert("Vega", of: acme, externalID: "ABC"),
                try await open.insert("Nova", mode: .style, of: acme, externalID: "abc"),
                try await open.insert("Nova", of: zeta, externalID: "abc"),
            ]
            await #expect(throws: Failure.externalIDTaken(.style, others[1].id)) {
                try await open.insert("Vega", mode: .style, of: acme, externalID: "abc")
            }
            func availability(_ name: String?, _ id: String?) async throws -> NameAvailability {
                try await open.items.availability(
                    of: name.map { Name(stored: $0) }, externalID: id, mode: .persona, accountID: acme)
            }
            #expect(try await availability("Lyra", "abc") == .externalIDTaken(first.id))
            #expect(try await availability("NOVA", "abc") == .taken(first.id))
            #expect(try await availability("Lyra", "abcd") == .free)
            #expect(try await availability("Lyra", nil) == .free)
            #expect(try await availability(nil, "abc") == .externalIDTaken(first.id))
            #expect(try await availability(nil, "abcd") == .free)
            #expect(try open.count("pikzonality") == 4)
        }
    }

    @Test("Of fifty creates of one id at once one is made, and all others name it", arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let results = await withTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        await result { () throws(Failure) in try await open.insert("Item \(number)", of: account, externalID: "one") }
                    }
                }
                return await group.reduce(into: [Result<Pikzonality, Failure>]()) { $0.append($1) }
            }
            let winner = try #require(results.compactMap { try? $0.get() }.first)
            #expect(results.count { $0 == .failure(.externalIDTaken(.persona, winner.id)) } == 49)
            #expect(try open.count("pikzonality") == 1)
        }
    }

    @Test(
        "A change sets and clears the id; one that another item has is refused, and a change of something else is not", arguments: House.all
    )
    func changeOfID(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let other = try await open.insert("Vega", of: account, externalID: "taken")
            let item = try await open.insert("Nova", of: account, externalID: "own", outcome: .completed)
            func change(_ change: PikzonalityChange) async throws(Failure) -> Pikzonality {
                try await open.items.update(item.id, mode: nil, accountID: account, change: change, at: .second(1))
            }
            await #expect(throws: Failure.externalIDTaken(.persona, other.id)) { try await change(PikzonalityChange(externalID: "taken")) }
            await #expect(throws: Failure.nameTaken(.persona, other.id)) {
                try await change(PikzonalityChange(name: Name(stored: "vega"), externalID: "taken"))
            }
            #expect(try await open.items.find(item.id, mode: nil, accountID: account) == item, "what is refused changes nothing")
            #expect(try await change(PikzonalityChange(externalID: "own")) == item)
            let renamed = try await change(PikzonalityChange(name: Name(stored: "Lyra")))
            #expect(renamed.details.externalID == "own" && renamed.version == 2)
            let cleared = try await change(PikzonalityChange(externalID: .some(nil)))
            #expect(cleared.details.externalID == nil && cleared.version == 3)
            _ = try await open.insert("Nova", of: account, externalID: "own")
        }
    }

    @Test(
        "A change of labels merges, clears and bounds what there is in the end; one that leaves them as they are is none",
        arguments: House.all)
    func changeOfLabels(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, metadata: ["a": "1", "b": "2"])
            func change(_ change: MetadataChange) async throws(Failure) -> Pikzonality {
                try await open.items.update(
                    item.id, mode: nil, accountID: account, change: PikzonalityChange(metadata: change), at: .second(1))
            }
            for same in [MetadataChange.merge([:]), .merge(["a": "1"]), .merge(["c": nil])] { #expect(try await change(same) == item) }
            let merged = try await change(.merge(["b": nil, "a": "3", "c": "4"]))
            #expect(merged.details.metadata == .fixture(["a": "3", "c": "4"]) && merged.version == 2)
            #expect(merged.updatedAt == .second(1))
            let full = try await change(.merge(Dictionary(uniqueKeysWithValues: (0..<14).map { ("k\($0)", "v") })))
            #expect(full.details.metadata.members.count == 16)
            await #expect(throws: Failure.invalid([Violation(.metadata, "must have at most 16 members")])) {
                try await change(.merge(["one-more": ""]))
            }
            #expect(try await open.items.find(item.id, mode: nil, accountID: account) == full)
            #expect(try await change(.merge(["one-more": "", "a": nil])).details.metadata.members.count == 16)
            #expect(try open.count("metadata_entry") == 16)
            #expect(try await change(.clear).details.metadata == .none)
            #expect(try open.count("metadata_entry") == 0)
        }
    }

    @Test("What lists find labelled items by follows every change, and goes with the item and with the account", arguments: House.all)
    func entries(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            func found(_ key: String, _ value: String, _ sort: PikzonalitySort = .name) async throws -> [String] {
                try await page(open, PikzonalityFilter(metadata: [MetadataMember(key: key, value: value)]), account, sort).map(\.name.text)
            }
            for name in ["B", "A", "C"] { _ = try await open.insert(name, of: account, metadata: ["k": "v"], outcome: .completed) }
            #expect(try await found("k", "v") == ["A", "B", "C"])
            let all = try await page(open, PikzonalityFilter(), account, .name)
            _ = try await open.items.update(
                all[0].id, mode: nil, accountID: account, change: PikzonalityChange(name: Name(stored: "Z")), at: .second(1))
            #expect(try await found("k", "v") == ["B", "C", "Z"])
            _ = try await open.items.update(
                all[1].id, mode: nil, accountID: account,
                change: PikzonalityChange(name: Name(stored: "Y"), metadata: .merge(["k": "w", "l": "v"])), at: .second(1))
            #expect(try await found("k", "v") == ["C", "Z"])
            #expect(try await found("k", "w") == ["Y"])
            #expect(try await found("l", "v") == ["Y"])
            _ = try await open.items.delete(all[2].id, mode: nil, accountID: account, at: .second(1))
            #expect(try await found("k", "v") == ["Z"])
            #expect(try open.count("metadata_entry") == 3)
            let report = try await open.storage.integrity.check(repairingWith: nil, at: .second(0)) { _ in }
            #expect(report.findings.filter { $0.kind == .metadataDisagrees || $0.kind == .countsDisagree } == [])
            try await open.accounts.delete(accountNamed: "acme", at: .second(2))
            #expect(try open.count("metadata_entry") == 0)
            #expect(try open.count("item_count") == 0)
        }
    }

    @Test("Labels that look alike are not the same, and no account or mode finds what another has", arguments: House.all)
    func tags(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (acme, zeta) = (try await open.account("acme"), try await open.account("zeta"))
            _ = try await open.insert("One", of: acme, metadata: ["a": "b=c", "k": "é"])
            _ = try await open.insert("Two", mode: .style, of: acme, metadata: ["k": "v"])
            for (key, value, mode, account) in [
                ("a", "b", nil, acme), ("a", "b=", nil, acme), ("A", "b=c", nil, acme), ("k", "e\u{301}", nil, acme),
                ("k", "v", .persona, acme), ("k", "v", nil, zeta), ("a", "b=c", nil, zeta),
            ] as [(String, String, Mode?, Identifier)] {
                let filter = PikzonalityFilter(mode: mode, metadata: [MetadataMember(key: key, value: value)])
                #expect(try await page(open, filter, account) == [], "\(key)=\(value)")
            }
            let filter = PikzonalityFilter(metadata: [MetadataMember(key: "k", value: "v")])
            #expect(try await page(open, filter, acme).map(\.name.text) == ["Two"])
        }
    }

    @Test(
        "How many items there are is known of every mode and status after every change, and of each account by itself", arguments: House.all
    )
    func counts(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account("acme"), try await open.account("zeta"))
            func expect(_ expected: [(Mode, Status, Int)], _ comment: Comment) async throws {
                var counts = ItemCounts()
                for (mode, status, count) in expected { counts[mode, status] = count }
                let kept = try await open.items.counts(accountID: account)
                for mode in Mode.allCases {
                    for status in Status.allCases { #expect(kept[mode, status] == counts[mode, status], comment) }
                }
                #expect(try open.items.countsNow(accountID: account) == house.atOnce(kept))
            }
            try await expect([], "nothing")
            let nova = try await open.insert("Nova", of: account)
            _ = try await open.insert("Vega", of: account)
            let paper = try await open.insert("Paper", mode: .style, of: account, outcome: .completed)
            _ = try await open.insert("Lyra", of: other, outcome: .failed(.fixture))
            try await expect([(.persona, .processing, 2), (.style, .completed, 1)], "created")
            _ = await result { () throws(Failure) in try await open.insert("nova", of: account) }
            try await expect([(.persona, .processing, 2), (.style, .completed, 1)], "what is refused is not counted")
            let leased = try await open.jobs.lease(limit: 2, policy: LeasePolicy(), at: .second(1))
            let (first, second) = (try #require(leased.first), try #require(leased.last))
            _ = try await open.jobs.heartbeat(first.id, token: first.leaseToken, progress: 50, policy: LeasePolicy(), at: .second(1))
            try await expect([(.persona, .processing, 2), (.style, .completed, 1)], "on its way")
            try await open.jobs.complete(first.id, token: first.leaseToken, portrait: nil, at: .second(2))
            try await open.jobs.fail(
                second.id, token: second.leaseToken, error: .fixture, retryable: false, policy: LeasePolicy(), at: .second(2))
            try await expect([(.persona, .completed, 1), (.persona, .failed, 1), (.style, .completed, 1)], "trained")
            for id in [nova.id, paper.id] { _ = try await open.items.delete(id, mode: nil, accountID: account, at: .second(3)) }
            let left: Status = first.item.id == nova.id ? .failed : .completed
            try await expect([(.persona, left, 1)], "deleted")
            try await open.accounts.delete(accountNamed: "acme", at: .second(4))
            try await expect([], "gone")
            #expect(try await open.items.counts(accountID: other)[.persona, .failed] == 1)
        }
    }

    private func page(
        _ open: OpenStorage, _ filter: PikzonalityFilter, _ account: Identifier, _ sort: PikzonalitySort = .newestFirst
    ) async throws -> [Pikzonality] {
        try await open.items.page(filter, sort: sort, after: nil, limit: 50, accountID: account)
    }
}
