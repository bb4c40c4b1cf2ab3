import Foundation
import TestImages
import TestSupport
import Testing

/// Backups that a timer takes: `backup --keep`, and what becomes of them when something goes wrong.
@Suite("Kept backups", .timeLimit(.minutes(10)))
struct KeptBackupsEndToEndTests {
    /// The names of the backups that look whole, which have to be.
    private static func whole(_ stage: Stage) throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: stage.folder + "/backups").sorted()
        let dated = names.filter { $0.hasSuffix("Z") }
        for name in dated {
            #expect(FileManager.default.fileExists(atPath: "\(stage.folder)/backups/\(name)/manifest.json"), "\(name) is not whole")
        }
        return dated
    }

    private static func partial(_ stage: Stage) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: stage.folder + "/backups").filter { $0.hasSuffix(".partial") }
    }

    private static func verify(_ names: [String], _ stage: Stage) async throws {
        for name in names {
            let result = try await stage.bareCommand("restore", "backups/\(name)", "--verify-only")
            #expect(result.exit == .status(0) && result.output.contains("\nsound: "), "\(result)")
        }
    }

    @Test("The newest are kept, beside a server and without one; a restore names which, and verifying needs no data")
    func keep() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            #expect(try await stage.command("backup", "backups", "--keep", "2").exit == .status(0))
            let service = try await stage.serve()
            try stage.write([1], to: "backups/notes")
            for _ in 0..<2 { #expect(try await stage.command("backup", "backups", "--keep", "2").exit == .status(0)) }
            #expect(try await service.stop() == .status(0))
            let before = try Self.whole(stage)
            let last = try await stage.command("backup", "backups", "--keep", "2", "--json")
            #expect(last.exit == .status(0) && last.error.isEmpty, "\(last)")
            #expect(
                last.json.names == [
                    "directory", "created_at", "items", "images", "image_bytes", "database_bytes", "retention",
                ])
            let retention = try #require(last.json["retention"])
            #expect(retention["keep"] == 2 && retention["left_count"] == 1 && retention["left"]?[0]?["name"] == "notes")
            #expect(retention["removed"] == [.string(before[0])])
            let after = try Self.whole(stage)
            #expect(retention["kept"]?.array == after.map { .string($0) })
            #expect(before.count == 2 && after.count == 2)
            try await Self.verify(after, stage)

            let several = try await stage.command("restore", "backups", "--force")
            #expect(several.exit == .status(1) && several.error.contains("the newest is \(stage.folder)/backups/"), "\(several)")
            let table: [([String], Int32, String)] = [
                (["backup", "backups", "--keep", "0"], 64, "--keep"), (["backup", "backups", "--keep", "x"], 64, "keep"),
                (["backup", "backups"], 1, "--keep N"), (["backup", "backups/\(before[1])", "--keep", "1"], 1, "is a backup itself"),
                (["backup", "data/backups", "--keep", "1"], 1, "outside of the data folder"),
                (["restore", "backups/\(before[1])", "--force", "--verify-only"], 64, "--verify-only"),
                (["restore", "nowhere", "--verify-only"], 1, "nowhere"), (["restore", "backups", "--verify-only"], 1, "name one"),
            ]
            for (arguments, status, words) in table {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(status) && result.error.contains(words) && result.output.isEmpty, "\(result)")
            }
            // Nothing is looked at but the backup.
            let elsewhere = try await CommandResult(
                of: stage.start(["restore", "backups/\(before[1])", "--verify-only", "--json"], data: "nowhere/at/all"), ["restore"])
            #expect(elsewhere.exit == .status(0) && elsewhere.json["items"] == 3, "\(elsewhere)")
            #expect(!FileManager.default.fileExists(atPath: stage.folder + "/nowhere"))
            let files = try FileManager.default.subpathsOfDirectory(atPath: "\(stage.folder)/backups/\(before[1])/media")
            let image = try #require(files.first { $0.utf8.count > 60 })
            try FileManager.default.removeItem(atPath: "\(stage.folder)/backups/\(before[1])/media/\(image)")
            let damaged = try await stage.bareCommand("restore", "backups/\(before[1])", "--verify-only")
            #expect(damaged.exit == .status(1) && damaged.error.contains("not sound: ") && damaged.error.contains(image), "\(damaged)")
        }
    }

    @Test("Killed at any call there are never fewer whole ones than before, and the next call clears up and goes on")
    func killed() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            for _ in 0..<2 { #expect(try await stage.command("backup", "backups", "--keep", "2").exit == .status(0)) }
            let faults = try FaultInjector(stage, folder: "backups")
            let calls: [(FaultInjector.Call, [Int])] = [
                (.rename, [1, 2, 3]), (.unlink, [1, 3, 5, 8, 12, 16]), (.sync, [1, 5, 262, 265]), (.create, [1, 3]), (.write, [4]),
            ]
            var (kills, leftovers) = (0, 0)
            for (call, numbers) in calls {
                for (index, number) in numbers.enumerated() {
                    faults.set(index.isMultiple(of: 2) ? .killBefore : .killAfter, on: [call], of: [.database, .media], from: number)
                    let result = try await stage.command(["backup", "backups", "--keep", "2"], environment: faults.environment)
                    faults.clear()
                    if result.exit != .status(0) { kills += 1 }
                    leftovers += try Self.partial(stage).count
                    #expect(try Self.whole(stage).count >= 2, "\(call) \(number)")
                }
            }
            #expect(kills > 10 && leftovers > 5, "too little happened for this to prove anything")
            try await Self.verify(try Self.whole(stage), stage)
            #expect(try await stage.command("backup", "backups", "--keep", "2").exit == .status(0))
            #expect(try Self.partial(stage) == [])
            #expect(try Self.whole(stage).count == 2)
            try await Self.verify(try Self.whole(stage), stage)
        }
    }

    @Test("On a full disk nothing whole goes, nothing is left, and the disk is said to be full")
    func fullDisk() async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            for _ in 0..<2 { #expect(try await stage.command("backup", "backups", "--keep", "2").exit == .status(0)) }
            let before = try Self.whole(stage)
            let faults = try FaultInjector(stage, folder: "backups")
            for number in [1, 2, 4] {
                faults.set(.fail(ENOSPC), on: [.write], of: [.database, .media], from: number)
                let result = try await stage.command(["backup", "backups", "--keep", "1"], environment: faults.environment)
                #expect(result.exit == .status(1) && result.error.contains("is full"), "\(number): \(result)")
                #expect(try Self.whole(stage) == before)
                #expect(try Self.partial(stage) == [])
            }
            faults.clear()
        }
    }
}
