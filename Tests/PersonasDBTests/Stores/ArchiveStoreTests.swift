import Foundation
import GRDB
import Personas
import TestImages
import TestSupport
import Testing

@testable import PersonasDB

/// Items on their way into archives and out of them, and what is remembered of that.
@Suite("Archives in the store", .timeLimit(.minutes(1)))
struct ArchiveStoreTests {
    private static let key = try? IdempotencyKey(quotable: "move")

    private func new(
        _ name: String, _ account: Identifier, _ open: OpenStorage, outcome: TrainingOutcome? = .completed, portrait: StoredImage? = nil,
        externalID: String? = nil
    ) throws(Failure) -> NewPikzonality {
        NewPikzonality(
            id: .random(), accountID: account, mode: .persona,
            details: PikzonalityDetails(name: Name(stored: name), externalID: externalID), references: try open.pinnedImages(),
            outcome: outcome,
            portrait: portrait, createdAt: .second(-60))
    }

    private func lines(_ items: [Result<NewPikzonality, Failure>], from first: Int = 1) -> [ImportedLine] {
        items.enumerated().map { ImportedLine(line: first + $0.offset, item: $0.element) }
    }

    private func begin(_ open: OpenStorage, _ account: Identifier, digest: UInt8 = 1, at second: Int = 0) async throws -> ImportRecord {
        try await open.storage.archives.begin(
            try #require(Self.key), digest: [UInt8](repeating: digest, count: 32), accountID: account,
            since: .second(second - Limits.idempotencySecondsKept), at: .second(second))
    }

