import Crypto
import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("Restoring", .timeLimit(.minutes(2)))
struct RestoreTests {
    /// Runs a body with a backup of one item of three images, in a folder to work in.
    private func withBackup(_ body: (_ backup: String, _ parent: String, _ item: Pikzonality) async throws -> Void) async throws {
        try await withDataFolder { parent in
            let item = try await withStorage { open async throws in
                let item = try await open.create("Nova", images: 1...3)
                _ = try await open.backups.backup(to: parent + "/backup") { _ in }
                return item
            }
            try await body(parent + "/backup", parent, item)
        }
    }

    @Test("What was backed up is there again, for its owner alone, and is sound; the backup stays as it was")
    func wholeTrip() async throws {
        try await withBackup { backup, parent, item in
            let before = try mediaFiles(in: backup).map { try hash(of: $0) }
            let report = try await restore(backup, into: parent + "/data")
            #expect((report.items, report.images, report.directory) == (1, 3, parent + "/data"))
            #expect(try names(in: parent + "/data") == ["media", "personas.lock", "personas.sqlite"])
            for path in try mediaFiles(in: parent + "/data") { #expect(try permissions(path) == 0o600) }
            #expect(try permissions(parent + "/data/media/00") == 0o700)
            try await withStorage(in: parent + "/data") { open async throws in
                #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
                for token in item.referenceTokens { #expect(try await open.images.open(token).read(at: 0, count: 10).count == 10) }
                #expect(try await sound(open))
                // Everything goes on: images come, and go, and the backup does not notice.
                _ = try await open.create("New", images: 1...3)
                _ = try await open.create("Newer", images: 4...6)
                _ = try await open.items.delete(item.id, mode: nil, accountID: item.accountID, at: .now)
                _ = try await open.collector.collect()
                #expect(try await sound(open))
            }
            #expect(try mediaFiles(in: backup).map { try hash(of: $0) } == before)
        }
    }

    /// What is said of a damaged backup.
    private enum Refusal: Equatable {
        /// What is found begins with that path.
        case damaged(Finding.Kind, String)
        case noBackup
        case unknown(String)
    }

    /// What can happen to a backup.
    private static let damages: [(name: String, refusal: Refusal, damage: @Sendable (String) throws -> Void)] = [
        ("a byte of the database", .damaged(.fileDamaged, "personas.sqlite"), { try flipByte(of: $0 + "/personas.sqlite") }),
        ("a byte of an image", .damaged(.fileDamaged, "media/"), { try flipByte(of: try mediaFiles(in: $0 + "/media")[1]) }),
        ("a byte of the list", .damaged(.fileDamaged, "SHA256SUMS"), { try flipByte(of: $0 + "/SHA256SUMS") }),
        (
            "no image", .damaged(.fileMissing, "media/"),
            { try FileManager.default.removeItem(atPath: try mediaFiles(in: $0 + "/media")[2]) }
        ),
        ("no database", .damaged(.fileMissing, "personas.sqlite"), { try FileManager.default.removeItem(atPath: $0 + "/personas.sqlite") }),
        ("no list", .damaged(.fileMissing, "SHA256SUMS"), { try FileManager.default.removeItem(atPath: $0 + "/SHA256SUMS") }),
        ("no manifest", .noBackup, { try FileManager.default.removeItem(atPath: $0 + "/manifest.json") }),
        ("another file", .damaged(.strange, "notes"), { try Data([1]).write(to: URL(fileURLWithPath: $0 + "/notes")) }),
        (
            "another image", .damaged(.strange, "media/00/0"),
            { try Data([1]).write(to: URL(fileURLWithPath: $0 + "/media/00/" + String(repeating: "0", count: 62))) }
        ),
        (
            "a strange file among images", .damaged(.strange, "media/00/x"),
            { try Data([1]).write(to: URL(fileURLWithPath: $0 + "/media/00/x")) }
        ),
        ("an edited manifest", .damaged(.fileDamaged, "manifest.json"), { try edit($0, "\"files\" : 3", "\"files\" : 2") }),
        ("an edited time", .damaged(.fileDamaged, "manifest.json"), { try edit($0, "\"created_at\" : \"2", "\"created_at\" : \"1") }),
        ("a further member", .damaged(.fileDamaged, "manifest.json"), { try edit($0, "{\n", "{\n  \"a\" : 1,\n") }),
        ("another format", .unknown("format 4"), { try edit($0, "\"format\" : 3", "\"format\" : 4") }),
        (
            "a manifest cut short", .damaged(.fileDamaged, "manifest.json"),
            { try Data("{".utf8).write(to: URL(fileURLWithPath: $0 + "/manifest.json")) }
        ),
    ]

    private static func edit(_ backup: String, _ old: String, _ new: String) throws {
        let url = URL(fileURLWithPath: backup + "/manifest.json")
        let text = try String(contentsOf: url, encoding: .utf8)
        try #require(text.contains(old))
        try Data(text.replacing(old, with: new).utf8).write(to: url)
    }

    @Test("A damaged backup is refused by name, and the target is as it was, also by force", arguments: damages.map(\.name))
    func damaged(_ name: String) async throws {
        let (_, refusal, damage) = try #require(Self.damages.first { $0.name == name })
        try await withBackup { backup, parent, _ in
            // Links would carry the damage into other tests' files; here they carry it nowhere.
            try damage(backup)
            try FileManager.default.createDirectory(atPath: parent + "/data", withIntermediateDirectories: true)
            let old = try await withStorage(in: parent + "/data") { open async throws in try await open.create("Old", images: 7...9) }
            let verdict = await result { () async throws(Failure) in
                try await DataFolderRestore(from: backup).verify { _ in }
            }
            for isForced in [false, true] {
                let target = parent + (isForced ? "/data" : "/new")
                let outcome = await result { () async throws(Failure) in
                    do {
                        try await restore(backup, into: target, isForced: isForced)
                    } catch {
                        throw Failure(storage: error)
                    }
                }
                // To verify alone is to be told the same.
                if case .failure(let failure) = outcome { #expect(verdict == .failure(failure)) }
                switch (refusal, outcome) {
                case (.damaged(let kind, let path), .failure(.damaged(.backup, let finding))):
                    #expect(finding.kind == kind && finding.subject.hasPrefix(path), "\(finding)")
                case (.noBackup, .failure(let failure)): #expect(failure == .folderUnusable(path: backup, .noBackup))
                case (.unknown(let what), .failure(let failure)): #expect(failure == .unknownBackup(what))
                default: throw Unexpected("\(outcome)")
                }
                #expect(try names(in: target).contains { $0.hasPrefix("restore") } == false)
            }
            #expect(try names(in: parent + "/new") == ["personas.lock"])
            try await withStorage(in: parent + "/data") { open async throws in
                #expect(try await open.items.find(old.id, mode: nil, accountID: old.accountID) == old)
                #expect(try await sound(open))
            }
        }
    }

    @Test("To verify alone makes nothing, not even a lock, and tells what a restore would bring")
    func verified() async throws {
        try await withBackup { backup, parent, _ in
            let before = try FileManager.default.subpathsOfDirectory(atPath: parent).sorted()
            let restore = try DataFolderRestore(from: backup)
            #expect(restore.version == nil, "a storage that was told of none")
            let report = try await restore.verify { _ in }
            #expect((report.directory, report.items, report.images) == (backup, 1, 3))
            #expect(try FileManager.default.subpathsOfDirectory(atPath: parent).sorted() == before)
            // Of several the operator names one.
            try FileManager.default.createDirectory(atPath: parent + "/several", withIntermediateDirectories: true)
            for name in ["2026-11-20T000000Z", "2026-11-21T000000Z"] {
                try FileManager.default.copyItem(atPath: backup, toPath: "\(parent)/several/\(name)")
            }
            try FileManager.default.createDirectory(atPath: parent + "/several/2026-11-22T000000Z", withIntermediateDirectories: true)
            #expect(throws: Failure.folderUnusable(path: parent + "/several/2026-11-21T000000Z", .holdsBackups)) {
                try DataFolderRestore(from: parent + "/several")
            }
        }
    }

    @Test("A backup from before manifests named a version and a data folder, or a key for secrets, is restored as ever", arguments: 1...2)
    func olderManifest(format: Int) async throws {
        try await withBackup { backup, parent, item in
            let path = backup + "/manifest.json"
            let manifest = try BackupManifest(parsing: try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(manifest.format == 3 && manifest.dataFolder != nil && manifest.secretsKey == nil)
            try manifest.older(format).write(to: URL(fileURLWithPath: path))
            _ = try await DataFolderRestore(from: backup).verify { _ in }
            try await restore(backup, into: parent + "/data")
            try await withStorage(in: parent + "/data") { open async throws in
                #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
            }
        }
    }

    @Test("A backup of a schema that this version does not know is refused")
    func newerSchema() async throws {
        try await withDataFolder { parent in
            try await withStorage { open async throws in
                try await open.execute("INSERT INTO migration (name, hash, applied_at) VALUES ('v9999_later', 'x', 0)")
                _ = try await open.backups.backup(to: parent + "/backup") { _ in }
            }
            #expect(throws: Failure.unknownBackup("migration v9999_later")) { try DataFolderRestore(from: parent + "/backup") }
        }
    }

    @Test("A target that holds anything is refused; by force its database, log and images are replaced, and nothing else")
    func force() async throws {
        try await withBackup { backup, parent, item in
            let target = parent + "/data"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            try await withStorage(in: target) { open async throws in
                _ = try await open.create("Old", images: 7...9)
                // As a crash leaves it, with the log beside it.
                for file in ["personas.sqlite", "personas.sqlite-wal"] {
                    try FileManager.default.copyItem(atPath: "\(target)/\(file)", toPath: "\(parent)/\(file)")
                }
            }
            for file in ["personas.sqlite", "personas.sqlite-wal"] {
                try? FileManager.default.removeItem(atPath: "\(target)/\(file)")
                try FileManager.default.moveItem(atPath: "\(parent)/\(file)", toPath: "\(target)/\(file)")
            }
            try Data([1]).write(to: URL(fileURLWithPath: target + "/notes.txt"))
            await #expect(throws: Failure.folderUnusable(path: target, .notEmpty)) { try await restore(backup, into: target) }
            try await restore(backup, into: target, isForced: true)
            #expect(try names(in: target) == ["media", "notes.txt", "personas.lock", "personas.sqlite"])
            try await withStorage(in: target) { open async throws in
                #expect(try await open.items.find(item.id, mode: nil, accountID: item.accountID) == item)
                #expect(try open.count("pikzonality") == 1)
                #expect(try await sound(open))
            }
        }
    }

    @Test(
        "Cut short after any step, a restore is finished by the process that opens the folder next; before the first, nothing has changed")
    func cutShort() async throws {
        try await withBackup { backup, parent, item in
            for stepsDone in -1...PendingRestore.steps.count {
                for hasOld in [false, true] {
                    let target = "\(parent)/data \(stepsDone) \(hasOld)"
                    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
                    var old: Pikzonality?
                    if hasOld {
                        old = try await withStorage(in: target) { open async throws in try await open.create("Old", images: 7...9) }
                    }
                    try await copyOfRestored(backup, parent, to: DataFolder(target).restoreIncomplete.path)
                    if stepsDone >= 0 {
                        try PendingRestore.commit(in: DataFolder(target))
                        for step in PendingRestore.steps.prefix(stepsDone) { try step(DataFolder(target)) }
                    }
                    try await withStorage(in: target) { open async throws in
                        #expect(try names(in: target).contains { $0.hasPrefix("restore") } == false)
                        let expected = stepsDone < 0 ? old : item
                        #expect(try open.count("pikzonality") == (expected == nil ? 0 : 1), "after \(stepsDone) steps")
                        if let expected {
                            #expect(try await open.items.find(expected.id, mode: nil, accountID: expected.accountID) == expected)
                        }
                        #expect(try await sound(open))
                        _ = try await open.create("Later", images: 20...22)
                    }
                }
            }
        }
    }

    @Test("A second restore takes up a first that was cut short, before and after it held")
    func again() async throws {
        try await withBackup { backup, parent, _ in
            let target = parent + "/data"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            try await copyOfRestored(backup, parent, to: DataFolder(target).restoreIncomplete.path)
            try await restore(backup, into: target)
            try await copyOfRestored(backup, parent, to: DataFolder(target).restoreIncomplete.path)
            try PendingRestore.commit(in: DataFolder(target))
            await #expect(throws: Failure.self) { try await restore(backup, into: target) }
            try await restore(backup, into: target, isForced: true)
            #expect(try names(in: target) == ["media", "personas.lock", "personas.sqlite"])
            try await withStorage(in: target) { open async throws in #expect(try await sound(open)) }
        }
    }

    /// Puts there what a restore builds before it takes over.
    private func copyOfRestored(_ backup: String, _ parent: String, to path: String) async throws {
        let made = "\(parent)/made-\(Identifier.random().text)"
        try await restore(backup, into: made)
        try FileManager.default.moveItem(atPath: made, toPath: path)
    }
}

extension BackupManifest {
    /// The document as the first format had it.
    fileprivate func older(_ format: Int) throws -> Data {
        var text = String(decoding: try document(), as: UTF8.self).replacing("\"format\" : 3", with: "\"format\" : \(format)")
        if format == 1 { text = text.replacing(/\ \ "data_folder" : "[^\n]*\n/, with: "") }
        text = text.replacing(checksum, with: "")
        let sum = hexadecimal(Array(SHA256.hash(data: Data(text.utf8))))
        return Data(text.replacing("\"checksum\" : \"\"", with: "\"checksum\" : \"\(sum)\"").utf8)
    }
}
