import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("Opening a data folder", .timeLimit(.minutes(1)))
struct OpeningTests {
    @Test("The writing connection waits for the disk at every commit, logs ahead and minds foreign keys")
    func durabilitySettings() async throws {
        try await withStorage(migrated: false) { open in
            let settings = try await open.index.writer.writeDirectly { db in
                [
                    try Int.fetchOne(db, sql: "PRAGMA synchronous"), try Int.fetchOne(db, sql: "PRAGMA foreign_keys"),
                    try Int.fetchOne(db, sql: "PRAGMA busy_timeout"), try Int.fetchOne(db, sql: "PRAGMA mmap_size"),
                ]
            }
            let journal = try await open.index.writer.writeDirectly { db in try String.fetchOne(db, sql: "PRAGMA journal_mode") }
            #expect(settings == [2, 1, 5_000, 0], "synchronous, foreign_keys, busy_timeout, mmap_size")
            #expect(journal == "wal")
        }
    }

    @Test("Readers map as much of the database as is set, by itself nothing, and the writing connection nothing ever")
    func mappedBytes() async throws {
        try await withDataFolder { directory in
            for (set, expected) in [(nil, 0), (0, 0), (1_048_576, 1_048_576)] as [(Int?, Int64)] {
                var configuration = Storage.Configuration(directory: directory, readers: 2)
                if let set { configuration.mappedBytesMax = set }
                let storage = try Storage.open(configuration)
                defer { storage.close() }
                _ = try await storage.migrate()
                let items = try #require(storage.pikzonalities as? SQLPikzonalityStore)
                let sql = "PRAGMA mmap_size"
                for readers in [try #require(items.readers as? ReadPool), try #require(items.scans as? ScanPool).readers] {
                    #expect(try readers.lend { try $0.first(sql, []) { $0.integer(0) } } == expected)
                }
                #expect(try await items.writer.write { db in try db.first(sql, []) { $0.integer(0) } } == 0)
                let item = try await storage.pikzonalities.operatorItems(PikzonalityFilter(), after: nil, limit: 1).rows
                #expect(item.isEmpty)
            }
        }
    }

    @Test("Read connections cannot write")
    func readersCannotWrite() async throws {
        try await withStorage { open async throws in
            #expect(throws: Failure.self) {
                try open.index.readers.lend { connection in try connection.query("DELETE FROM maintenance", []) { _ in } }
            }
            #expect(try open.count("maintenance") == 1)
        }
    }

    @Test("No other user of the machine may read what is stored")
    func modes() async throws {
        try await withDataFolder { parent in
            let directory = parent + "/data"
            let lock = try #require(try DataFolderLock.acquire(directory: directory))
            try await withStorage(in: directory) { open in
                let account = try await open.account()
                _ = try await open.insert("Nova", of: account)
                let image = try await open.store(try .fixture(1))
                #expect(try permissions(directory) == 0o700)
                for file in ["personas.sqlite", "personas.sqlite-wal", "personas.sqlite-shm"] {
                    #expect(try permissions("\(directory)/\(file)") == 0o600, "\(file)")
                }
                for folder in ["media", "media/incoming", "media/00", "media/ff"] {
                    #expect(try permissions("\(directory)/\(folder)") == 0o700, "\(folder)")
                }
                #expect(try permissions(open.files.folder.file(of: image.key)) == 0o600)
            }
            withExtendedLifetime(lock) {}
        }
    }

    @Test("A folder that was closed opens again with everything in it, and with no log beside it")
    func openTwice() async throws {
        try await withDataFolder { directory in
            let item = try await withStorage(in: directory) { open in try await open.insert("Nova", of: try await open.account()) }
            #expect(!FileManager.default.fileExists(atPath: directory + "/personas.sqlite-wal"))
            try await withStorage(in: directory, migrated: false) { open async throws in
                #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
                #expect(await open.storage.schema.isReady())
            }
        }
    }

    @Test("A storage that was never closed, as after a crash, opens again with everything in it")
    func openAfterCrash() async throws {
        try await withDataFolder { parent in
            let item = try await withStorage(in: parent) { open in
                let item = try await open.insert("Nova", of: try await open.account())
                try FileManager.default.createDirectory(atPath: parent + "/copy", withIntermediateDirectories: true)
                for file in ["personas.sqlite", "personas.sqlite-wal"] {
                    try FileManager.default.copyItem(atPath: "\(parent)/\(file)", toPath: "\(parent)/copy/\(file)")
                }
                return item
            }
            try await withStorage(in: parent + "/copy") { open async throws in
                #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
            }
        }
    }

    @Test(
        "A folder that cannot be used is refused with an error",
        arguments: ["personas.sqlite", "media"])
    func unusable(obstacle: String) async throws {
        try await withDataFolder { directory in
            // For the database a folder in its place, for the media folder a file.
            if obstacle == "media" {
                try Data("in the way".utf8).write(to: URL(fileURLWithPath: "\(directory)/\(obstacle)"))
            } else {
                try FileManager.default.createDirectory(atPath: "\(directory)/\(obstacle)", withIntermediateDirectories: true)
            }
            #expect(throws: Failure.self) { try Storage.open(Storage.Configuration(directory: directory)) }
        }
    }

    @Test("A file that is no database is refused and left as it is")
    func notADatabase() async throws {
        try await withDataFolder { directory in
            let bytes = Data(repeating: 0x41, count: 8_192)
            try bytes.write(to: URL(fileURLWithPath: directory + "/personas.sqlite"))
            #expect(throws: Failure.self) { try Storage.open(Storage.Configuration(directory: directory)) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/personas.sqlite")) == bytes)
        }
    }
}