    @Test(
        "Items come in the order of their creation, both modes together, with their images, and those of others never", arguments: House.all
    )
    func walk(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let (account, other) = (try await open.account(), try await open.account("other"))
            var made: [Pikzonality] = []
            for (number, second) in [5, 3, 3, 9, 1, 5].enumerated() {
                made.append(
                    try await open.insert(
                        "Item \(number)", mode: number % 2 == 0 ? .persona : .style, of: account, outcome: number == 0 ? nil : .completed,
                        at: .second(second)))
            }
            _ = try await open.insert("Other", of: other, at: .second(4))
            var found: [StoredItem] = []
            var position: PikzonalityPosition?
            while let next = try await open.storage.archives.item(after: position, accountID: account) {
                found.append(next)
                position = PikzonalityPosition(nameKey: "", createdAt: next.item.createdAt, id: next.item.id)
            }
            #expect(found.map(\.item) == made.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) })
            #expect(found.allSatisfy { $0.references.map(\.anywhere) == StoredImage.three })
            #expect(found.allSatisfy { $0.portrait?.anywhere == ($0.item.status == .completed ? StoredImage.three[0] : nil) })
        }
    }

    @Test("A step creates what it can and says why it cannot create the rest, of which nothing is left", arguments: House.all)
    func step(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            _ = try await open.accounts.change(QuotaChange(items: .max(3)), accountNamed: "acme")
            try await open.storage.names.reserve([Name(stored: "Boss")], at: .second(0))
            let items = [
                try new("First", account, open, outcome: nil, externalID: "x"), try new("FIRST", account, open),
                try new("Boss", account, open),
                try new("Second", account, open, externalID: "x"), try new("Third", account, open, portrait: try open.image(9)),
                try new("Fourth", account, open, outcome: .failed(.fixture)), try new("Fifth", account, open),
            ]
            let outcomes = try await open.storage.archives.create(
                lines(items.map { .success($0) } + [.failure(.blockedContent(field: .name))]), of: nil,
                in: WriteContext(at: .second(0), requestID: "r"))
            #expect(outcomes.map(\.line) == Array(1...8))
            #expect(
                outcomes.map(\.id) == [
                    .success(items[0].id), .failure(.nameTaken(.persona, items[0].id)), .failure(.nameReserved),
                    .failure(.externalIDTaken(.persona, items[0].id)), .success(items[4].id), .success(items[5].id),
                    .failure(.quotaExceeded([QuotaExcess(.items, limit: 3, used: 3)])), .failure(.blockedContent(field: .name)),
                ])
            #expect(try open.counts() == ["pikzonality": 3, "image_link": 10, "media": 4, "media_removal": 0, "training_job": 1])
            let third = try await open.items.find(items[4].id, mode: nil, accountID: account)
            #expect(third.createdAt == .second(-60) && third.updatedAt == .second(0) && third.status == .completed)
            #expect(try await open.images.image(try #require(third.portraitToken)).anywhere == .withoutFile(9))
            #expect(try open.count("event", where: "kind = 'created' AND request_id = 'r'") == 3)
            #expect(try open.count("import") == 0)
        }
    }

    @Test("A step that fails as a whole leaves nothing, and counts for nothing", arguments: House.all)
    func failedStep(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let record = try await begin(open, account)
            await #expect(throws: Failure.accountMissing) {
                try await open.storage.archives.create(
                    lines([.success(try new("First", account, open)), .success(try new("Second", .random(), open))]), of: record.number,
                    in: WriteContext(at: .second(0)))
            }
            #expect(try open.count("pikzonality") == 0 && open.count("import_line") == 0 && open.count("event") == 0)
            #expect(try await begin(open, account) == ImportRecord(number: record.number, linesDone: 0))
        }
    }

    @Test("What is done under a key is remembered with it, until the storage is opened again and beyond", arguments: House.all)
    func remembered(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let account = try await withStorage(on: house, in: directory) { open async throws in
                let account = try await open.account()
                let record = try await begin(open, account)
                #expect(record.linesDone == 0)
                let outcomes = try await open.storage.archives.create(
                    lines([.success(try new("First", account, open)), .success(try new("first", account, open))]), of: record.number,
                    in: WriteContext(at: .second(1)))
                #expect(try await open.storage.archives.outcomes(of: record.number, after: 0, limit: 10) == outcomes)
                return account
            }
            try await withStorage(on: house, in: directory) { open async throws in
                let record = try await begin(open, account, at: 2)
                #expect(record.linesDone == 2)
                #expect(try await open.storage.archives.outcomes(of: record.number, after: 1, limit: 10).map(\.line) == [2])
                await #expect(throws: Failure.idempotencyKeyReused) { try await begin(open, account, digest: 2, at: 3) }
                let other = try await open.account("other")
                #expect(try await begin(open, other, digest: 2, at: 3).linesDone == 0)
                await #expect(throws: Failure.accountMissing) { try await begin(open, .random()) }
            }
        }
    }

    @Test(
        "What becomes of a line later stands in the place of what became of it before, and takes nothing from how far the import is",
        arguments: House.all)
    func done(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let record = try await begin(open, account)
            let archives = open.storage.archives
            _ = try await archives.create(
                lines([.failure(.nameReserved), .success(try new("Second", account, open))]), of: record.number,
                in: WriteContext(at: .second(0)))
            let again = try await archives.create(
                lines([.success(try new("First", account, open))]), of: record.number, in: WriteContext(at: .second(1)))
            #expect(try await archives.outcomes(of: record.number, after: 0, limit: 1) == again)
            #expect(try await begin(open, account, at: 2).linesDone == 2)
            #expect(try open.count("import_line") == 2)
        }
    }

    @Test("After a day a key is free, and what was remembered is cleared away in steps", arguments: House.all)
    func cleared(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let record = try await begin(open, account)
            let items = try (1...25).map { Result<NewPikzonality, Failure>.success(try new("Item \($0)", account, open)) }
            _ = try await open.storage.archives.create(lines(items), of: record.number, in: WriteContext(at: .second(0)))
            let tomorrow = Limits.idempotencySecondsKept + 1
            #expect(try await begin(open, account, digest: 2, at: tomorrow).linesDone == 0)
            let archives = open.storage.archives
            #expect(try await archives.forgetImports(before: .second(0), limit: 10) == 0)
            for left in [15, 5, 0] {
                #expect(try await archives.forgetImports(before: .second(1), limit: 10) == 10)
                #expect(try open.count("import_line") == left)
            }
            #expect(try open.count("import") == 1)
            #expect(try await archives.forgetImports(before: .second(1), limit: 10) == 0)
            // One that is still under way when it is forgotten goes on without.
            #expect(
                try await archives.create(
                    lines([.success(try new("Late", account, open))], from: 26), of: record.number, in: WriteContext(at: .second(0))
                )
                .count == 1)
            #expect(try open.count("import_line") == 0)
        }
    }

    @Test("A check finds an import that has other lines than it has done, and an account takes its imports with it", arguments: House.all)
    func check(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let account = try await open.account()
            let record = try await begin(open, account)
            _ = try await open.storage.archives.create(
                lines([.failure(.nameReserved), .failure(.nameReserved)]), of: record.number, in: WriteContext(at: .second(0)))
            func findings() async throws -> [Finding] {
                try await open.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings
            }
            #expect(try await findings().isEmpty)
            try await open.execute("DELETE FROM import_line WHERE line = 1")
            #expect(try await findings().map(\.kind) == [.importsDisagree])
            try await open.accounts.delete(accountNamed: "acme", at: .second(1))
            #expect(try open.count("import") == 0 && open.count("import_line") == 0)
        }
    }
}
