import Foundation
import Synchronization
import TestImages
import TestSupport
import Testing

/// Backup, restore and check as an operator runs them.
@Suite("Backup, restore and check", .timeLimit(.minutes(10)))
struct BackupEndToEndTests {
    @Test("Beside a loaded server and without one: what was backed up is served again by another, and every check is content")
    func wholeTrip() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let key = try await stage.key()
            var kept: [JSONValue] = []
            for seed in 0..<5 {
                kept.append(try await service.client(key).trained(service.client(key).create(name: "Kept \(seed)", seed: seed).id))
            }
            let load = Load(service.client(key))
            for number in 0..<3 {
                // A path that means something only where the command runs.
                let backup = try await stage.command("backup", "backups/\(number)", "--json")
                #expect(backup.exit == .status(0), "\(backup)")
                #expect(backup.json.names == ["directory", "created_at", "items", "images", "image_bytes", "database_bytes", "retention"])
                #expect(backup.json["directory"] == .string("\(stage.folder)/backups/\(number)"))
                #expect(backup.error.isEmpty)
                let check = try await stage.command("check", "--json")
                #expect(check.exit == .status(0), "\(check)")
                #expect(check.json["sound"] == true && check.json["findings"] == [])
            }
            try await load.end()
            #expect(load.answers > 10, "too little happened for this to prove anything")
            #expect(try await service.stop() == .status(0))
            #expect(try await stage.command("backup", "backups/alone").exit == .status(0))
            #expect(try await stage.command("check").exit == .status(0))

