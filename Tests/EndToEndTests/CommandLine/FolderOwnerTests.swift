import Foundation
import TestImages
import TestSupport
import Testing

/// Root administers the data of a service that has a user of its own.
@Suite("A data folder of another user", .enabled(if: geteuid() == 0, "only root can make a folder another user's"), .timeLimit(.minutes(5)))
struct FolderOwnerTests {
    /// The user `nobody` of Debian, who owns nothing else.
    private static let owner: UInt32 = 65_534

    private static func ofOwner(_ body: (Stage) async throws -> Void) async throws {
        try await Stage.run { stage in
            // The owner has to come as far as its folder, as it does below /var/lib.
            #expect(chmod(stage.folder, 0o711) == 0)
            #expect(mkdir(stage.data, 0o700) == 0 && chown(stage.data, owner, owner) == 0)
            try await body(stage)
        }
    }

    /// What in the folder belongs to somebody else.
    private static func strangers(in folder: String) throws -> [String] {
        let files = FileManager.default
        return try files.subpathsOfDirectory(atPath: folder).filter {
            let attributes = try files.attributesOfItem(atPath: "\(folder)/\($0)")
            return attributes[.ownerAccountID] as? UInt32 != owner || attributes[.groupOwnerAccountID] as? UInt32 != owner
        }
    }

    @Test("All that root's commands make without a server is the owner's, and the owner's server goes on with it")
    func ownership() async throws {
        try await Self.ofOwner { stage in
            // Images that only root can read are read before root goes on as the owner.
            let pictures = ["1.png", "2.png", "3.png"]
            for (name, bytes) in zip(pictures, Picture.three(seed: 1)) { try stage.write(bytes, to: name) }
            for name in pictures { #expect(chmod("\(stage.folder)/\(name)", 0o600) == 0) }
            #expect(try await stage.command("migrate", "up").exit == .status(0))
            let key = try await stage.key()
            let created = try await stage.command(["create", "--account", "acme", "--mode", "persona", "--name", "Own"] + pictures)
            #expect(created.exit == .status(0), "\(created)")
            #expect(try await stage.command("maintenance", "on").exit == .status(0))
            #expect(try await stage.command("maintenance", "off").exit == .status(0))
            #expect(try Self.strangers(in: stage.data) == [])

            let launcher = ["/usr/bin/setpriv", "--reuid=\(Self.owner)", "--regid=\(Self.owner)", "--clear-groups"]
            let service = try await stage.serve([], launcher: launcher)
            let list = try await service.client(key).get("/v2/personas")
            #expect(list.json["data"]?.array?.count == 1, "\(list)")
            // Beside the server it is the server that does the work.
            #expect(try await stage.command("accounts", "create", "other").exit == .status(0))
            #expect(try await service.stop() == .status(0))
            #expect(try Self.strangers(in: stage.data) == [])
        }
    }

    @Test("What only root can read is read all the same: a seed with its images, and a backup that is restored")
    func rootsOwn() async throws {
        try await Self.ofOwner { stage in
            let closed = stage.folder + "/closed"
            #expect(mkdir(closed, 0o700) == 0 && mkdir(stage.folder + "/backups", 0o700) == 0)
            #expect(chown(stage.folder + "/backups", Self.owner, Self.owner) == 0)
            let item: JSONValue = ["account": "acme", "name": "Ann", "images": ["a.png", "a.png", "a.png"], "outcome": "completed"]
            let seed: JSONValue = ["accounts": [["name": "acme"]], "personas": [item]]
            try stage.write(seed.bytes, to: "closed/seed.json")
            try stage.write(Picture.png(), to: "closed/a.png")
            let seeded = try await stage.command("seed", "closed/seed.json")
            #expect(seeded.exit == .status(0), "\(seeded)")
            #expect(try await stage.command("backup", "backups/day").exit == .status(0))
            try FileManager.default.moveItem(atPath: stage.folder + "/backups/day", toPath: closed + "/day")
            for name in try FileManager.default.subpathsOfDirectory(atPath: closed) { #expect(lchown("\(closed)/\(name)", 0, 0) == 0) }
            let restored = try await stage.command("restore", "closed/day", "--force")
            #expect(restored.exit == .status(0), "\(restored)")
            #expect(try await stage.command("list", "--json").json.array?.count == 1)
            #expect(try await stage.command("check").exit == .status(0))
            #expect(try Self.strangers(in: stage.data) == [])
        }
    }

    @Test("Root's own server makes the owner's files, too")
    func server() async throws {
        try await Self.ofOwner { stage in
            let service = try await stage.serve("--demo")
            #expect(try await service.stop() == .status(0))
            #expect(try Self.strangers(in: stage.data) == [])
        }
    }
}
