import Foundation
import Personas
import TestSupport
import Testing

@testable import PersonasDB

@Suite("The key for secrets", .timeLimit(.minutes(1)))
struct SecretsKeyTests {
    private func key(_ folder: String, hasSecrets: Bool = false) -> SecretsKeyFile {
        SecretsKeyFile(path: "\(folder)/secrets.key") { hasSecrets }
    }

    private func text(_ folder: String) throws -> String { try String(contentsOfFile: "\(folder)/secrets.key", encoding: .utf8) }

    @Test("It is made at first need, for nobody else to read, and opens for one endpoint alone", arguments: House.all)
    func made(on house: House) async throws {
        try await withDataFolder(on: house) { folder in
            let (one, other) = (Identifier.random(), Identifier.random())
            let first = key(folder)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/secrets.key"))
            let sealed = try first.seal(.fixture, for: one)
            var status = stat()
            #expect(stat("\(folder)/secrets.key", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(try key(folder).open(sealed, for: one) == .fixture)
            #expect(throws: Failure.self) { try key(folder).open(sealed, for: other) }
            #expect(try first.seal(.fixture, for: one) != sealed)
            #expect(!Data(sealed.bytes).base64EncodedString().contains(Data(WebhookSecret.fixture.bytes).base64EncodedString()))
        }
    }

    @Test("A server learns at its start whether there can be one, and whether the one is there that it needs", arguments: House.all)
    func usable(on house: House) async throws {
        try await withDataFolder(on: house) { folder in
            #expect(try key(folder).isUsable())
            #expect(try !key(folder, hasSecrets: true).isUsable())
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/secrets.key"))
            #expect(throws: Failure.self) { try key("\(folder)/missing").isUsable() }
            _ = try key(folder).seal(.fixture, for: .random())
            #expect(try key(folder, hasSecrets: true).isUsable())
            chmod("\(folder)/secrets.key", 0o644)
            #expect(throws: Failure.self) { try key(folder).isUsable() }
        }
    }

    @Test("What cannot be the key is not replaced by another", arguments: House.all)
    func unusable(on house: House) async throws {
        try await withDataFolder(on: house) { folder in
            #expect(throws: Failure.self) { try key(folder, hasSecrets: true).seal(.fixture, for: .random()) }
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/secrets.key"))
            for (content, mode) in [("short", 0o600), (Data(count: 32).base64EncodedString(), 0o644), ("", 0o600)] {
                try Data(content.utf8).write(to: URL(fileURLWithPath: "\(folder)/secrets.key"))
                chmod("\(folder)/secrets.key", mode_t(mode))
                #expect(throws: Failure.self) { try key(folder).seal(.fixture, for: .random()) }
                #expect(try text(folder) == content)
            }
        }
    }

    @Test("A rotation that ends at any moment leaves everything to be opened, and is gone on with", arguments: House.all)
    func rotation(on house: House) async throws {
        try await withDataFolder(on: house) { folder in
            let id = Identifier.random()
            let sealed = try key(folder).seal(.fixture, for: id)
            let before = try text(folder)
            let broken = key(folder)
            try broken.beginRotation()
            let again = try broken.seal(.fixture, for: id)
            // Another process, after a kill.
            let next = key(folder)
            for secret in [sealed, again] { #expect(try next.open(secret, for: id) == .fixture) }
            #expect(!next.isCurrent(sealed))
            #expect(next.isCurrent(again))
            let both = try text(folder)
            try next.beginRotation()
            #expect(try text(folder) == both, "the key that was begun with is the new one")
            try next.endRotation()
            #expect(try text(folder) != before)
            #expect(try next.open(sealed, for: id) == .fixture, "whoever read it just before")
            #expect(throws: Failure.self) { try key(folder).open(sealed, for: id) }
            #expect(try key(folder).open(again, for: id) == .fixture)
        }
    }

    @Test("Rotating seals every secret anew, and tells the audit", arguments: House.all)
    func rotated(on house: House) async throws {
        try await withStorage(on: house) { open in
            let account = try await open.account()
            let endpoint = try await open.webhook(of: account)
            _ = try await open.storage.webhooks.rotate(
                endpoint.reference, to: try open.storage.secrets.seal(.random(), for: endpoint.id), previousUntil: .second(100), if: .none,
                in: WriteContext(at: .second(1)))
            let before = try await open.storage.webhooks.target(endpoint.reference, at: .second(2)).secrets
            let secrets = try before.map { try open.storage.secrets.open($0, for: endpoint.id) }
            let note = AuditNote<Int>(.webhooksRotateSecretsKey, by: Operator(uid: 7)) { ["\($0)"] }
            let count = try await open.storage.secretsKeyRotation.rotate(in: WriteContext(at: .second(2), audit: note)) { _ in }
            #expect(count == 1)
            let after = try await open.storage.webhooks.target(endpoint.reference, at: .second(2)).secrets
            #expect(after != before)
            let fresh = key(open.directory)
            #expect(try after.map { try fresh.open($0, for: endpoint.id) } == secrets)
            #expect(throws: Failure.self) { try fresh.open(before[0], for: endpoint.id) }
            #expect(
                try await open.storage.audit.entries(since: nil, after: nil, limit: 9).rows.first?.action == "webhooks.rotate-secrets-key")
        }
    }

    @Test("A backup has it, and a restore brings it with it")
    func restored() async throws {
        try await withDataFolder { folder in
            let (backup, target) = ("\(folder)-backup", "\(folder)-restored")
            defer { for path in [backup, target] { try? FileManager.default.removeItem(atPath: path) } }
            try await withStorage(in: folder) { open in
                _ = try await open.webhook(of: try await open.account())
                _ = try await open.backups.backup(to: backup) { _ in }
            }
            #expect(try text(backup) == text(folder))
            let sums = try String(contentsOfFile: "\(backup)/SHA256SUMS", encoding: .utf8)
            #expect(sums.contains("  secrets.key\n"))
            try await restore(backup, into: target)
            try await withStorage(in: target) { open in
                let report = try await open.storage.integrity.check(repairingWith: nil, at: .now) { _ in }
                #expect(report.sound)
            }
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(backup)/secrets.key"))
            await #expect(throws: Failure.self) { try await DataFolderRestore(from: backup).verify { _ in } }
        }
    }
}
