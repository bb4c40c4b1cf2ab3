import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The epoch of a database", .timeLimit(.minutes(1)))
struct EpochTests {
    @Test("stays while the database lives on, and is another's than every other database's")
    func stays() async throws {
        try await withDataFolder { directory in
            let first = try await withStorage(in: directory) { $0.storage.epoch.epoch }
            let second = try await withStorage(in: directory) { $0.storage.epoch.epoch }
            #expect(first == second)
            let other = try await withStorage { $0.storage.epoch.epoch }
            #expect(first != other)
        }
    }

    @Test("is made anew by each restore, in the place of the old data or elsewhere, and the backup keeps its own")
    func restored() async throws {
        try await withDataFolder { parent in
            let (data, backup) = (parent + "/data", parent + "/backup")
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let original = try await withStorage(in: data) { open in
                _ = try await open.backups.backup(to: backup) { _ in }
                return open.storage.epoch.epoch
            }
            var seen = [original]
            for target in [data, data, parent + "/elsewhere"] {
                try await restore(backup, into: target, isForced: true)
                #expect(try names(in: target) == ["media", "personas.lock", "personas.sqlite"])
                let epoch = try await withStorage(in: target) { $0.storage.epoch.epoch }
                #expect(!seen.contains(epoch))
                seen.append(epoch)
            }
            let kept = try await BackupFolder(path: backup).openDatabase().read { db in
                try Data.fetchOne(db, sql: "SELECT value FROM epoch")
            }
            #expect(kept == Data(original.bytes))
        }
    }

    @Test("comes with the migration to a backup from before there was one")
    func older() async throws {
        let database = try DatabaseQueue()
        try await database.write { db in try RestoredEpoch.renew(db) }
        try await withStorage { open in
            let epoch = open.storage.epoch.epoch
            try await open.execute("DELETE FROM epoch")
            await #expect(throws: Failure.unexpected("The database has no epoch")) { _ = try await open.storage.migrate() }
            #expect(open.storage.epoch.epoch == epoch)
        }
    }
}
