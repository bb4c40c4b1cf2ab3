import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("The lock of the data folder", .timeLimit(.minutes(1)))
struct DataFolderLockTests {
    /// The command of util-linux, which takes the same lock from another process.
    static let flockPath = ["/usr/bin/flock", "/bin/flock"].first(where: FileManager.default.isExecutableFile)

    @Test("It is given once at a time and makes the folder, mode 0700")
    func once() async throws {
        try await withDataFolder { parent in
            let directory = parent + "/made/on the way"
            var first = try DataFolderLock.acquire(directory: directory)
            #expect(first != nil)
            #expect(try permissions(directory) == 0o700)
            #expect(try DataFolderLock.acquire(directory: directory) == nil)
            #expect(try DataFolderLock.acquire(directory: parent + "/another") != nil)
            withExtendedLifetime(first) {}
            first = nil
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
        }
    }

    @Test("Another process gets it only when it is free", .enabled(if: flockPath != nil))
    func otherProcessIsRefused() async throws {
        try await withDataFolder { directory in
            let lock = try #require(try DataFolderLock.acquire(directory: directory))
            #expect(try exitCode(["--nonblock", "\(directory)/personas.lock", "true"]) == 1)
            withExtendedLifetime(lock) {}
        }
    }

    @Test("It is free again once no process holds it", .enabled(if: flockPath != nil))
    func freed() async throws {
        try await withDataFolder { directory in
            let lock = try DataFolderLock.acquire(directory: directory)
            try #require(lock != nil)
            withExtendedLifetime(lock) {}
        }
        try await withDataFolder { directory in
            do { _ = try DataFolderLock.acquire(directory: directory) }
            #expect(try exitCode(["--nonblock", "\(directory)/personas.lock", "true"]) == 0)
        }
    }

    @Test("While another process has it none gets it, and its end frees it", .enabled(if: flockPath != nil))
    func otherProcessHolds() async throws {
        try await withDataFolder { directory in
            let holder = Process()
            let (input, output) = (Pipe(), Pipe())
            holder.executableURL = URL(fileURLWithPath: try #require(Self.flockPath))
            // `exec` makes the holder of the lock one process, which ends with its input.
            holder.arguments = ["--no-fork", "\(directory)/personas.lock", "/bin/sh", "-c", "echo held; exec cat"]
            holder.standardInput = input
            holder.standardOutput = output
            try holder.run()
            #expect(try output.fileHandleForReading.read(upToCount: 5) == Data("held\n".utf8))
            #expect(try DataFolderLock.acquire(directory: directory) == nil)
            try input.fileHandleForWriting.close()
            holder.waitUntilExit()
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
        }
    }

    @Test("A path that is no folder is an error of configuration")
    func notAFolder() async throws {
        try await withDataFolder { directory in
            try Data().write(to: URL(fileURLWithPath: directory + "/file"))
            #expect {
                try DataFolderLock.acquire(directory: directory + "/file")
            } throws: { error in
                guard case Failure.configuration(setting: "data", reason: _) = error else { return false }
                return true
            }
        }
    }

    @Test("A folder of ours that others may enter is closed to them", arguments: [0o755, 0o777, 0o750, 0o1777])
    func closed(mode: Int) async throws {
        try await withDataFolder { directory in
            try await withStorage(in: directory) { _ in }
            for hasDatabase in [true, false] {
                if !hasDatabase {
                    for name in try names(in: directory) { try FileManager.default.removeItem(atPath: "\(directory)/\(name)") }
                }
                try setMode(mode, directory)
                let lock = try #require(try DataFolderLock.acquire(directory: directory))
                #expect(try permissions(directory) == 0o700)
                #expect(try permissions(directory + "/personas.lock") == 0o600)
                withExtendedLifetime(lock) {}
            }
        }
    }

    @Test("A folder that others may enter and that holds what is not ours is refused by name, and stays as it is")
    func foreignFolder() async throws {
        try await withDataFolder { directory in
            try Data().write(to: URL(fileURLWithPath: directory + "/letter.txt"))
            try setMode(0o755, directory)
            try expectRefusal(directory, "other users may enter it")
            #expect(try permissions(directory) == 0o755)
            #expect(try names(in: directory) == ["letter.txt"])
            try setMode(0o700, directory)
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
        }
    }

