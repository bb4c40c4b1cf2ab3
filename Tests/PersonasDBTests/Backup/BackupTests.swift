import Crypto
import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Backing up", .timeLimit(.minutes(2)))
struct BackupTests {
    @Test("A backup holds the database as one file, every image that it names, the list of hashes and the manifest, for its owner alone")
    func content() async throws {
        try await withStorage { open async throws in
            let item = try await open.create("Nova", images: 1...3)
            try await withDataFolder { parent in
                let report = try await open.backups.backup(to: parent + "/made/backup") { _ in }
                let path = parent + "/made/backup"
                #expect(report.directory == path)
                #expect((report.items, report.images) == (1, 3))
                #expect(try names(in: path) == ["SHA256SUMS", "manifest.json", "media", "personas.sqlite"])
                #expect(try permissions(path) == 0o700)
                for name in ["SHA256SUMS", "manifest.json", "personas.sqlite"] { #expect(try permissions("\(path)/\(name)") == 0o600) }
                let manifest = try BackupManifest(parsing: try Data(contentsOf: URL(fileURLWithPath: path + "/manifest.json")))
                #expect(manifest.migrations.map(\.name) == Migration.all.map(\.name))
                #expect(manifest.rows["pikzonality"] == 1)
                #expect(manifest.rows["image_link"] == 4)
                #expect(manifest.media.files == 3)
                #expect(manifest.media.byteCount == report.imageBytes)
                #expect(try hash(of: path + "/personas.sqlite") == manifest.database.sha256)
                let lines = try String(contentsOfFile: path + "/SHA256SUMS", encoding: .utf8).split(separator: "\n")
                #expect(lines.count == 4)
                for line in lines {
                    let parts = line.components(separatedBy: "  ")
                    #expect(try hash(of: "\(path)/\(parts[1])") == parts[0])
                }
                // As it stands it can be read where nothing can be written.
                let copy = try BackupFolder(path: path).openDatabase()
                #expect(try await copy.read { db in try String.fetchOne(db, sql: "SELECT name FROM pikzonality") } == item.name.text)
                #expect(try await copy.read { db in try String.fetchOne(db, sql: "PRAGMA journal_mode") } == "delete")
            }
        }
    }

    @Test("On the same file system images are linked, not copied")
    func links() async throws {
        try await withStorage { open async throws in
            _ = try await open.create("Nova", images: 1...1)
            try await withDataFolder { parent in
                _ = try await open.backups.backup(to: parent + "/backup") { _ in }
                for path in try mediaFiles(open) {
                    let attributes = try FileManager.default.attributesOfItem(atPath: path)
                    #expect(attributes[.referenceCount] as? Int == 2)
                }
            }
        }
    }

    @Test("An image that cannot be linked is copied, with its mode")
    func copies() async throws {
        try await withDataFolder { directory in
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: directory + "/a"))
            // Linking what others may read would leave it readable.
            chmod(directory + "/a", 0o644)
            try PosixFile.linkOrCopy(directory + "/a", to: directory + "/b")
            #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/b")) == Data([1, 2, 3]))
            #expect(try permissions(directory + "/b") == 0o600)
            #expect(try FileManager.default.attributesOfItem(atPath: directory + "/a")[.referenceCount] as? Int == 1)
        }
    }

    @Test("While items come, change and go, a backup is one whole moment; and nothing that it names is removed under it")
    func underLoad() async throws {
        try await withStorage(readers: 4) { open async throws in
            let account = try await open.account()
            for number in 0..<20 { _ = try await open.create("Kept \(number)", of: account, images: UInt64(number)...UInt64(number)) }
            try await withDataFolder { parent in
                let isDone = Shared(false)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for worker in 0..<4 {
                        group.addTask {
                            var round = 0
                            while !isDone.withLock({ $0 }) {
                                round += 1
                                let seed = UInt64(worker * 100 + round % 50 + 100)
                                let item = try await open.create("\(worker) \(round)", of: account, images: seed...seed)
                                _ = try await open.items.delete(item.id, mode: nil, accountID: account, at: .now)
                                _ = try await open.collector.collect()
                            }
                        }
                    }
                    for number in 0..<8 {
                        let directory = "\(parent)/\(number)"
                        _ = try await open.backups.backup(to: directory) { _ in }
                        try await restored(directory, parent) { restored async throws in
                            #expect(try restored.count("pikzonality") >= 20)
                            #expect(try await sound(restored))
                        }
                    }
                    isDone.withLock { $0 = true }
                    try await group.waitForAll()
                }
                _ = try await open.collector.collect()
                #expect(try mediaFiles(open).count == 20, "what had to wait for the backups goes after them")
            }
        }
    }

    @Test("The database is copied as of one moment even when it is written to between the parts of the copy")
    func snapshot() async throws {
        try await withStorage { open async throws in
            // More pages than one part of the copy has.
            try await open.execute("CREATE TABLE filler (number INTEGER NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT")
            try await open.execute(
                """
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
                INSERT INTO filler SELECT i, randomblob(3000) FROM n
                """)
            try await withDataFolder { parent in
                let parts = Shared(0)
                let writes = Shared<[Task<Void, any Error>]>([])
                _ = try await open.backups.backup(to: parent + "/backup") { state in
                    guard state.step == "Copying the database" else { return }
                    let part = parts.withLock { parts in
                        parts += 1
                        return parts
                    }
                    // The writer is not held up: this write is done before the copy goes on.
                    let written = DispatchSemaphore(value: 0)
                    let write = Task {
                        defer { written.signal() }
                        try await open.execute("UPDATE filler SET number = -number WHERE number = \(part)")
                    }
                    #expect(written.wait(timeout: .now() + 20) == .success)
                    writes.withLock { $0.append(write) }
                }
                for write in writes.withLock({ $0 }) { try await write.value }
                #expect((2...8).contains(parts.withLock { $0 }), "several parts, and none a second time")
                try await restored(parent + "/backup", parent) { restored async throws in
                    #expect(try restored.count("filler") == 4_000)
                    #expect(try restored.count("filler", where: "number < 0") == 0, "nothing of what was written meanwhile")
                }
                #expect(try open.count("filler", where: "number < 0") >= 2)
            }
        }
    }

    @Test("During a backup no image is deleted, and a deletion under way is waited for")
    func pause() async throws {
        let pins = ImagePins()
        #expect(pins.beginDeleting([[1]]) == [[1]])
        let events = Ledger<String>()
        let pausing = Task {
            events.append("asked")
            await pins.pauseDeleting()
            events.append("paused")
        }
        while events.entries.isEmpty { await Task.yield() }
        for _ in 0..<50 { await Task.yield() }
        events.append("gone")
        pins.endDeleting([[1]])
        await pausing.value
        #expect(events.entries == ["asked", "gone", "paused"])
        #expect(pins.beginDeleting([[2]]) == [])
        await pins.pauseDeleting()
        pins.resumeDeleting(at: .now)
        #expect(pins.beginDeleting([[2]]) == [], "another backup still runs")
        pins.resumeDeleting(at: .now)
        #expect(pins.beginDeleting([[2]]) == [[2]])
    }

    @Test("A folder that is not empty, is no folder, or lies within the data folder is refused and left as it is")
    func refusals() async throws {
        try await withStorage { open async throws in
            try await withDataFolder { parent in
                try FileManager.default.createDirectory(atPath: parent + "/full", withIntermediateDirectories: true)
                try Data([1]).write(to: URL(fileURLWithPath: parent + "/full/file"))
                let problems: [(String, FolderProblem)] = [
                    (parent + "/full", .notEmpty), (parent + "/full/file", .unreadable), (open.directory, .notEmpty),
                    (open.directory + "/media/backup", .insideDataFolder),
                ]
                for (path, problem) in problems {
                    let result = await result { () async throws(Failure) in try await open.backups.backup(to: path) { _ in } }
                    #expect(result == .failure(.folderUnusable(path: path, problem)))
                }
                #expect(try names(in: parent + "/full") == ["file"])
                #expect(!PosixFile.exists(open.directory + "/media/backup"))
                // An empty one is taken as it is.
                try FileManager.default.createDirectory(atPath: parent + "/empty", withIntermediateDirectories: true)
                _ = try await open.backups.backup(to: parent + "/empty") { _ in }
                #expect(try names(in: parent + "/empty").contains("manifest.json"))
            }
        }
    }

    @Test("A missing or damaged image fails the backup, names the image and leaves nothing behind", arguments: [true, false])
    func damagedImage(isMissing: Bool) async throws {
        try await withStorage { open async throws in
            _ = try await open.create("Nova", images: 1...3)
            let path = try #require(try mediaFiles(open).first)
            if isMissing { unlink(path) } else { try flipByte(of: path) }
            try await withDataFolder { parent in
                let result = await result { () async throws(Failure) in
                    try await open.backups.backup(to: parent + "/backup") { _ in }
                }
                guard case .failure(.damaged(.dataFolder, let finding)) = result else { throw Unexpected("\(result)") }
                #expect(finding.kind == (isMissing ? .fileMissing : .fileDamaged))
                #expect(finding.subject == String(path.dropFirst(open.directory.count + 1)))
                #expect(try names(in: parent) == [])
            }
            #expect(open.index.pins.beginDeleting([[1]]) == [[1]], "removal goes on")
        }
    }

    @Test(
        "A cancelled backup leaves nothing behind, whenever it is cancelled",
        arguments: ["Copying the database", "Copying images", "Verifying images"])
    func cancelled(step: String) async throws {
        try await withStorage { open async throws in
            _ = try await open.create("Nova", images: 1...70)
            try await withDataFolder { parent in
                let task = Shared<Task<Result<BackupReport, Failure>, Never>?>(nil)
                let mayBegin = WakeSignal()
                let running = Task {
                    await mayBegin.wait(after: 0, atMost: .seconds(30))
                    return await result { () async throws(Failure) in
                        try await open.backups.backup(to: parent + "/backup") { state in
                            if state.step == step { task.withLock { $0?.cancel() } }
                        }
                    }
                }
                task.withLock { $0 = running }
                mayBegin.notify()
                let outcome = await running.value
                // The last step may be over before the cancellation is seen: then the backup is whole.
                guard outcome == .failure(.cancelled) else { throw Unexpected("\(outcome)") }
                #expect(try names(in: parent) == [])
                #expect(open.index.pins.beginDeleting([[1]]) == [[1]], "removal goes on")
            }
        }
    }
}
