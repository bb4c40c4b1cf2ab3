import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("How much is stored", .timeLimit(.minutes(1)))
struct StoreUsageTests {
    @Test("Accounts and items are counted as they are, by mode and status; images each once, with their bytes", arguments: House.all)
    func counts(on house: House) async throws {
        try await withStorage(on: house) { open async throws in
            let usage = open.storage.usage
            #expect(try await usage.images() == ImageVolume())
            #expect(try await usage.contents() == StoreContents(accounts: 0, counts: [:], trash: [:]))
            #expect(try await usage.contents().items.count == 6)
            let account = try await open.account()
            _ = try await open.create("Nova", of: account, images: 1...3)
            _ = try await open.create("Vega", of: account, images: 3...4)
            _ = try await open.insert("Waiting", of: account)
            let other = try await open.account("other")
            let gone = try await open.create("Gone", of: other, images: 5...5)
            #expect(
                try await usage.contents() == StoreContents(accounts: 2, counts: [.persona: [.completed: 3, .processing: 1]], trash: [:]))
            _ = try await open.items.delete(gone.id, mode: nil, accountID: other, at: .now)
            #expect(
                try await usage.contents() == StoreContents(accounts: 2, counts: [.persona: [.completed: 2, .processing: 1]], trash: [:]))
            #expect(usage.waitingWrites == 0)
        }
    }

    @Test("Images are added up in rounds, and the sum is told again until it is old")
    func images() async throws {
        for isRemembered in [false, true] {
            try await withDataFolder { directory in
                var configuration = Storage.Configuration(directory: directory, readers: 1, mediaThreads: 2)
                configuration.imageCountPause = { _ in isRemembered ? .seconds(3_600) : .zero }
                let storage = try Storage.open(configuration)
                defer { storage.close() }
                _ = try await storage.migrate()
                let index = try #require(storage.images as? SQLiteImageIndex)
                func insert(_ range: ClosedRange<Int>) async throws {
                    try await index.writer.writeDirectly { db in
                        try db.execute(
                            sql: """
                                WITH RECURSIVE n(i) AS (SELECT \(range.lowerBound) UNION ALL SELECT i + 1 FROM n WHERE i < \(range.upperBound))
                                INSERT INTO media SELECT CAST(printf('%032d', i) AS BLOB), 'png', 1, 1, 2 FROM n
                                """)
                    }
                }
                var expected = ImageVolume()
                try await insert(1...50_001)
                (expected.images, expected.bytes) = (50_001, 100_002)
                #expect(try await storage.usage.images() == expected)
                try await insert(50_002...50_002)
                if !isRemembered { (expected.images, expected.bytes) = (50_002, 100_004) }
                #expect(try await storage.usage.images() == expected)
            }
        }
    }

    @Test("The database counts with its log, and the disk has room")
    func disk() async throws {
        try await withStorage { open async throws in
            let use = open.storage.usage.disk()
            let sizes = try ["", "-wal"].map { suffix in
                let attributes = try FileManager.default.attributesOfItem(atPath: open.directory + "/personas.sqlite" + suffix)
                return try #require(attributes[.size] as? Int)
            }
            #expect(use.databaseBytes == sizes[0] + sizes[1] && sizes[1] > 0)
            #expect(try #require(use.freeBytes) > 0)
        }
    }
}