            for name in ["0", "1", "2", "alone"] {
                let restored = try stage.start(["restore", "backups/\(name)", "--json"], data: "restored-\(name)")
                let result = try await CommandResult(of: restored, ["restore"])
                #expect(result.exit == .status(0), "\(result)")
                let check = try await CommandResult(of: stage.start(["check", "--json"], data: "restored-\(name)"), ["check"])
                #expect(check.exit == .status(0) && check.json["sound"] == true, "\(check)")
                let other = try await RunningService(stage.start(["serve", "--port", "0"], data: "restored-\(name)"))
                for (seed, item) in kept.enumerated() {
                    let found = try await other.client(key).get("/v2/personas/\(item["id"]?.string ?? "")")
                    #expect(found.json["name"] == item["name"])
                    let sent = Picture.three(seed: seed)
                    for (url, bytes) in zip(Ledger.urls(of: found.json), [sent[0]] + sent) {
                        #expect(try await other.client().get(url).body == bytes)
                    }
                }
                #expect(try await other.stop() == .status(0))
            }
        }
    }

    @Test("Backups taken while the server is killed at random are whole and restore to a sound state, or are no backups")
    func crashes() async throws {
        try await Stage.run { stage in
            var random = SplitMix64(seed: 20_261_121)
            let key = try await stage.key()
            var whole = 0
            for round in 0..<8 {
                let service = try await stage.serve("--lease-seconds", "2")
                let load = Load(service.client(key), seed: round * 1_000)
                try await eventually("some load") { load.answers > 5 }
                let backup = try stage.start(["backup", "backup-\(round)"], data: stage.data)
                let pause = Duration.milliseconds(Int.random(in: 20..<1_500, using: &random))
                if round % 2 == 0 { try await Task.sleep(for: pause) } else { _ = try await backup.exit() }
                try await service.process.kill()
                load.stop()
                let exit = try await backup.exit()
                let target = "restored-\(round)"
                let restore = try await CommandResult(of: stage.start(["restore", "backup-\(round)"], data: target), ["restore"])
                guard restore.exit == .status(0) else {
                    #expect(exit != .status(0) && restore.exit == .status(1), "\(backup.standardError) \(restore)")
                    continue
                }
                whole += 1
                let check = try await CommandResult(of: stage.start(["check", "--json"], data: target), ["check"])
                #expect(check.exit == .status(0) && check.json["sound"] == true, "\(check)")
            }
            #expect(whole >= 1, "no backup was whole, which proves nothing")
            // The killed server's own data are made good by one repair, whatever the kills left behind.
            let repaired = try await stage.command("check", "--repair", "--json")
            #expect(repaired.exit == .status(0), "\(repaired)")
            #expect(try await stage.command("check").exit == .status(0))
        }
    }

    @Test("Killed at any moment, a forced restore leaves the old state or the new one, and both are sound")
    func killedRestore() async throws {
        try await Stage.run { stage in
            let names = ["Old", "New"]
            for name in names {
                let item: JSONValue = [
                    "account": "acme", "name": .string(name), "images": ["a.png", "a.png", "a.png"], "outcome": "completed",
                ]
                let seed: JSONValue = ["accounts": [["name": "acme"]], "personas": [item]]
                try stage.write(Picture.png(), to: "a.png")
                try stage.write(seed.bytes, to: "seed.json")
                for arguments in [["seed", "seed.json"], ["backup", name]] {
                    let result = try await CommandResult(of: stage.start(arguments, data: "data-\(name)"), arguments)
                    try #require(result.exit == .status(0), "\(result)")
                }
            }
            _ = try await stage.command("restore", "Old")
            var (random, current, outcomes) = (SplitMix64(seed: 7), "Old", Set<String>())
            for round in 0..<16 {
                let next = names.first { $0 != current } ?? ""
                let process = try stage.start(["restore", next, "--force"], data: stage.data)
                // Two of four at the ends, so that both outcomes are seen however fast the machine is.
                switch round % 4 {
                case 0: break
                case 1: _ = try await process.exit()
                default: try await Task.sleep(for: .milliseconds(Int.random(in: 0..<1_500, using: &random)))
                }
                process.signal(SIGKILL)
                _ = try await process.exit()
                let check = try await stage.command("check", "--json")
                #expect(check.exit == .status(0), "\(check)")
                let found = try await stage.command("list", "--json").json
                let name = try #require(found[0]?["name"]?.string)
                #expect(found.array?.count == 1 && (name == current || name == next), "\(found)")
                outcomes.insert(name == current ? "kept" : "replaced")
                current = name
                #expect(try FileManager.default.contentsOfDirectory(atPath: stage.data).contains { $0.hasPrefix("restore") } == false)
            }
            #expect(outcomes == ["kept", "replaced"])
        }
    }

    @Test("A backup is on disk, with all its folders, before its manifest says that it is whole")
    func durableBackup() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            _ = try await service.client(try await stage.key()).create(name: "Kept", seed: 1)
            #expect(try await service.stop() == .status(0))
            let faults = try FaultInjector(stage, folder: "backup", isTracing: true)
            let result = try await stage.command("backup", "backup", environment: faults.environment)
            try #require(result.exit == .status(0), "\(result)")
            let root = try #require(faults.environment["FAULTS_FOLDER"])
            var (syncs, synced, isWhole) = ([Int: String](), [String](), false)
            for event in try TraceEvent.read(try #require(faults.trace)) {
                switch event {
                case .syncBegin(let path, let number): syncs[number] = path
                case .syncEnd(let number): synced.append(try #require(syncs[number]))
                case .rename(_, let goal) where goal == root + "/manifest.json":
                    let folders = (0...255).map { "\(root)/media/" + String(format: "%02x", $0) } + ["\(root)/media", root]
                    let files = ["personas.sqlite", "SHA256SUMS", "manifest.json.new"].map { "\(root)/\($0)" }
                    #expect(Set(folders + files).subtracting(synced) == [], "not synced before the manifest's rename")
                    isWhole = true
                    synced = []
                default: break
                }
            }
            #expect(isWhole && synced.contains(root), "the manifest's name is on disk when the command ends")
        }
    }

    @Test("A deleted item's bytes leave the disk of a running server, and check proves it")
    func deletion() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            let id = try await client.create(name: "Gone", seed: 1).id
            _ = try await client.trained(id)
            #expect(try await stage.command("check", "--json").json["counts"]?["files"] == 3)
            #expect(try await client.delete("/v2/personas/\(id)").status == 200)
            try await eventually("the end of the bytes", within: .seconds(20)) {
                let check = try await stage.command("check", "--json")
                try #require(check.exit == .status(0), "\(check)")
                return check.json["counts"]?["files"] == 0 && check.json["counts"]?["pending_removals"] == 0
            }
            #expect(try Self.files(below: stage.data + "/media").isEmpty)
        }
    }

    @Test("check finds damage and orphans beside a server as without one; --repair removes what nothing needs, and hides no damage")
    func findings() async throws {
        try await Stage.run { stage in
            let service = try await stage.serve()
            let client = service.client(try await stage.key())
            _ = try await client.trained(try await client.create(name: "Kept", seed: 1).id)
            let orphan = "media/00/" + String(repeating: "0", count: 62)
            let image = try #require(try Self.files(below: stage.data + "/media").first)
            for isServed in [true, false] {
                if !isServed { #expect(try await service.stop() == .status(0)) }
                try stage.write([1], to: "data/\(orphan)")
                let found = try await stage.command("check", "--json")
                #expect(found.exit == .status(1), "\(found)")
                #expect(found.json["sound"] == false)
                #expect(found.json["findings"]?[0]?["kind"] == "file_orphaned")
                #expect(found.json["findings"]?[0]?["subject"] == .string(orphan))
                #expect(found.json["findings"]?[0]?.names == ["kind", "subject", "detail", "repaired"])
                #expect(found.error.contains("not sound: 1 finding"))
                #expect(try await stage.command("check").output.contains("file_orphaned"))
                let repaired = try await stage.command("check", "--repair", "--json")
                #expect(repaired.exit == .status(0) && repaired.json["counts"]?["repaired"] == 1, "\(repaired)")
                #expect(!FileManager.default.fileExists(atPath: "\(stage.data)/\(orphan)"))
                #expect(try await stage.command("check").exit == .status(0))
            }
            try FileManager.default.removeItem(atPath: image)
            for arguments in [["check"], ["check", "--repair"], ["check"]] {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(1) && result.output.contains("file_missing"), "\(result)")
            }
            let backup = try await stage.command("backup", "damaged")
            #expect(backup.exit == .status(1) && backup.error.contains("is missing"), "\(backup)")
            #expect(!FileManager.default.fileExists(atPath: stage.folder + "/damaged"))
        }
    }

    @Test("Exit codes and refusals: running target, full target, no backup, damage, no data, wrong usage")
    func refusals() async throws {
        try await Stage.run { stage in
            for command in [["check"], ["backup", "none"]] {
                let missing = try await stage.command(command)
                #expect(missing.exit == .status(69) && missing.error.contains("there is no database"), "\(missing)")
            }
            #expect(!FileManager.default.fileExists(atPath: stage.data))
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            #expect(try await stage.command("backup", "backup").exit == .status(0))
            #expect(try await stage.command("backup", "backup").error.contains("not empty"))
            let service = try await stage.serve()
            for arguments in [["restore", "backup"], ["restore", "backup", "--force"]] {
                let running = try await stage.command(arguments)
                #expect(running.exit == .status(69) && running.error.contains("in use"), "\(running)")
            }
            #expect(try await service.stop() == .status(0))
            try stage.write([1], to: "file")
            let table: [(Int32, [String], String)] = [
                (1, ["restore", "backup"], "--force"), (1, ["restore", "nowhere"], "nowhere"), (1, ["restore", "."], "manifest.json"),
                (1, ["backup", "backup"], "not empty"), (1, ["backup", "data/backup"], "outside of the data folder"),
                (1, ["backup", "file"], "file"), (1, ["backup", "file/below"], "file"),
                (64, ["backup"], "DIR"), (64, ["restore"], "DIR"), (64, ["check", "more"], "more"),
            ]
            for (code, arguments, words) in table {
                let result = try await stage.command(arguments)
                #expect(result.exit == .status(code) && result.output.isEmpty && result.error.contains(words), "\(result)")
            }
            let image = try #require(try Self.files(below: stage.folder + "/backup/media").first)
            try FileManager.default.removeItem(atPath: image)
            for arguments in [["restore", "backup"], ["restore", "backup", "--force"]] {
                let result = try await CommandResult(of: stage.start(arguments, data: "new"), arguments)
                #expect(result.exit == .status(1) && result.error.contains("is missing"), "\(result)")
                #expect(!FileManager.default.fileExists(atPath: stage.folder + "/new"))
            }
            #expect(try await stage.command("restore", "backup", "--force").exit == .status(1))
            #expect(try await stage.command("check").exit == .status(0), "the target is as it was")
        }
    }

    @Test("An interrupted backup leaves nothing behind, beside a server and without one", arguments: [true, false])
    func interrupted(isServed: Bool) async throws {
        try await Stage.run { stage in
            #expect(try await stage.command("seed", "demo").exit == .status(0))
            let service = isServed ? try await stage.serve() : nil
            if let service { try await Self.fillUntilBackupsTakeLong(service.client(try await stage.key()), stage) }
            for attempt in 0..<20 {
                let folder = "\(stage.folder)/backup-\(attempt)"
                let command = try stage.start(["backup", folder], data: stage.data)
                // The process that does the work is stopped in its midst, and goes on when the command was told to end.
                let worker = service?.process ?? command
                try await eventually("the beginning") {
                    FileManager.default.fileExists(atPath: folder + "/personas.sqlite") || command.exit != nil
                }
                worker.signal(SIGSTOP)
                command.signal(SIGINT)
                if isServed { _ = try await command.exit() }
                worker.signal(SIGCONT)
                let exit = try await command.exit()
                // It may have been faster than this test: then it is whole.
                if exit == .status(0) || FileManager.default.fileExists(atPath: folder + "/manifest.json") { continue }
                #expect(exit == .status(1), "\(command.standardError)")
                try await eventually("the end of what was begun") {
                    !FileManager.default.fileExists(atPath: folder) || FileManager.default.fileExists(atPath: folder + "/manifest.json")
                }
                if FileManager.default.fileExists(atPath: folder) { continue }
                #expect(try await stage.command("backup", folder).exit == .status(0))
                return
            }
            Issue.record("no backup could be interrupted")
        }
    }

    /// Makes items until a backup takes half a second: a server sees within a fifth of one that the command listens no more.
    private static func fillUntilBackupsTakeLong(_ client: Client, _ stage: Stage) async throws {
        for round in 0..<12 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for number in 0..<50 {
                            let seed = (round * 8 + worker) * 50 + number
                            _ = try await client.create(name: "Item \(seed)", seed: 1_000 + seed)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let start = ContinuousClock.now
            #expect(try await stage.command("backup", "\(stage.folder)/trial-\(round)").exit == .status(0))
            if start.duration(to: .now) > .milliseconds(700) { return }
        }
    }

    /// All files below a folder.
    private static func files(below folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).map { "\(folder)/\($0)" }.filter {
            try FileManager.default.attributesOfItem(atPath: $0)[.type] as? FileAttributeType == .typeRegular
        }.sorted()
    }
}

