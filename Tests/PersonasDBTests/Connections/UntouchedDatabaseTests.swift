import Foundation
import GRDB
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("Looking at the migrations of a folder that nobody works on", .timeLimit(.minutes(1)))
struct UntouchedDatabaseTests {
    /// Every name below a folder with what would show that it was touched.
    private func state(_ directory: String) throws -> [String: String] {
        var state: [String: String] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: directory) + [""] {
            var status = stat()
            try #require(lstat("\(directory)/\(name)", &status) == 0)
            let bytes = FileManager.default.contents(atPath: "\(directory)/\(name)") ?? Data()
            state[name] =
                "\(status.st_mode) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) \(bytes.hashValue)"
        }
        return state
    }

    private func expectLeftAlone(_ directory: String, applied: Int) throws {
        let before = try state(directory)
        let reports = try Storage.migrations(in: directory)
        #expect(reports.map(\.name) == Storage.migrationNames)
        #expect(reports.count { $0.state == .applied } == applied)
        #expect(try state(directory) == before)
    }

    @Test("tells them as they are and leaves no trace, whatever the folder is called", arguments: ["data", "a b?mode=rw&c#d%20é"])
    func closed(name: String) async throws {
        try await withDataFolder { parent in
            let directory = "\(parent)/\(name)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            // An empty file is an empty database.
            try Data().write(to: URL(fileURLWithPath: directory + "/personas.sqlite"))
            try expectLeftAlone(directory, applied: 0)
            try await withStorage(in: directory) { _ in }
            try expectLeftAlone(directory, applied: Storage.migrationNames.count)
        }
    }

    @Test("counts what a killed process left in the log, with and without its index", arguments: [true, false])
    func leftLog(withIndex: Bool) async throws {
        try await withDataFolder { parent in
            let (directory, copy) = (parent + "/data", parent + "/copy")
            for folder in [directory, copy] { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
            try await withStorage(in: directory) { _ in
                // As the files lie there when the process is gone in this moment.
                for end in ["", "-wal"] + (withIndex ? ["-shm"] : []) {
                    try FileManager.default.copyItem(
                        atPath: "\(directory)/personas.sqlite\(end)", toPath: "\(copy)/personas.sqlite\(end)")
                }
            }
            let log = try #require(FileManager.default.contents(atPath: copy + "/personas.sqlite-wal"))
            #expect(!log.isEmpty)
            try expectLeftAlone(copy, applied: Storage.migrationNames.count)
            // All of it is still there for the next opening.
            try await withStorage(in: copy, migrated: false) { open in
                let reports = try await open.storage.schema.migrations()
                #expect(reports.allSatisfy { $0.state == .applied })
            }
        }
    }

    @Test("tells those of a restored state that waits for the next opening")
    func pendingRestore() async throws {
        try await withDataFolder { directory in
            try FileManager.default.createDirectory(atPath: directory + "/restore.complete", withIntermediateDirectories: true)
            try await withStorage(in: directory + "/restore.complete") { _ in }
            try Data().write(to: URL(fileURLWithPath: directory + "/personas.sqlite"))
            try expectLeftAlone(directory, applied: Storage.migrationNames.count)
        }
    }

    @Test("fails for a file that is no database, and leaves that as well")
    func noDatabase() async throws {
        try await withDataFolder { directory in
            try Data(repeating: 0x2A, count: 8_192).write(to: URL(fileURLWithPath: directory + "/personas.sqlite"))
            let before = try state(directory)
            #expect(throws: Failure.self) { try Storage.migrations(in: directory) }
            #expect(try state(directory) == before)
        }
    }

    @Test("A folder has a database where there is one, where a restore left one, and where nobody may look")
    func presence() async throws {
        try await withDataFolder { parent in
            #expect(!DataFolder(parent + "/missing").hasDatabase)
            #expect(!DataFolder(parent).hasDatabase)
            #expect(try FileManager.default.contentsOfDirectory(atPath: parent) == [])
            try FileManager.default.createDirectory(atPath: parent + "/restored/restore.complete", withIntermediateDirectories: true)
            #expect(DataFolder(parent + "/restored").hasDatabase)
            try Data().write(to: URL(fileURLWithPath: parent + "/personas.sqlite"))
            #expect(DataFolder(parent).hasDatabase)
            // What it is if not missing, its opening says.
            #expect(DataFolder(parent + "/personas.sqlite").hasDatabase)
        }
    }
}
