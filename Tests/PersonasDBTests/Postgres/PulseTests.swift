import CoreMetrics
import Foundation
import MetricsTestKit
import Personas
import TestPostgres
import TestSupport
import Testing

@testable import PersonasDB

/// One of several processes on a database, as far as stores go.
struct Replica: Sendable {
    let storage: PostgresStorage
    let signals: WorkSignals
    let metrics: TestMetrics

    /// Opens what a process has. Nothing beats yet.
    init(_ server: PostgresServer, _ database: String) throws {
        metrics = TestMetrics()
        var configuration = PostgresStorage.Configuration(
            database: server.address(of: database), secretsKeyFile: "/nowhere", spoolFolder: "/nowhere")
        (configuration.writers, configuration.readers, configuration.metrics) = (2, 2, metrics)
        storage = try PostgresStorage(configuration, blobs: ObjectFolder("/nowhere"))
        signals = WorkSignals(removals: storage.removals)
    }

    /// Begins to serve, and waits until that is known.
    func begin() async throws {
        storage.companions.begin(version: "1", signals: signals, topUpWaits: nil)
        try await eventually("the first beat") { await storage.schema.isReady() }
    }

    /// How often something was counted.
    func bells(_ direction: String) throws -> Int64 {
        try metrics.expectCounter("personas_bells_total", [("direction", direction)]).totalValue
    }
}

/// Runs a body with several processes on one database, which serve.
func withReplicas(_ count: Int, server: PostgresServer? = nil, _ body: (_ database: String, [Replica]) async throws -> Void) async throws {
    let server = try server ?? PostgresServer.shared.get()
    try await server.withDatabase { name in
        let migrating = try Replica(server, name)
        _ = try await migrating.storage.migrate()
        migrating.storage.close()
        let replicas = try (0..<count).map { _ in try Replica(server, name) }
        let outcome: Result<Void, any Error>
        do {
            for replica in replicas {
                try await replica.storage.load()
                try await replica.begin()
            }
            outcome = .success(try await body(name, replicas))
        } catch {
            outcome = .failure(error)
        }
        for replica in replicas { replica.storage.close() }
        try outcome.get()
    }
}

extension PostgresTests {
    @Suite("Processes that share a database", .timeLimit(.minutes(3)))
    struct PulseTests {
        @Test("What one changes of keys, terms and maintenance holds at the others, which answer from memory")
        func memory() async throws {
            try await withReplicas(2) { _, replicas in
                let (one, other) = (replicas[0].storage, replicas[1].storage)
                let account = Account.fixture("acme")
                try await one.accounts.insert(account)
                let secret = APIKeySecret.random()
                let key = APIKey(
                    id: .random(), accountID: account.id, prefix: secret.prefix, label: nil, scopes: [.read], state: .active,
                    createdAt: .second(0), expiresAt: nil)
                try await one.keys.insert(key, secret: secret)
                try await eventually("an answer from memory") {
                    _ = try await other.keys.find(secret: secret.text)
                    guard case .known(let found) = try other.keys.findNow(secret: secret.text) else { return false }
                    return found.key.state == .active
                }
                _ = try await one.keys.setState(.disabled, of: key.id)
                try await eventually("the refusal") { try await other.keys.find(secret: secret.text)?.key.state == .disabled }

                _ = try await one.terms.block([BlockedTerm("unwanted")], in: WriteContext(at: .second(0)))
                try await one.maintenance.set(Maintenance(isOn: true), in: WriteContext(at: .second(0)))
                try await eventually("the term") { !other.terms.blockedTerms.all.isEmpty }
                try await eventually("maintenance") { other.maintenance.maintenance.isOn }
            }
        }

        @Test("A process that does not beat believes no memory of keys")
        func withoutPulse() async throws {
            try await withReplicas(1) { name, replicas in
                let beside = try Replica(PostgresServer.shared.get(), name)
                defer { beside.storage.close() }
                let account = Account.fixture("acme")
                try await beside.storage.accounts.insert(account)
                let secret = APIKeySecret.random()
                let key = APIKey(
                    id: .random(), accountID: account.id, prefix: secret.prefix, label: nil, scopes: [.read], state: .active,
                    createdAt: .second(0), expiresAt: nil)
                try await beside.storage.keys.insert(key, secret: secret)
                for _ in 0..<3 {
                    #expect(try await beside.storage.keys.find(secret: secret.text)?.key.id == key.id)
                    guard case .waits = try beside.storage.keys.findNow(secret: secret.text) else {
                        Issue.record("answered from memory")
                        return
                    }
                }
                #expect(beside.storage.schema.isReadyNow() == nil)
            }
        }

