import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Backups that keep themselves", .timeLimit(.minutes(2)))
struct DatedBackupsTests {
    /// A clock that a test sets.
    private final class Clock: Sendable {
        let moment: Shared<Timestamp>

        init(_ text: String) throws { moment = Shared(try #require(Timestamp(text: text))) }

        func set(_ text: String) throws {
            let new = try #require(Timestamp(text: text))
            moment.withLock { $0 = new }
        }

        var wall: WallClock { WallClock { [moment] in moment.value } }
    }

    /// Runs a body with a storage by a clock that the body sets, a folder for backups that is not there yet, and what takes one.
    private func withBackups(
        _ body: (_ storage: Storage, _ parent: String, _ take: (_ moment: String, _ count: Int) async throws -> BackupReport) async throws
            -> Void
    ) async throws {
        try await withDataFolder { parent in
            let clock = try Clock("2026-11-01T00:00:00Z")
            var configuration = Storage.Configuration(directory: parent + "/data", readers: 1, mediaThreads: 2)
            configuration.clock = clock.wall
            configuration.version = "1.2.3 (test)"
            try FileManager.default.createDirectory(atPath: parent + "/data", withIntermediateDirectories: true)
            let storage = try Storage.open(configuration)
            defer { storage.close() }
            _ = try await storage.migrate()
            let backups = try #require(storage.backups)
            try await body(storage, parent) { moment, count in
                try clock.set(moment)
                return try await backups.backup(into: parent + "/backups", keeping: count) { _ in }
            }
        }
    }

    @Test("A name is the moment in UTC without colons, and nothing else is one")
    func names() throws {
        let moment = try #require(Timestamp(text: "2026-11-22T06:30:00.999Z"))
        #expect(DatedBackups.name(of: moment) == "2026-11-22T063000Z")
        #expect(DatedBackups.second(of: "2026-11-22T063000Z") == moment.milliseconds / 1_000)
        let others = [
            "", "backup", "2026-11-22", "2026-11-22T06:30:00Z", "2026-11-22T063000", "2026-11-22T063000Z ", "2026-11-22t063000Z",
            "2026-11-31T063000Z", "2026-11-22T243000Z", "2026-11-22T063060Z", "2026-11-22T063000Z.partial", "2026-11-22T0630+0Z",
            "2026-11-22T06300\u{0660}Z",
        ]
        for name in others { #expect(DatedBackups.second(of: name) == nil, "\(name)") }
    }

    @Test("The oldest go first, never the new one, and never so many that fewer stay than are to be kept")
    func surplus() {
        func entries(_ seconds: [Int64]) -> [DatedBackups.Entry] { seconds.map { DatedBackups.Entry(name: "\($0)", second: $0) } }
        func gone(_ seconds: [Int64], new: Int64, keeping count: Int) -> [Int64] {
            DatedBackups.surplus(of: entries(seconds), beside: entries([new])[0], keeping: count).map(\.second)
        }
        #expect(gone([1, 2, 3], new: 3, keeping: 3) == [])
        #expect(gone([1, 2, 3], new: 3, keeping: 2) == [1])
        #expect(gone([1, 2, 3], new: 3, keeping: 1) == [1, 2])
        #expect(gone([3], new: 3, keeping: 1) == [])
        // A clock that was set back: what is dated after the new one is older all the same.
        #expect(gone([1, 7, 8, 9], new: 1, keeping: 2) == [7, 8])
        #expect(gone([1, 2, 7, 8, 9], new: 2, keeping: 3) == [7, 8])
        #expect(gone([1, 9], new: 1, keeping: 1) == [9])
        // Whether or not the listing has it.
        #expect(gone([1, 2], new: 3, keeping: 2) == [1])
    }

    @Test("Each call makes one in a folder of its own, and the oldest whole ones go; what is not ours stays and is told")
    func retention() async throws {
        try await withBackups { _, parent, take in
            let first = try await take("2026-11-01T00:00:00.500Z", 2)
            #expect(first.directory == parent + "/backups/2026-11-01T000000Z")
            #expect(first.retention == RetentionReport(keep: 2, kept: ["2026-11-01T000000Z"]))
            #expect(try await DataFolderRestore(from: first.directory).verify { _ in }.items == 0)
            #expect(try DataFolderRestore(from: first.directory).version == "1.2.3 (test)")
            let folder = parent + "/backups"
            #expect(try permissions(folder) == 0o700 && permissions(folder + "/personas.lock") == 0o600)
            _ = try await take("2026-11-02T00:00:00Z", 2)

            func make(_ name: String) throws {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            }
            func copy(_ source: String, _ name: String) throws {
                try FileManager.default.copyItem(atPath: "\(folder)/\(source)", toPath: "\(folder)/\(name)")
            }
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/notes"))
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/2026-10-01T000000Z"))
            try make("2026-10-02T000000Z")
            try copy("2026-11-01T000000Z", "2026-10-03T000000Z")
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/2026-10-03T000000Z/mine"))
            try copy("2026-11-01T000000Z", "2026-10-04T000000Z")
            try flipByte(of: folder + "/2026-10-04T000000Z/manifest.json")
            try copy("2026-11-01T000000Z", "2026-10-05T000000Z")
            try FileManager.default.removeItem(atPath: folder + "/2026-10-05T000000Z/personas.sqlite")
            symlink(folder + "/2026-11-01T000000Z", folder + "/2026-10-06T000000Z")
            try make("2026-10-07T000000Z.partial")
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/2026-10-07T000000Z.partial/manifest.json.new"))
            try make("2026-10-08T000000Z.partial")
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/2026-10-08T000000Z.partial/mine"))
            try make("other.partial")

            let report = try #require(try await take("2026-11-03T00:00:00Z", 2).retention)
            #expect(report.kept == ["2026-11-02T000000Z", "2026-11-03T000000Z"])
            #expect(report.removed == ["2026-10-07T000000Z.partial", "2026-11-01T000000Z"])
            #expect(
                report.left.map { "\($0.name) \($0.reason.rawValue)" }.sorted() == [
                    "2026-10-01T000000Z foreign", "2026-10-02T000000Z not_whole", "2026-10-03T000000Z mixed",
                    "2026-10-04T000000Z not_whole",
                    "2026-10-05T000000Z not_whole", "2026-10-06T000000Z foreign", "2026-10-08T000000Z.partial not_removed", "notes foreign",
                    "other.partial foreign",
                ])
            #expect(report.leftCount == report.left.count)
            #expect(
                try PersonasDBTests.names(in: folder) == [
                    "2026-10-01T000000Z", "2026-10-02T000000Z", "2026-10-03T000000Z", "2026-10-04T000000Z", "2026-10-05T000000Z",
                    "2026-10-06T000000Z", "2026-10-08T000000Z.partial", "2026-11-02T000000Z", "2026-11-03T000000Z", "notes",
                    "other.partial", "personas.lock",
                ])
            #expect(try PersonasDBTests.names(in: folder + "/2026-10-08T000000Z.partial") == ["mine"])
            #expect(try PersonasDBTests.names(in: folder + "/2026-10-03T000000Z").contains("mine"))
        }
    }

