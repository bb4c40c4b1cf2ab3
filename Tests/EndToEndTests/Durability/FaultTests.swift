import Foundation
import NIOHTTP1
import TestImages
import TestSupport
import Testing

/// What a service does whose disk fails: it says so, keeps what it has acknowledged, goes on reading, and writes again when the disk does.
@Suite("Faults of the disk", .timeLimit(.minutes(10)))
struct FaultTests {
    /// Something that goes wrong, and what creating and changing answer meanwhile.
    private struct Fault {
        let action: FaultInjector.Action
        let call: FaultInjector.Call
        let target: FaultInjector.Target
        let create: Expectation
        let change: Expectation

        init(
            _ action: FaultInjector.Action, _ call: FaultInjector.Call, _ target: FaultInjector.Target, create: Expectation,
            change: Expectation
        ) {
            (self.action, self.call, self.target, self.create, self.change) = (action, call, target, create, change)
        }
    }

    private static let faults = [
        Fault(.fail(ENOSPC), .write, .media, create: .uploadFailed, change: .done),
        Fault(.fail(EIO), .write, .media, create: .uploadFailed, change: .done),
        Fault(.fail(EIO), .sync, .media, create: .uploadFailed, change: .done),
        Fault(.fail(EIO), .rename, .media, create: .uploadFailed, change: .done),
        Fault(.fail(EROFS), .create, .media, create: .uploadFailed, change: .done),
        Fault(.fail(EMFILE), .create, .media, create: .usedUp, change: .done),
        Fault(.fail(ENFILE), .create, .media, create: .usedUp, change: .done),
        Fault(.short, .write, .media, create: .done, change: .done),
        Fault(.fail(EIO), .unlink, .media, create: .done, change: .done),
        Fault(.fail(ENOSPC), .write, .database, create: .busy, change: .busy),
        Fault(.fail(EIO), .write, .database, create: .unknown, change: .unknown),
        Fault(.fail(EROFS), .write, .database, create: .unknown, change: .unknown),
        Fault(.short, .write, .database, create: .done, change: .done),
        Fault(.fail(EIO), .sync, .database, create: .unknown, change: .unknown),
        Fault(.fail(ENOSPC), .sync, .database, create: .unknown, change: .unknown),
    ]

    /// How often everything fails.
    private static let rounds = ProcessInfo.processInfo.environment["PERSONAS_FAULT_ROUNDS"].flatMap(Int.init) ?? 1

    @Test("Calls that fail or fall short give their code, lose nothing, and leave nothing behind; then all goes on without a restart")
    func failingCalls() async throws {
        try await FaultScene.run { scene in
            for number in 0..<Self.faults.count * Self.rounds {
                let fault = Self.faults[number % Self.faults.count]
                let name = "\(fault.action) of \(fault.call) of \(fault.target)"
                scene.faults.set(fault.action, on: [fault.call], of: [fault.target])
                try await scene.expectWrites("Fault \(number)", create: fault.create, change: fault.change, during: name)
                try await scene.expectReads(during: name)
                if fault.call == .unlink {
                    try await scene.deleteOne()
                    try await eventually("a removal that fails") { scene.faults.actedCount > 0 }
                } else {
                    #expect(scene.faults.actedCount > 0, "\(name) never happened")
                }
                scene.faults.clear()
                try await scene.expectRecovery("Fault \(number)", after: name)
            }
            #expect(try await scene.acknowledgedSurvives() == [])
        }
    }

