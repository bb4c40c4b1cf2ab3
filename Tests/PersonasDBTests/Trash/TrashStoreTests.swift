import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The trash", .timeLimit(.minutes(2)))
struct TrashStoreTests {
    /// Every table that tells of an item outside the trash, or counts it.
    private static let tables = [
        "pikzonality", "image_link", "metadata_entry", "item_count", "name_document", "training_job", "stored_bytes", "media", "revision",
    ]

    @Test("What comes back is to the byte what went, and the images never leave", arguments: House.all)
    func thereAndBack(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            // PostgreSQL has an index of names and no table of them.
            let tables = Self.tables.filter { house == .sqlite || $0 != "name_document" }
            let images = try await open.stored(1...4)
            var item = try await open.trained("Nova", of: account, images: Array(images[0..<3]), portrait: images[3])
            item = try await open.items.update(
                item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: "others"), at: .second(3))
            let tokens = item.referenceTokens + [try #require(item.portraitToken)]
            let before = try await open.rows(tables)
            let (usage, files) = (try await open.items.usage(accountID: account), try open.imageFiles())

            let trashed = try await open.putAway(item)
            #expect(trashed == TrashedItem(item: item, trashedAt: .second(10), purgeAt: .second(10).adding(days: 30)))
            for token in tokens {
                await #expect(throws: Failure.notFound) { try await open.images.open(token) }
                if house == .sqlite { #expect(throws: Failure.notFound) { try open.index.imageNow(token) } }
            }
            await #expect(throws: Failure.notFound) { try await open.items.find(item.id, mode: nil, accountID: account) }
            await #expect(throws: Failure.notFound) { try await open.putAway(item) }
            #expect(try await open.items.usage(accountID: account) == usage)
            var counts = try await open.items.counts(accountID: account)
            #expect(counts[.persona, .completed] == 0 && counts.trash == [.persona: 1] && counts.total == 1)
            #expect(try await open.storage.usage.contents().trash == [.persona: 1, .style: 0])
            #expect(try await open.collector.collect() == 0)
            #expect(try await open.sweepAll() == 0)
            #expect(try open.imageFiles() == files)
            #expect(try await sound(open))
            let shown = try await open.items.operatorItem(item.id)
            #expect(shown.trashed == trashed && shown.job != nil && shown.portrait == images[3] && shown.references == Array(images[0..<3]))

            #expect(try await open.takeBack(item) == item)
            #expect(try await open.rows(tables.filter { $0 != "name_document" }) == before.filter { $0.key != "name_document" })
            for token in tokens { _ = try await open.images.open(token) }
            #expect(try await open.items.operatorItem(item.id).trashed == nil)
            #expect(try await open.items.operatorItem(item.id).job != nil)
            counts = try await open.items.counts(accountID: account)
            #expect(counts[.persona, .completed] == 1 && counts.trash == [.persona: 0])
            for table in ["trash_item", "trash_link"] { #expect(try open.count(table) == 0) }
            #expect(
                try await open.items.page(PikzonalityFilter(search: "OVA"), sort: .name, after: nil, limit: 2, accountID: account) == [item]
            )
            #expect(try await sound(open))
        }
    }

