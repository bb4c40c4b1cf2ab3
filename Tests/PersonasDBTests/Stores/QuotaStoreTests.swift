import Foundation
import GRDB
import Personas
import TestImages
import TestSupport
import Testing

@testable import PersonasDB

/// What accounts may have, and what is counted for them.
@Suite("Quotas in the store", .timeLimit(.minutes(1)))
struct QuotaStoreTests {
    /// Bytes of three images of which there are no files.
    private static let bytes = StoredImage.three.reduce(0) { $0 + $1.byteCount }

    private func findings(_ open: OpenStorage, isRepairing: Bool = false) async throws -> [Finding] {
        try await open.storage.integrity.check(repairingWith: isRepairing ? open.collector : nil, at: .now) { _ in }.findings
            .filter { $0.kind == .countsDisagree }
    }

    @Test("A hundred creates at once against a quota of ten make ten items, and leave nothing of the others", arguments: House.all)
    func race(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            _ = try await open.accounts.change(QuotaChange(items: .max(10)), accountNamed: "acme")
            let failures = await withTaskGroup(of: Failure?.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        do throws(Failure) {
                            _ = try await open.insert("Item \(number)", of: account)
                            return nil
                        } catch {
                            return error
                        }
                    }
                }
                return await group.reduce(into: [Failure]()) { failures, failure in if let failure { failures.append(failure) } }
            }
            #expect(failures == Array(repeating: .quotaExceeded([QuotaExcess(.items, limit: 10, used: 10)]), count: 90))
            #expect(try open.counts() == ["pikzonality": 10, "image_link": 30, "media": 3, "media_removal": 0, "training_job": 10])
            #expect(try await open.items.counts(accountID: account).total == 10)
            #expect(try await findings(open).isEmpty)
        }
    }

    @Test("Bytes count for each item, equal images as well, and are free at once when the item goes", arguments: House.all)
    func bytes(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let (account, other) = (try await open.account(), try await open.account("other"))
            func usage() async throws -> AccountUsage {
                let usage = try await open.items.usage(accountID: account)
                #expect(try open.items.usageNow(accountID: account) == house.atOnce(usage))
                return usage
            }
            #expect(try await usage() == AccountUsage())
            let max = 2 * Self.bytes
            _ = try await open.accounts.change(QuotaChange(storedBytes: .max(max)), accountNamed: "acme")
            let first = try await open.insert("First", of: account, outcome: .completed)
            _ = try await open.insert("Second", mode: .style, of: account)
            _ = try await open.insert("First", of: other, outcome: .completed)
            let quota = AccountQuota(storedBytesMax: max)
            #expect(try await usage() == AccountUsage(quota: quota, items: 2, storedBytes: max))
            let excess = QuotaExcess(.storedBytes, limit: max, used: max, added: Self.bytes)
            await #expect(throws: Failure.quotaExceeded([excess])) { try await open.insert("Third", of: account) }
            // The name comes before the quota.
            await #expect(throws: Failure.nameTaken(.persona, first.id)) { try await open.insert("FIRST", of: account) }
            let change = PikzonalityChange(specialInstructions: "Bold")
            _ = try await open.items.update(first.id, mode: nil, accountID: account, change: change, at: .second(1))
            _ = try await open.items.delete(first.id, mode: nil, accountID: account, at: .second(2))
            #expect(try await usage() == AccountUsage(quota: quota, items: 1, storedBytes: Self.bytes))
            _ = try await open.insert("Third", of: account)
            #expect(try await usage().storedBytes == max)
            #expect(try await open.items.usage(accountID: other) == AccountUsage(items: 1, storedBytes: Self.bytes))
            #expect(try await findings(open).isEmpty)
            try await open.accounts.delete(accountNamed: "acme", in: WriteContext(at: .second(3)))
            #expect(try await usage() == AccountUsage())
            #expect(try open.count("stored_bytes") == 1)
            #expect(try await findings(open).isEmpty)
        }
    }

    @Test("A portrait of a trainer's own does not count, nor does it fail for a quota", arguments: House.all)
    func portraits(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            _ = try await open.accounts.change(QuotaChange(items: .max(1), storedBytes: .max(Self.bytes)), accountNamed: "acme")
            let item = try await open.insert("Nova", of: account)
            let policy = LeasePolicy(seconds: 30, attemptsMax: 3)
            let job = try #require(try await open.jobs.lease(limit: 1, policy: policy, at: .second(1)).first)
            try await open.jobs.complete(job.id, token: job.leaseToken, portrait: try open.image(99), at: .second(2))
            #expect(try await open.items.usage(accountID: account).storedBytes == Self.bytes)
            #expect(try await findings(open).isEmpty)
            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(3))
            #expect(try await open.items.usage(accountID: account).storedBytes == 0)
        }
    }

    @Test(
        "Each bound is changed and taken away by itself, may be less than what is there, and is another account's for nobody",
        arguments: House.all)
    func changes(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let other = try await open.account("other")
            for number in 0..<3 { _ = try await open.insert("Item \(number)", of: account) }
            func quota(after change: QuotaChange) async throws -> AccountQuota {
                #expect(try await open.accounts.change(change, accountNamed: "acme").id == account)
                return try await open.items.usage(accountID: account).quota
            }
            #expect(try await quota(after: QuotaChange(items: .max(2))) == AccountQuota(itemsMax: 2))
            #expect(try await quota(after: QuotaChange(storedBytes: .max(0))) == AccountQuota(itemsMax: 2, storedBytesMax: 0))
            #expect(try open.count("pikzonality") == 3)
            let both = [QuotaExcess(.items, limit: 2, used: 3), .init(.storedBytes, limit: 0, used: 3 * Self.bytes, added: Self.bytes)]
            await #expect(throws: Failure.quotaExceeded(both)) { try await open.insert("More", of: account) }
            #expect(try await quota(after: QuotaChange(items: QuotaChange.Bound.none)) == AccountQuota(storedBytesMax: 0))
            #expect(try await quota(after: QuotaChange(storedBytes: QuotaChange.Bound.none)) == .none)
            _ = try await open.insert("More", of: account)
            #expect(try await open.items.usage(accountID: other).quota == .none)
            await #expect(throws: Failure.notFound) { try await open.accounts.change(QuotaChange(items: .max(1)), accountNamed: "nope") }
        }
    }

    @Test("Bytes that are counted wrongly are findings, which repair counts anew", arguments: House.all)
    func check(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let item = try await open.insert("Nova", of: account, outcome: .completed)
            let damages = [
                "UPDATE stored_bytes SET count = count + 1", "UPDATE stored_bytes SET count = -5", "DELETE FROM stored_bytes",
            ]
            for damage in damages {
                try await open.execute(damage)
                for isRepairing in [false, true] {
                    let found = try await findings(open, isRepairing: isRepairing)
                    #expect(found.map(\.subject) == [account.text] && found.map(\.repaired) == [isRepairing], "\(damage)")
                    #expect(found.allSatisfy { $0.detail.hasSuffix("bytes, and have \(Self.bytes)") }, "\(found)")
                }
                #expect(try await open.items.usage(accountID: account).storedBytes == Self.bytes, "\(damage)")
                #expect(try await findings(open).isEmpty, "\(damage)")
            }
            // What is damaged elsewhere is not taken for a wrong count.
            try await open.execute("DELETE FROM image_link WHERE position = 1")
            #expect(try await findings(open).isEmpty)
            _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .second(1))
        }
    }

    @Test("The migration counts what is there in rounds, and anew after a process that ended between them", arguments: [1, 3, 1_000])
    func filled(atMost count: Int) async throws {
        try await withStorage(migrated: false) { open async throws in
            func migrator(_ migrations: [Migration]) -> Migrator {
                Migrator(writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: migrations)
            }
            let earlier = Array(Migration.all.prefix { $0.name < "v0010" })
            let migration = try #require(Migration.all.first { $0.name == "v0010_quotas" })
            _ = try await migrator(earlier).migrate()
            let accounts = [try await open.account("a"), try await open.account("b"), try await open.account("empty")]
            for number in 0..<10 { try await insert(number, of: accounts[number % 4 == 3 ? 1 : 0], open) }
            // A process that ends after its first round, which has counted something.
            let round = StoredBytes.fill(atMost: count)
            let dying: Migration.Round = { db, last in
                guard last == nil else { throw Failure.unexpected("killed") }
                return try round(db, nil)
            }
            let broken = Migration(name: migration.name, sql: migration.sql, rounds: [dying])
            await #expect(throws: Failure.self) { try await migrator(earlier + [broken]).migrate() }
            #expect(try open.count("stored_bytes", where: "count > 0") > 0)
            let whole = Migration(name: migration.name, sql: migration.sql, rounds: [round])
            #expect(try await migrator(earlier + [whole]).migrate() == [migration.name])
            _ = try await open.storage.migrate()
            let usages = [try await open.items.usage(accountID: accounts[0]), try await open.items.usage(accountID: accounts[1])]
            #expect(usages.map(\.items) == [8, 2] && usages.map(\.storedBytes) == [8 * Self.bytes, 2 * Self.bytes])
            #expect(try await open.items.usage(accountID: accounts[2]) == AccountUsage())
            #expect(try await findings(open).isEmpty)
        }
    }

    /// An item as versions before wrote it, with three images and a portrait.
    private func insert(_ number: Int, of account: Identifier, _ open: OpenStorage) async throws {
        let id = Identifier.timeOrdered(at: .second(number))
        try await open.index.writer.writeDirectly { db in
            try db.execute(
                sql: """
                    INSERT INTO pikzonality (id, account_id, mode, name, name_key, status, progress, special_instructions, reference_tokens,
                        portrait_token, created_at, updated_at, version)
                    VALUES (?, ?, 'persona', ?, ?, 'completed', 100, NULL, randomblob(48), randomblob(16), 1, 1, 1)
                    """, arguments: [id.data, account.data, "Item \(number)", "item \(number)"])
            for (position, image) in ([StoredImage.three[0]] + StoredImage.three).enumerated() {
                try ImageLinks.insert(
                    image, token: .random(), position: position - 1, itemID: id, SQLiteTransaction(database: db, events: nil))
            }
        }
    }
}