    @Test("One that is made while the clock is behind stays, and those that are dated after it count as the oldest")
    func clockSetBack() async throws {
        try await withBackups { _, _, take in
            for day in ["2026-11-01", "2026-11-02"] { _ = try await take("\(day)T00:00:00Z", 2) }
            #expect(try await take("2000-01-01T00:00:00Z", 2).retention?.kept == ["2026-11-02T000000Z", "2000-01-01T000000Z"])
            #expect(try await take("2000-01-02T00:00:00Z", 2).retention?.kept == ["2000-01-01T000000Z", "2000-01-02T000000Z"])
            #expect(try await take("2026-11-03T00:00:00Z", 2).retention?.kept == ["2000-01-02T000000Z", "2026-11-03T000000Z"])
            // Twice in one second, which one name cannot stand for.
            #expect(try await take("2026-11-03T00:00:00.1Z", 2).retention?.kept == ["2026-11-03T000000Z", "2026-11-03T000001Z"])
            #expect(try await take("2026-11-03T00:00:00.2Z", 1).retention?.kept == ["2026-11-03T000002Z"])
        }
    }

    @Test("What fails removes nothing whole and leaves nothing of its own, and what an earlier call left goes before")
    func failing() async throws {
        try await withBackups { storage, parent, take in
            for day in ["2026-11-01", "2026-11-02"] { _ = try await take("\(day)T00:00:00Z", 2) }
            let index = try #require(storage.images as? SQLiteImageIndex)
            try await index.writer.writeDirectly { db in
                try db.execute(sql: "INSERT INTO media VALUES (zeroblob(32), 'png', 1, 1, 1)")
            }
            try FileManager.default.createDirectory(
                atPath: parent + "/backups/2026-10-07T000000Z.partial/media/00", withIntermediateDirectories: true)
            await #expect {
                _ = try await take("2026-11-03T00:00:00Z", 1)
            } throws: { error in
                guard case .damaged(.dataFolder, let finding)? = error as? Failure else { return false }
                return finding.kind == .fileMissing
            }
            #expect(try PersonasDBTests.names(in: parent + "/backups") == ["2026-11-01T000000Z", "2026-11-02T000000Z", "personas.lock"])
            for day in ["01", "02"] { _ = try await DataFolderRestore(from: "\(parent)/backups/2026-11-\(day)T000000Z").verify { _ in } }
        }
    }

