import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("What leaves the trash for good", .timeLimit(.minutes(2)))
struct PurgeTests {
    @Test("takes its images along but for those that another item needs, be that in the trash itself", arguments: House.all)
    func sharedBytes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await open.stored(1...4)
            let first = try await open.trained("First", of: account, images: Array(images[0...2]))
            let second = try await open.trained("Second", of: account, images: Array(images[1...3]))
            try await open.putAway(first)
            try await open.putAway(second)
            #expect(try await open.purge(first) == .persona)
            await #expect(throws: Failure.notFound) { try await open.purge(first) }
            await #expect(throws: Failure.notFound) { try await open.takeBack(first) }
            #expect(try await open.collector.collect() == 1)
            #expect(try open.count("media_removal") == 0)
            try await open.takeBack(second)
            for token in second.referenceTokens { _ = try await open.images.open(token) }
            try await open.putAway(second)
            try await open.purge(second)
            #expect(try await open.collector.collect() == 3)
            #expect(try open.imageFiles() == [])
            for table in ["trash_item", "trash_link", "revision", "training_job", "media", "pikzonality"] {
                #expect(try open.count(table) == 0, "\(table)")
            }
            #expect(try await sound(open))
        }
    }

    @Test("A deletion of another item leaves what is in the trash alone", arguments: House.all)
    func deletionBeside(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await open.stored(1...3)
            let (kept, deleted) = (
                try await open.trained("Kept", of: account, images: images), try await open.trained("Gone", of: account, images: images)
            )
            try await open.putAway(kept)
            _ = try await open.items.delete(deleted.id, mode: nil, accountID: account, at: .second(12))
            #expect(try await open.collector.collect() == 0)
            #expect(try await open.sweepAll() == 0)
            try await open.takeBack(kept)
            for token in kept.referenceTokens { _ = try await open.images.open(token) }
        }
    }

    @Test("happens by itself from its moment on, a few at a time, those first that should have gone first", arguments: House.all)
    func expiry(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let images = try await open.stored(1...3)
            for number in 0..<5 {
                let item = try await open.insert("Item \(number)", of: account, images: images, outcome: .completed)
                try await open.putAway(item, at: .second(number))
            }
            let end = Timestamp.second(2).adding(days: 30)
            #expect(try await open.trash.purgeExpired(at: .second(2), limit: 2) == 0)
            #expect(try await open.trash.purgeExpired(at: end, limit: 2) == 2)
            #expect(
                try await open.trash.page(mode: nil, after: nil, limit: 9, accountID: account).map(\.item.name.text) == [
                    "Item 4", "Item 3", "Item 2",
                ])
            #expect(try await open.trash.purgeExpired(at: end, limit: 2) == 1)
            #expect(try await open.trash.purgeExpired(at: end, limit: 2) == 0)
            let told = try await open.told(account).filter { $0.type == .item(.persona, .deleted) }
            #expect(told.count == 3 && told.allSatisfy { $0.requestID == nil && $0.at == end })
            #expect(try await sound(open))
        }
    }

    @Test("or with its account", arguments: House.all)
    func account(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let item = try await open.trained("Nova", of: account, images: try await open.stored(1...3))
            _ = try await open.items.update(
                item.id, mode: nil, accountID: account, change: PikzonalityChange(specialInstructions: "x"), at: .second(3))
            try await open.putAway(item)
            try await open.accounts.delete(accountNamed: "acme", at: .second(5))
            for table in ["trash_item", "trash_link", "trash_count", "stored_bytes", "revision", "training_job"] {
                #expect(try open.count(table) == 0, "\(table)")
            }
            #expect(try await open.collector.collect() == 3)
            #expect(try await sound(open))
        }
    }

    @Test(
        "Of a restore and a purge at once one happens, whatever takes bytes away meanwhile; what is there has all its images",
        arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            var wins = (restored: 0, purged: 0)
            for round in 0..<40 {
                let images = try await open.stored(UInt64(round * 10)...UInt64(round * 10 + 2))
                let item = try await open.trained("Item \(round)", of: account, images: images)
                try await open.putAway(item)
                async let restored = result { () throws(Failure) in try await open.takeBack(item) }
                async let collected = result { () throws(Failure) in try await open.collector.collect() }
                async let purged = result { () throws(Failure) in try await open.purge(item) }
                async let swept = result { () throws(Failure) in try await open.collector.sweep(UInt8(images[0].key.digest[0])) }
                let (isBack, isGone) = ((try? await restored.get()) != nil, (try? await purged.get()) != nil)
                _ = await (collected, swept)
                #expect(isBack != isGone)
                _ = try await open.collector.collect()
                if isBack {
                    wins.restored += 1
                    for token in item.referenceTokens + [try #require(item.portraitToken)] {
                        let image = try await open.images.open(token)
                        #expect(try await image.read(at: 0, count: image.image.byteCount).count == image.image.byteCount)
                    }
                } else {
                    wins.purged += 1
                    for image in images { #expect(!FileManager.default.fileExists(atPath: open.file(of: image))) }
                }
            }
            #expect(wins.restored + wins.purged == 40)
            #expect(try await sound(open))
        }
    }

    @Test(
        "A step that fails anywhere undoes all of its move", arguments: House.all,
        ["trash_link", "pikzonality", "event", "revision", "image_link"])
    func halfway(on house: House, table: String) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let tables = [
                "pikzonality", "image_link", "trash_item", "trash_link", "trash_count", "item_count", "stored_bytes", "event", "revision",
                "training_job", "metadata_entry",
            ]
            let item = try await open.trained("Nova", of: account, images: try await open.stored(1...3))
            let change = PikzonalityChange(name: Name(stored: "Nova 2"))
            for isInTrash in [false, true] {
                if isInTrash { try await open.putAway(item) }
                for operation in ["INSERT", "DELETE"] {
                    let before = try await open.rows(tables)
                    try await open.refuse(operation, on: table)
                    let outcome = await result { () throws(Failure) in
                        if isInTrash { try await open.takeBack(item, change) } else { _ = try await open.putAway(item).item }
                    }
                    if case .failure = outcome {
                        #expect(try await open.rows(tables) == before, "\(operation)")
                    } else {
                        // It does not touch the table in this way.
                        if isInTrash { try await open.allow(on: table) }
                        if isInTrash { return }
                        try await open.allow(on: table)
                        try await open.takeBack(item)
                        continue
                    }
                    try await open.allow(on: table)
                }
            }
            #expect(try await sound(open))
        }
    }
}