/// Clients that create and delete items until they are told to end.
private final class Load: Sendable {
    private final class State: Sendable {
        let isOver = Atomic(false)
        let answers = Atomic(0)
    }

    private let state = State()
    private let task: Task<Void, any Error>

    /// Answers that came.
    var answers: Int { state.answers.load(ordering: .relaxed) }

    init(_ client: Client, seed: Int = 0) {
        let state = state
        task = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask { try await Self.work(client, "\(seed) \(worker)", seed: seed + worker * 100, state) }
                }
                try await group.waitForAll()
            }
        }
    }

    /// Tells the clients to end, whatever comes of their calls.
    func stop() { state.isOver.store(true, ordering: .relaxed) }

    /// Waits for their end, and fails if any call did.
    func end() async throws {
        stop()
        try await task.value
    }

    private static func work(_ client: Client, _ label: String, seed: Int, _ state: State) async throws {
        var number = 0
        while !state.isOver.load(ordering: .relaxed) {
            number += 1
            let id = try await client.create(name: "\(label) \(number)", seed: seed + number % 100).id
            _ = try await client.trained(id)
            if number % 4 > 0 { try #require(try await client.delete("/v2/personas/\(id)").status == 200) }
            state.answers.add(1, ordering: .relaxed)
        }
    }
}