    @Test("A process that locks the folder itself keeps none out, and is told of: a server of an older version may be at work")
    func lockedFolder() async throws {
        try await withDataFolder { directory in
            let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
            #expect(try DataFolderLock.acquire(directory: directory)?.isFolderLockedByAnother == true)
            close(descriptor)
            let lock = try #require(try DataFolderLock.acquire(directory: directory))
            #expect(!lock.isFolderLockedByAnother)
            let older = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(older) }
            #expect(flock(older, LOCK_EX | LOCK_NB) != 0, "an older version does not start beside this one")
            withExtendedLifetime(lock) {}
        }
    }

    @Test(
        "What was put in the place of the lock is refused, not followed", arguments: ["link", "dangling", "second name", "pipe", "folder"])
    func planted(kind: String) async throws {
        try await withDataFolder { parent in
            let (directory, other) = (parent + "/data", parent + "/other")
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let path = directory + "/personas.lock"
            if kind != "dangling" { try Data([1, 2, 3]).write(to: URL(fileURLWithPath: other)) }
            switch kind {
            case "link", "dangling": try #require(symlink(other, path) == 0)
            case "second name": try #require(link(other, path) == 0)
            case "pipe": try #require(mkfifo(path, 0o600) == 0)
            default: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            try expectRefusal(directory, "personas.lock")
            #expect(FileManager.default.fileExists(atPath: other) == (kind != "dangling"))
            if kind != "dangling" { #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == Data([1, 2, 3])) }
        }
    }

    @Test("A file of ours that others could open is closed to them")
    func openFile() async throws {
        try await withDataFolder { directory in
            try Data().write(to: URL(fileURLWithPath: directory + "/personas.lock"))
            try setMode(0o666, directory + "/personas.lock")
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
            #expect(try permissions(directory + "/personas.lock") == 0o600)
        }
    }

    @Test("The file stays when the lock ends; a folder with nothing else in it goes when told to, and what waited finds the next one")
    func stays() async throws {
        try await withDataFolder { parent in
            let directory = parent + "/data"
            do { _ = try DataFolderLock.acquire(directory: directory) }
            #expect(try names(in: directory) == ["personas.lock"])
            var lock = try DataFolderLock.acquire(directory: directory)
            // A process that opened the file before it went, and locks it after.
            let early = open(directory + "/personas.lock", O_RDWR | O_CLOEXEC)
            defer { close(early) }
            try Data().write(to: URL(fileURLWithPath: directory + "/letter.txt"))
            lock?.removeEmptyFolder()
            #expect(try names(in: directory) == ["letter.txt", "personas.lock"])
            try FileManager.default.removeItem(atPath: directory + "/letter.txt")
            lock?.removeEmptyFolder()
            #expect(!FileManager.default.fileExists(atPath: directory))
            lock = nil
            #expect(flock(early, LOCK_EX | LOCK_NB) == 0)
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
        }
    }

    private func expectRefusal(_ directory: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(sourceLocation: sourceLocation) {
            _ = try DataFolderLock.acquire(directory: directory)
        } throws: { error in
            guard case Failure.configuration(setting: "data", reason: let text) = error else { return false }
            return text.contains(directory) && text.contains(reason)
        }
    }

    private func setMode(_ mode: Int, _ path: String) throws { try #require(chmod(path, mode_t(mode)) == 0) }

    private func exitCode(_ arguments: [String]) throws -> Int32 {
        try Program.run(try #require(Self.flockPath), arguments).status
    }

    @Test("Whoever looks at a folder keeps others from locking it meanwhile, and makes nothing")
    func heldOff() async throws {
        try await withDataFolder { directory in
            #expect(throws: Failure.self) { try DataFolderLock.holdOff(directory: directory + "/missing") }
            #expect(try DataFolderLock.holdOff(directory: directory) != nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
            var lock = try DataFolderLock.acquire(directory: directory)
            try #require(lock != nil)
            #expect(try DataFolderLock.holdOff(directory: directory) == nil)
            withExtendedLifetime(lock) {}
            lock = nil
            var holds = [try #require(try DataFolderLock.holdOff(directory: directory))]
            holds.append(try #require(try DataFolderLock.holdOff(directory: directory)))
            #expect(try DataFolderLock.acquire(directory: directory) == nil)
            holds = []
            #expect(try DataFolderLock.acquire(directory: directory) != nil)
        }
    }
}
