import Crypto
import Foundation
import GRDB
import Personas
import Testing

@testable import PersonasDB

@Suite("The store of API keys: secrets that follow one another, ends and uses", .timeLimit(.minutes(1)))
struct KeyRotationTests {
    private static let hour = 3_600

    private func issue(_ open: OpenStorage, expiresAt: Timestamp? = nil) async throws -> (key: APIKey, secret: APIKeySecret) {
        let secret = APIKeySecret.random()
        let key = APIKey(
            id: .random(), accountID: try await open.account("account \(UUID())"), prefix: secret.prefix, label: "CI",
            scopes: [.read], state: .active, createdAt: .second(0), expiresAt: expiresAt)
        try await open.keys.insert(key, secret: secret)
        return (key, secret)
    }

    private func rotate(_ open: OpenStorage, _ id: Identifier, hours: Int = 24, at now: Timestamp) async throws -> (ListedKey, APIKeySecret)
    {
        let secret = APIKeySecret.random()
        return (try await open.keys.rotate(id, to: secret, overlap: try KeyOverlap(hours: hours), at: now), secret)
    }

    @Test(
        "A rotated key keeps its id and is found by both secrets, each known for what it is, in memory, on disk, and by both ways",
        arguments: House.all)
    func rotation(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let (key, first, second) = try await withStorage(on: house, in: directory) { open in
                let (key, first) = try await issue(open, expiresAt: .second(90 * Self.hour))
                #expect(try await open.keys.find(secret: first.text)?.secret == .present)
                let (rotated, second) = try await rotate(open, key.id, at: .second(10))
                let end = Timestamp.second(10 + 24 * Self.hour)
                #expect(
                    rotated.key
                        == APIKey(
                            id: key.id, accountID: key.accountID, prefix: second.prefix, label: "CI", scopes: [.read], state: .active,
                            createdAt: .second(0), expiresAt: .second(90 * Self.hour), previousSecretExpiresAt: end))
                return (rotated.key, first, second)
            }
            try await withStorage(on: house, in: directory) { open in
                for _ in 0..<2 {
                    for (secret, kind) in [(first, PresentedKey.Secret.previous), (second, .present)] {
                        let found = try #require(try await open.keys.find(secret: secret.text))
                        #expect(found.key == key && found.secret == kind && found.account?.id == key.accountID)
                        // It is in memory by now, which is not believed without a pulse.
                        guard house == .sqlite else { continue }
                        guard case .known(let now) = try open.keys.findNow(secret: secret.text) else {
                            Issue.record("it is known")
                            continue
                        }
                        #expect(now.key == key && now.secret == kind)
                    }
                }
                #expect(try await open.keys.key(key.id).key == key)
                #expect(try await open.keys.keys(accountName: nil, after: nil, limit: 10).map(\.key) == [key])
            }
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) where file.hasPrefix("personas") {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(file)"))
                for secret in [first, second] { #expect(bytes.range(of: Data(secret.text.dropFirst(12).utf8)) == nil, "\(file)") }
            }
        }
    }

    @Test("Rotated again, the oldest secret ends at once and is still known for one that has ended", arguments: House.all)
    func rotatedAgain(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, first) = try await issue(open)
            var secrets = [first]
            for second in 1...3 {
                let (rotated, secret) = try await rotate(open, key.id, hours: second - 1, at: .second(second))
                #expect(rotated.key.previousSecretExpiresAt == .second(second + (second - 1) * Self.hour))
                secrets.append(secret)
                for (index, secret) in secrets.enumerated() {
                    let age = secrets.count - 1 - index
                    let found = try #require(try await open.keys.find(secret: secret.text))
                    #expect(found.secret.rawValue == min(age, 2) && found.key == rotated.key)
                    #expect(found.isCurrent(at: .second(second)) == (age == 0 || age == 1 && second > 1))
                }
            }
            #expect(try await open.keys.find(secret: APIKeySecret.random().text) == nil)
        }
    }

    @Test("A key that is disabled, deleted, has expired or never was is not rotated, and its secret stays as it was", arguments: House.all)
    func refused(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, secret) = try await issue(open, expiresAt: .second(100))
            await #expect(throws: Failure.keyExpired(key.id)) { _ = try await rotate(open, key.id, at: .second(100)) }
            _ = try await open.keys.setState(.disabled, of: key.id)
            await #expect(throws: Failure.keyDisabled(key.id)) { _ = try await rotate(open, key.id, at: .second(1)) }
            _ = try await open.keys.setState(.deleted, of: key.id)
            await #expect(throws: Failure.keyStaysDeleted(key.id)) { _ = try await rotate(open, key.id, at: .second(1)) }
            await #expect(throws: Failure.notFound) { _ = try await rotate(open, .random(), at: .second(1)) }
            await #expect(throws: Failure.notFound) { _ = try await open.keys.key(.random()) }
            #expect(try await open.keys.find(secret: secret.text)?.secret == .present)
        }
    }

    @Test("A secret leads to one key, whichever of its secrets it is", arguments: House.all)
    func unique(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, first) = try await issue(open)
            let (_, second) = try await rotate(open, key.id, at: .second(1))
            let (_, third) = try await rotate(open, key.id, at: .second(2))
            let (other, _) = try await issue(open)
            for secret in [first, second, third] {
                let copy = APIKey(
                    id: .random(), accountID: other.accountID, prefix: secret.prefix, label: nil, scopes: [], state: .active,
                    createdAt: .second(3))
                await #expect(throws: Failure.self) { try await open.keys.insert(copy, secret: secret) }
                for id in [key.id, other.id] {
                    await #expect(throws: Failure.self) {
                        _ = try await open.keys.rotate(id, to: secret, overlap: .default, at: .second(3))
                    }
                }
            }
            #expect(try open.count("api_key") == 2)
            #expect(try await open.keys.key(other.id).key == other)
        }
    }

    @Test("Uses are noted, never taken back by earlier ones, and shown; those of an unknown key are passed over", arguments: House.all)
    func uses(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, _) = try await issue(open)
            let (other, _) = try await issue(open)
            #expect(try await open.keys.key(key.id).lastUsedAt == nil)
            for (second, shown) in [(60, 60), (180, 180), (120, 180)] {
                try await open.keys.record([
                    KeyUse(keyID: .random(), lastUsedAt: .second(9)), KeyUse(keyID: key.id, lastUsedAt: .second(second)),
                ])
                let listed = try await open.keys.key(key.id)
                #expect(listed == ListedKey(key: key, account: listed.account, lastUsedAt: .second(shown)))
            }
            #expect(try await open.keys.key(other.id).lastUsedAt == nil)
            #expect(try await open.keys.keys(accountName: nil, after: nil, limit: 9).compactMap(\.lastUsedAt) == [.second(180)])
        }
    }

    @Test(
        "Uses of the previous secret count from its rotation on, and not for the one that another rotation makes the previous one",
        arguments: House.all)
    func previousUses(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (key, _) = try await issue(open)
            try await open.keys.record([KeyUse(keyID: key.id, lastUsedAt: .second(60))])
            let first = try await rotate(open, key.id, at: .second(100)).0
            #expect(first.lastUsedAt == .second(60) && first.previousSecretLastUsedAt == nil)
            let end = try #require(first.key.previousSecretExpiresAt)
            func use(_ second: Int) async throws -> ListedKey {
                let previous = KeyUse.OfPreviousSecret(lastUsedAt: .second(second), expiresAt: end)
                try await open.keys.record([KeyUse(keyID: key.id, lastUsedAt: .second(second), previousSecret: previous)])
                return try await open.keys.key(key.id)
            }
            for (second, shown) in [(120, 120), (240, 240), (180, 240)] {
                let used = try await use(second)
                #expect(used.lastUsedAt == .second(shown) && used.previousSecretLastUsedAt == .second(shown))
            }
            #expect(try await rotate(open, key.id, at: .second(300)).0.previousSecretLastUsedAt == nil)
            let late = try await use(360)
            #expect(late.lastUsedAt == .second(360) && late.previousSecretLastUsedAt == nil)
        }
    }

    @Test("A secret is looked for along indexes alone")
    func plan() async throws {
        try await withStorage { open in
            let (_, secret) = try await issue(open)
            _ = try await open.keys.find(secret: secret.text)
            let plan = try await open.plan(of: "UNION ALL")
            #expect(plan.filter { $0.hasPrefix("SCAN") } == [])
            #expect(plan.contains { $0.contains("api_key_by_previous_secret") })
        }
    }

    @Test("Keys from before there were rotations work as they did")
    func earlierKeys() async throws {
        try await withStorage(migrated: false) { open in
            let earlier = Migrator(
                writer: open.index.writer, readers: open.index.readers, clock: .system,
                migrations: Array(Migration.all.prefix { $0.name != "v0008_key_rotation" }))
            _ = try await earlier.migrate()
            let account = try await open.account()
            let (id, secret) = (Identifier.random(), APIKeySecret.random())
            try await open.index.writer.writeDirectly { db in
                try db.execute(
                    sql: """
                        INSERT INTO api_key (id, account_id, secret_hash, prefix, label, scopes, state, created_at)
                        VALUES (?, ?, ?, ?, NULL, 'read,write', 'active', ?)
                        """,
                    arguments: [id.data, account.data, secret.hash, secret.prefix, Timestamp.second(5).milliseconds])
            }
            _ = try await open.storage.migrate()
            let key = APIKey(
                id: id, accountID: account, prefix: secret.prefix, label: nil, scopes: [.read, .write], state: .active,
                createdAt: .second(5))
            #expect(try await open.keys.find(secret: secret.text)?.key == key)
            #expect(try await open.keys.key(id) == ListedKey(key: key, account: try await open.accounts.account(named: "acme")))
            let (rotated, _) = try await rotate(open, id, at: .second(6))
            #expect(rotated.key.previousSecretExpiresAt == .second(6 + 24 * Self.hour))
            #expect(try await open.keys.find(secret: secret.text)?.secret == .previous)
        }
    }
}

extension APIKeySecret {
    /// SHA-256, as it is stored.
    fileprivate var hash: Data { Data(SHA256.hash(data: Data(text.utf8))) }
}