        @Test("A commit at one wakes who follows its account, and who watches its item, at the others, and rings nothing at itself")
        func bells() async throws {
            try await withReplicas(2) { name, replicas in
                let (one, other) = (replicas[0].storage, replicas[1].storage)
                let open = try await Self.fill(one, name)
                let (followed, watched, elsewhere) = (Shared(0), Shared(0), Shared(0))
                let bell = other.feed.follow(open.accountID) { _ in _ = followed.next() }
                let watch = other.changes.watch(open.itemID, of: open.accountID, for: .anyChange) { _ in _ = watched.next() }
                let apart = other.changes.watch(.random(), of: open.accountID, for: .anyChange) { _ in _ = elsewhere.next() }
                let jobs = replicas[1].signals.jobs.count
                try await eventually("what the item's creation rings") { try replicas[1].bells("received") > 0 }
                let before = (followed.value, watched.value, elsewhere.value)

                _ = try await one.pikzonalities.update(
                    open.itemID, mode: .persona, accountID: open.accountID,
                    change: PikzonalityChange(name: Name(stored: "Vega")), at: .second(1))
                try await eventually("the bell of the account") { followed.value > before.0 }
                try await eventually("the bell of the item") { watched.value > before.1 }
                #expect(elsewhere.value == before.2, "only who watches this item is woken")
                replicas[0].signals.jobs.notify()
                try await eventually("the work") { replicas[1].signals.jobs.count > jobs }
                try await one.accounts.delete(accountNamed: "acme", at: .second(2))
                try await eventually("the account's end") { elsewhere.value > before.2 }
                #expect(try replicas[0].bells("received") == 0 && replicas[0].bells("sent") > 0)
                other.feed.end(bell)
                other.changes.end(watch)
                other.changes.end(apart)
            }
        }

        @Test("A command that ends at once has rung for what it has done")
        func command() async throws {
            try await withReplicas(1) { name, replicas in
                let command = try Replica(PostgresServer.shared.get(), name)
                let account = Account.fixture("acme")
                try await command.storage.accounts.insert(account)
                let rung = Shared(0)
                let bell = replicas[0].storage.feed.follow(account.id) { _ in _ = rung.next() }
                _ = try await Self.insert(command.storage, name, account.id)
                command.storage.close()
                try await eventually("the bell") { rung.value > 0 }
                replicas[0].storage.feed.end(bell)
            }
        }

        @Test("Where a process is gone that may not have rung for its last commit, all are rung for")
        func vanished() async throws {
            try await withReplicas(1) { name, replicas in
                let server = try PostgresServer.shared.get()
                try server.run(
                    """
                    INSERT INTO replica (id, seen_at, version, address)
                    VALUES (gen_random_uuid(), extract(epoch FROM clock_timestamp()) * 1000 + 60000, '', '')
                    """, in: name)
                try await eventually("both are seen") { try replicas[0].metrics.expectMeter("personas_replicas").lastValue == 2 }
                let rung = Shared(0)
                let bell = replicas[0].storage.feed.follow(.random()) { _ in _ = rung.next() }
                try server.run("DELETE FROM replica WHERE version = ''", in: name)
                try await eventually("the bell") { rung.value > 0 }
                replicas[0].storage.feed.end(bell)
            }
        }

        @Test("Status tells of each as long as it serves")
        func status() async throws {
            try await withReplicas(2) { _, replicas in
                for (number, replica) in replicas.enumerated() { replica.storage.companions.listens(at: "http://127.0.0.1:\(number)") }
                try await eventually("both with their addresses") {
                    try await Set(replicas[0].storage.companions.all().map(\.address)) == ["http://127.0.0.1:0", "http://127.0.0.1:1"]
                }
                replicas[1].storage.close()
                #expect(try await replicas[0].storage.companions.all().map(\.address) == ["http://127.0.0.1:0"])
            }
        }

        @Test("What a key uses at one is taken from its bucket at the others")
        func rates() async throws {
            try await withReplicas(2) { _, replicas in
                let limiters = replicas.map { _ in RateLimiter(policy: RateLimitPolicy(readsPerSecond: 1_000, writesPerSecond: 1_000)) }
                for (replica, limiter) in zip(replicas, limiters) { replica.storage.companions.share(limiter) }
                let key = Identifier.random()
                let apart = Identifier.random()
                try await eventually("what there is less to read and to write") {
                    // As fast as it may, so that time brings nothing back.
                    for isWrite in [false, true] { while limiters[0].count(key, isWrite: isWrite).isAdmitted {} }
                    return [false, true].allSatisfy { limiters[1].count(key, isWrite: $0).standing.remaining < 5_000 }
                }
                #expect(limiters[1].count(apart, isWrite: false).standing.remaining == 9_999)
            }
        }

        /// An account with an item that is stored at a process.
        private static func fill(_ storage: PostgresStorage, _ name: String) async throws -> (accountID: Identifier, itemID: Identifier) {
            let account = Account.fixture("acme")
            try await storage.accounts.insert(account)
            return (account.id, try await insert(storage, name, account.id))
        }

        private static func insert(_ storage: PostgresStorage, _ name: String, _ accountID: Identifier) async throws -> Identifier {
            let server = try PostgresServer.shared.get()
            let references = try StoredImage.three.map { image in
                let object = Identifier.random()
                try server.run(
                    """
                    INSERT INTO media (object, digest, format, width, height, byte_count, held_until)
                    VALUES ('\(object.text)', decode('\(hexadecimal(image.key.digest))', 'hex'), '\(image.format.rawValue)', \(image.width),
                        \(image.height), \(image.byteCount), 9000000000000)
                    """, in: name)
                return StoredImage(
                    key: BlobKey(digest: image.key.digest, object: object), format: image.format, width: image.width,
                    height: image.height, byteCount: image.byteCount)
            }
            return try await storage.pikzonalities.insert(
                NewPikzonality(
                    id: .random(), accountID: accountID, mode: .persona,
                    details: PikzonalityDetails(
                        name: Name(stored: "Nova"), specialInstructions: nil, externalID: nil, metadata: .fixture([:])),
                    references: references, outcome: nil), at: .second(0)
            ).id
        }
    }
}
