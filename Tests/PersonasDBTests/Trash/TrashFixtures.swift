import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

/// Calls that no key came with.
extension OpenStorage {
    var trash: any TrashStore { storage.trash }

    @discardableResult
    func putAway(_ item: Pikzonality, if precondition: Precondition = .none, at now: Timestamp = .second(10)) async throws(Failure)
        -> TrashedItem
    {
        try await trash.put(item.id, mode: nil, accountID: item.accountID, if: precondition, in: WriteContext(at: now, requestID: "put"))
    }

    @discardableResult
    func takeBack(
        _ item: Pikzonality, _ change: PikzonalityChange = PikzonalityChange(), if precondition: Precondition = .none,
        at now: Timestamp = .second(20)
    ) async throws(Failure) -> Pikzonality {
        try await trash.restore(
            item.id, accountID: item.accountID, change: change, if: precondition, in: WriteContext(at: now, requestID: "restore"))
    }

    @discardableResult
    func purge(_ item: Pikzonality, if precondition: Precondition = .none, at now: Timestamp = .second(30)) async throws(Failure) -> Mode {
        try await trash.purge(item.id, accountID: item.accountID, if: precondition, in: WriteContext(at: now, requestID: "purge"))
    }

    /// Stores images with their files.
    func stored(_ seeds: ClosedRange<UInt64>) async throws -> [StoredImage] {
        var images: [StoredImage] = []
        for seed in seeds { images.append(try await store(try .fixture(seed))) }
        unpin(images)
        return images
    }

    /// Stores an item and completes its training, with a portrait of its own.
    func trained(_ name: String, of account: Identifier, images: [StoredImage], portrait: StoredImage? = nil) async throws -> Pikzonality {
        let item = try await insert(
            name, of: account, images: images, instructions: "words", externalID: "own-\(name)", metadata: ["a": "1", "b": name])
        let job = try #require(try await jobs.lease(limit: 1, policy: LeasePolicy(), at: .second(1)).first)
        try await jobs.complete(job.id, token: job.leaseToken, portrait: portrait, at: .second(2))
        return try await items.find(item.id, mode: nil, accountID: account)
    }

    /// All rows of tables, as they are to the byte.
    func rows(_ tables: [String]) async throws -> [String: [String]] {
        if let database {
            var rows: [String: [String]] = [:]
            // It has an index of names, and no table of them.
            for table in tables where table != "name_document" {
                rows[table] = try database.run("SELECT * FROM \(table)").split(separator: "\n").map(String.init).sorted()
            }
            return rows
        }
        return try await index.writer.writeDirectly { db in
            var rows: [String: [String]] = [:]
            for table in tables { rows[table] = try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { "\($0)" }.sorted() }
            return rows
        }
    }

    /// What was told of items, in its order.
    func told(_ account: Identifier) async throws -> [Event] {
        try await storage.events.events(EventFilter(), after: 0, limit: 1_000, accountID: account).events
    }
}