    @Test("While no file can be opened, images answer 503 and come again, and what is in training is not given up for it")
    func noDescriptors() async throws {
        try await Stage.run { stage in
            let faults = try FaultInjector(stage)
            let service = try await stage.serve("--trainer", "worker", faults: faults)
            let key = try await stage.key()
            let id = try await service.client(key).create(name: "Waiting").id
            #expect(try await service.stop() == .status(0))

            faults.set(.fail(EMFILE), on: [.open], of: [.media])
            let other = try await stage.serve(faults: faults)
            let client = other.client(key)
            try await eventually("a try to train") { faults.actedCount > 0 }
            let refused = try await client.post("/v2/personas", ["name": "New", "image_base64s": Picture.threeBase64(seed: 1)])
            #expect(
                (refused.status, refused.code) == (503, "SERVICE_UNAVAILABLE") && refused.header("Retry-After") == "1", "\(refused.text)")
            #expect(try await client.get("/v2/personas/\(id)").json["status"] == "processing")
            faults.clear()
            let item = try await client.trained(id)
            #expect(item["status"] == "completed")
            let portrait = try #require(item["portrait_url"]?.string)

            faults.set(.fail(ENFILE), on: [.open], of: [.media])
            let image = try await client.get(portrait)
            #expect((image.status, image.code) == (503, "SERVICE_UNAVAILABLE") && image.header("Retry-After") == "1", "\(image.text)")
            faults.clear()
            #expect(try await client.get(portrait).body == Picture.three()[0])
            _ = try await client.create(name: "New", seed: 1)
        }
    }

    @Test("A write for which SQLite needs a temporary file is 69 and undone while no file can be opened, and done later")
    func noTemporaryFile() async throws {
        try await Stage.run { stage in
            try await Self.seed(stage)
            let faults = try FaultInjector(stage)
            let service = try await Self.serve(stage, faults)
            faults.set(.fail(EMFILE), on: [.create, .open], of: [.database])
            let refused = try await stage.command("accounts", "delete", "acme", "--yes")
            #expect(faults.actedCount > 0, "it needed no temporary file, which proves nothing")
            #expect(refused.exit == .status(69) && refused.error.contains("SERVICE_UNAVAILABLE"), "\(refused)")
            faults.clear()
            #expect(try await stage.command("list", "--limit", "1000", "--json").json.array?.count == 300)
            let deleted = try await stage.command("accounts", "delete", "acme", "--yes")
            #expect(deleted.exit == .status(0), "\(deleted)")
            #expect(try await service.stop() == .status(0))
        }
    }

    @Test("Creates and their training need no temporary file, which would be written anew for each operation of a group")
    func createsWithoutTemporaryFile() async throws {
        try await Stage.run { stage in
            try await Self.seed(stage)
            let faults = try FaultInjector(stage)
            let service = try await Self.serve(stage, faults)
            let client = service.client(try await stage.key())
            _ = try await client.trained(try await client.create(name: "First", seed: 0).id)
            faults.set(.fail(EMFILE), on: [.create, .open], of: [.database])
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 1...32 { group.addTask { try await client.create(name: "New \(number)", seed: number).id } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for id in ids { #expect(try await client.trained(id)["status"] == "completed") }
            #expect(faults.actedCount == 0)
        }
    }

    /// Enough items that one write touches many pages.
    private static func seed(_ stage: Stage) async throws {
        let item: (Int) -> JSONValue = {
            ["account": "acme", "name": .string("Item \($0)"), "images": ["a.png", "a.png", "a.png"], "outcome": "completed"]
        }
        let document: JSONValue = ["accounts": [["name": "acme"]], "personas": .array((0..<300).map(item))]
        try #require(try await stage.seed(document, images: ["a.png": Picture.png()]).exit == .status(0))
    }

    /// A service whose SQLite makes its temporary files where faults happen.
    private static func serve(_ stage: Stage, _ faults: FaultInjector) async throws -> RunningService {
        try await stage.serve([], environment: faults.environment.merging(["SQLITE_TMPDIR": stage.data]) { $1 })
    }

    @Test("A commit that failed at the disk does not come back after a crash without its images")
    func failedCommitComesBackWhole() async throws {
        try await FaultScene.run("--trainer", "worker") { scene in
            try await scene.expectWrites("Before", create: .done, change: .done, during: "no fault")
            scene.faults.set(.fail(EIO), on: [.sync], of: [.database], limit: 1)
            let answer = try await scene.create("Doubtful", seed: 7_000)
            #expect(answer.code == "INTERNAL_ERROR")
            let (path, status) = (Picture.three(seed: 7_000).map(scene.path(of:)), scene.service.process)
            try await eventually("the images of the failed create gone", detail: { status.standardError }) {
                !path.contains { FileManager.default.fileExists(atPath: $0) }
            }
            try await scene.service.process.kill()
            // The embedded trainer reads the images of every item that is still processing.
            #expect(try await scene.acknowledgedSurvives() == [])
        }
    }

    @Test(
        "On a full disk creating says UPLOAD_FAILED and changing 503, reading goes on; with room again all is as before",
        .enabled(if: isRoot, "only root can mount the small file system that this fills"))
    func fullDisk() async throws {
        try await FaultScene.run(diskBytes: 12 * 1_024 * 1_024) { scene in
            let filler = "\(scene.stage.data)/filler"
            try fill(filler)
            try await scene.expectWrites("Full", create: .uploadFailed, change: .busy, during: "full disk")
            try await scene.expectReads(during: "full disk")
            try FileManager.default.removeItem(atPath: filler)
            try await scene.expectRecovery("Full", after: "full disk")
            #expect(try await scene.acknowledgedSurvives() == [])
        }
    }

    /// Takes every byte that a file system has left.
    private func fill(_ path: String) throws {
        let descriptor = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        for size in [65_536, 4_096, 1] {
            let bytes = [UInt8](repeating: 1, count: size)
            while write(descriptor, bytes, size) > 0 {}
        }
        #expect(errno == ENOSPC)
    }

    @Test("In a folder that turned read-only creating says UPLOAD_FAILED; the open database is still written; then all is as before")
    func readOnlyFolder() async throws {
        // Root may write anywhere, so it gives that right away.
        let capabilities = "-dac_override,-dac_read_search"
        let launcher = isRoot ? ["/usr/bin/setpriv", "--bounding-set=\(capabilities)", "--inh-caps=\(capabilities)"] : []
        try await FaultScene.run(launcher: launcher) { scene in
            try setModes(below: scene.stage.data, folders: 0o500, files: 0o400)
            defer { try? setModes(below: scene.stage.data, folders: 0o700, files: 0o600) }
            try await scene.expectWrites("Closed", create: .uploadFailed, change: .done, during: "read-only folder")
            try await scene.expectReads(during: "read-only folder")
            try await scene.service.process.kill()
            let refused = try scene.stage.start(["serve", "--port", "0"], data: scene.stage.data, launcher: launcher)
            #expect(try await refused.exit() != .status(0))
            #expect(refused.standardError.contains(scene.stage.data), "\(refused.standardError)")
            try setModes(below: scene.stage.data, folders: 0o700, files: 0o600)
            #expect(try await scene.acknowledgedSurvives() == [])
        }
    }

    @Test("A folder that was read-only for a while takes images again without a restart")
    func readOnlyForAWhile() async throws {
        let capabilities = "-dac_override,-dac_read_search"
        let launcher = isRoot ? ["/usr/bin/setpriv", "--bounding-set=\(capabilities)", "--inh-caps=\(capabilities)"] : []
        try await FaultScene.run(launcher: launcher) { scene in
            try setModes(below: scene.stage.data, folders: 0o500, files: 0o400)
            try await scene.expectWrites("Closed", create: .uploadFailed, change: .done, during: "read-only folder")
            try setModes(below: scene.stage.data, folders: 0o700, files: 0o600)
            try await scene.expectRecovery("Closed", after: "read-only folder")
        }
    }

    private func setModes(below folder: String, folders: Int, files: Int) throws {
        let manager = FileManager.default
        let names = try manager.subpathsOfDirectory(atPath: folder)
        for path in [folder] + names.map({ "\(folder)/\($0)" }) {
            var isFolder: ObjCBool = false
            guard manager.fileExists(atPath: path, isDirectory: &isFolder) else { continue }
            try manager.setAttributes([.posixPermissions: isFolder.boolValue ? folders : files], ofItemAtPath: path)
        }
    }

    @Test("While another process has locked the database, writing says 503 and reading goes on; then all is as before")
    func lockedDatabase() async throws {
        try await FaultScene.run { scene in
            let lock = try DatabaseLock(path: "\(scene.stage.data)/personas.sqlite")
            // Beside the others, because every write waits for the lock as long as it may take at most.
            async let command = scene.stage.command("names", "reserve", "Locked")
            try await scene.expectWrites("Locked", create: .busy, change: .busy, during: "locked database")
            try await scene.expectReads(during: "locked database")
            let refused = try await command
            #expect(refused.exit == .status(69), "\(refused)")
            try lock.end()
            try await scene.expectRecovery("Locked", after: "locked database")
            #expect(try await scene.acknowledgedSurvives() == [])
        }
    }
}

private let isRoot = geteuid() == 0