    @Test("Each step is told, without links where they are dead, and nothing but that it was there of what is gone", arguments: House.all)
    func events(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.trained("Nova", of: account, images: try await open.stored(1...3))
            try await open.putAway(item)
            try await open.takeBack(item)
            try await open.putAway(item, at: .second(25))
            let told = try await open.told(account)
            #expect(told.map(\.type.text).suffix(3) == ["persona.trashed", "persona.restored", "persona.trashed"])
            #expect(told.suffix(3).map(\.subject) == [.item(item.withoutLinks), .item(item), .item(item.withoutLinks)])
            #expect(told.suffix(3).map(\.requestID) == ["put", "restore", "put"])
            #expect(told.suffix(3).allSatisfy { $0.changed == ["portrait_url", "reference"] })
            try await open.purge(item)
            let rest = try await open.told(account)
            #expect(rest.map(\.sequence) == Array(1...Int64(rest.count)) && rest.last?.type == .item(.persona, .deleted))
            #expect(rest.allSatisfy { $0.subject == .gone(item.id, .persona) })
        }
    }

    @Test("Only what has settled goes into the trash, only its owner's, and only as it was seen", arguments: House.all)
    func refusals(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            let item = try await open.insert("Nova", mode: .style, of: account)
            let before = try await open.rows(Self.tables + ["event", "trash_item"])
            await #expect(throws: Failure.stillProcessing(.style)) { try await open.putAway(item) }
            let context = WriteContext<TrashedItem>(at: .second(1))
            await #expect(throws: Failure.notFound) {
                try await open.trash.put(item.id, mode: .persona, accountID: account, if: .none, in: context)
            }
            await #expect(throws: Failure.notFound) {
                try await open.trash.put(item.id, mode: nil, accountID: other, if: .none, in: context)
            }
            #expect(try await open.rows(Self.tables + ["event", "trash_item"]) == before)
            let failed = try await open.insert("Other", of: account, outcome: .failed(.fixture))
            let stale = Precondition(demanding: .only([failed.version + 1]))
            await #expect(throws: Failure.preconditionFailed(.match)) { try await open.putAway(failed, if: stale) }
            try await open.putAway(failed)
            await #expect(throws: Failure.preconditionFailed(.match)) { try await open.takeBack(failed, if: stale) }
            await #expect(throws: Failure.preconditionFailed(.match)) { try await open.purge(failed, if: stale) }
            await #expect(throws: Failure.notFound) {
                try await open.trash.restore(
                    failed.id, accountID: other, change: PikzonalityChange(), if: .none, in: WriteContext(at: .second(2)))
            }
            await #expect(throws: Failure.notFound) {
                try await open.trash.purge(failed.id, accountID: other, if: .none, in: WriteContext(at: .second(2)))
            }
            #expect(try await open.takeBack(failed, if: Precondition(demanding: .only([failed.version]))) == failed)
        }
    }

    @Test(
        "A name or an id that is taken meanwhile stands in the way, and another one is given by the rules of a create", arguments: House.all
    )
    func conflicts(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await open.stored(1...3)
            let item = try await open.trained("Nova", of: account, images: images)
            try await open.putAway(item)
            let taker = try await open.insert("NOVA", of: account, images: images, externalID: "own-Nova", outcome: .completed)
            try await open.storage.names.reserve([Name(stored: "Chief")], at: .second(1))
            let before = try await open.rows(Self.tables + ["event", "trash_item", "trash_link"])
            await #expect(throws: Failure.nameTaken(.persona, taker.id)) { try await open.takeBack(item) }
            let renamed = PikzonalityChange(name: Name(stored: "Nova 2"))
            await #expect(throws: Failure.externalIDTaken(.persona, taker.id)) { try await open.takeBack(item, renamed) }
            let reserved = PikzonalityChange(name: Name(stored: "chief"), externalID: .some(nil))
            await #expect(throws: Failure.nameReserved) { try await open.takeBack(item, reserved) }
            #expect(try await open.rows(Self.tables + ["event", "trash_item", "trash_link"]) == before)

            let restored = try await open.takeBack(item, PikzonalityChange(name: Name(stored: "Nova 2"), externalID: .some(nil)))
            #expect(restored.name.text == "Nova 2" && restored.details.externalID == nil && restored.version == item.version + 1)
            #expect(restored.updatedAt == .second(20) && restored.createdAt == item.createdAt)
            let states = try await open.storage.revisions.revisions(of: item.id, mode: nil, accountID: account, before: nil, limit: 9)
            #expect(states.map(\.details) == [restored.details, item.details] && states.map(\.number) == [2, 1])
            #expect(states.map(\.requestID) == ["restore", nil] && states.map(\.changedAt) == [.second(20), item.createdAt])
            #expect(try await sound(open))
        }
    }

    @Test("A quota never stands in the way of a restore, and what is in the trash counts", arguments: House.all)
    func quotas(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.trained("Nova", of: account, images: try await open.stored(1...3))
            try await open.putAway(item)
            _ = try await open.accounts.change(QuotaChange(items: .max(1), storedBytes: .max(1)), accountNamed: "acme")
            let failure = await result { () throws(Failure) in try await open.insert("Other", of: account) }
            guard case .failure(.quotaExceeded) = failure else {
                Issue.record("\(failure)")
                return
            }
            _ = try await open.accounts.change(QuotaChange(items: .max(0)), accountNamed: "acme")
            try await open.takeBack(item)
            try await open.putAway(item)
            try await open.purge(item)
            let usage = try await open.items.usage(accountID: account)
            #expect(usage.items == 0 && usage.storedBytes == 0)
        }
    }

    @Test(
        "The list is the newest first, of one mode or both, and each item stands in it once however it is cut into pages",
        arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (account, other) = (try await open.account(), try await open.account("other"))
            var expected: [Identifier] = []
            for number in 0..<9 {
                let mode: Mode = number % 3 == 0 ? .style : .persona
                let item = try await open.insert("Item \(number)", mode: mode, of: account, outcome: .completed)
                // Several of one moment, whose order is that of their ids.
                try await open.putAway(item, at: .second(100 + number / 2))
                expected.append(item.id)
            }
            try await open.putAway(try await open.insert("Strange", of: other, outcome: .completed), at: .second(102))
            let all = try await open.trash.page(mode: nil, after: nil, limit: 100, accountID: account)
            #expect(Set(all.map(\.item.id)) == Set(expected))
            #expect(zip(all, all.dropFirst()).allSatisfy { ($0.trashedAt, $0.item.id) > ($1.trashedAt, $1.item.id) })
            for mode in [nil, Mode.persona, .style] {
                var (found, place): ([TrashedItem], TrashPlace?) = ([], nil)
                while true {
                    let page = try await open.trash.page(mode: mode, after: place, limit: 2, accountID: account)
                    found += page
                    guard let last = page.last, page.count == 2 else { break }
                    place = TrashPlace(last)
                }
                #expect(found == all.filter { mode == nil || $0.item.mode == mode })
            }
            var page = try await open.trash.operatorItems(mode: nil, after: nil, limit: 6, accountID: nil)
            #expect(page.rows.contains { $0.accountName == "other" } && page.rows.count == 6)
            page = try await open.trash.operatorItems(mode: nil, after: page.next, limit: 6, accountID: nil)
            #expect(page.rows.count == 4 && page.next == nil)
            let own = try await open.trash.operatorItems(mode: .style, after: nil, limit: 6, accountID: account)
            #expect(own.rows.map(\.trashed) == all.filter { $0.item.mode == .style })
        }
    }
}