    @Test("Backups of another data folder in the same place are neither counted nor removed")
    func others() async throws {
        try await withBackups { _, parent, take in
            _ = try await take("2026-11-01T00:00:00Z", 1)
            try await withStorage { other async throws in
                let report = try await other.backups.backup(into: parent + "/backups", keeping: 1) { _ in }
                #expect(report.retention?.left == [RetentionReport.Left(name: "2026-11-01T000000Z", reason: .otherData)])
                #expect(report.retention?.kept.count == 1 && report.retention?.removed == [])
            }
            #expect(try await take("2026-11-02T00:00:00Z", 1).retention?.removed == ["2026-11-01T000000Z"])
        }
    }

    @Test("Two at once both come to their end; a folder that another process writes to, a backup and the data folder are refused")
    func twoAtOnce() async throws {
        try await withBackups { storage, parent, take in
            async let first = storage.backups?.backup(into: parent + "/backups", keeping: 1) { _ in }
            async let second = storage.backups?.backup(into: parent + "/backups", keeping: 1) { _ in }
            let reports = [try await first, try await second].compactMap { $0?.retention }
            #expect(reports.map(\.removed.count).sorted() == [0, 1])
            let before = try PersonasDBTests.names(in: parent + "/backups")
            let whole = try #require(before.first)
            func refusal(_ path: String) async -> Result<BackupReport?, Failure> {
                await result { () async throws(Failure) in try await storage.backups?.backup(into: path, keeping: 1) { _ in } }
            }
            // Locks are between open files, so that one process is as good as two.
            let lock = try BackupsLock(in: parent + "/backups")
            #expect(await refusal(parent + "/backups") == .failure(.folderUnusable(path: parent + "/backups", .inUse)))
            withExtendedLifetime(lock) {}
            for (path, problem) in [
                ("\(parent)/backups/\(whole)", FolderProblem.isBackup), (parent + "/data/backups", .insideDataFolder),
                (parent + "/backups/personas.lock", .unreadable),
            ] {
                #expect(await refusal(path) == .failure(.folderUnusable(path: path, problem)))
            }
            #expect(try PersonasDBTests.names(in: parent + "/backups") == before)
            #expect(!PosixFile.exists(parent + "/data/backups"))
        }
    }

    @Test("The newest backup is remembered over restarts, and is none of what a restore has put in its place")
    func lastBackup() async throws {
        try await withDataFolder { parent in
            let data = parent + "/data"
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let report = try await withStorage(in: data) { open async throws in
                #expect(try await open.backups.lastBackup() == nil)
                _ = try await open.backups.backup(to: parent + "/first") { _ in }
                return try await open.backups.backup(into: parent + "/several", keeping: 2) { _ in }
            }
            let record = BackupRecord(createdAt: report.createdAt, directory: report.directory, isPresent: true)
            try await withStorage(in: data) { open async throws in #expect(try await open.backups.lastBackup() == record) }
            let remembered = try Data(contentsOf: URL(fileURLWithPath: data + "/last-backup.json"))
            for target in [data, parent + "/elsewhere"] {
                try await restore(parent + "/first", into: target, isForced: true)
                try await withStorage(in: target) { open async throws in #expect(try await open.backups.lastBackup() == nil) }
                // As a version leaves it that knows nothing of it.
                try remembered.write(to: URL(fileURLWithPath: target + "/last-backup.json"))
                try await withStorage(in: target) { open async throws in #expect(try await open.backups.lastBackup() == nil) }
                try Data("{".utf8).write(to: URL(fileURLWithPath: target + "/last-backup.json"))
                try await withStorage(in: target) { open async throws in
                    #expect(try await open.backups.lastBackup() == nil)
                    _ = try await open.backups.backup(to: target + "-backup") { _ in }
                    #expect(try await open.backups.lastBackup()?.isPresent == true)
                    try FileManager.default.removeItem(atPath: target + "-backup")
                    #expect(try await open.backups.lastBackup()?.isPresent == false)
                }
            }
        }
    }
}
