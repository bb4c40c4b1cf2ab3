import Foundation
import GRDB
import Personas
import Synchronization
import Testing

@testable import PersonasDB

@Suite("The audit", .timeLimit(.minutes(1)))
struct AuditStoreTests {
    private let author = Operator(uid: 4_000_000_000)

    private func context<Value: Sendable>(_ action: AuditAction, _ target: String, at second: Int = 0) -> WriteContext<Value> {
        WriteContext(at: .second(second), audit: AuditNote(action, by: author) { _ in [target] })
    }

    private func context<Value: Sendable>(_ action: AuditAction, targets: @escaping @Sendable (Value) -> [String]) -> WriteContext<Value> {
        WriteContext(at: .second(0), audit: AuditNote(action, by: author, targets: targets))
    }

    /// What the audit says, oldest first.
    private func said(_ open: OpenStorage) async throws -> [String] {
        try await open.storage.audit.entries(since: nil, after: nil, limit: 1_000).rows.reversed().map { "\($0.action) \($0.target)" }
    }

    @Test("Every write of an operator leaves an entry, and none where it failed or changed nothing", arguments: House.all)
    func writes(on house: House) async throws {
        try await withStorage(on: house) { open in
            let (accounts, keys, storage) = (open.accounts, open.keys, open.storage)
            let account = Account.fixture("acme")
            try await accounts.insert(account, in: context(.accountsCreate, "acme"))
            _ = await result { () throws(Failure) in
                try await accounts.insert(.fixture("acme"), in: context(.accountsCreate, "acme"))
            }
            for value in [true, true, false] {
                _ = try await accounts.setSuspended(
                    value, accountNamed: "acme", in: context(value ? .accountsSuspend : .accountsResume, "acme"))
            }
            for value in [true, false, false] {
                let action: AuditAction = value ? .accountsEnableAPI : .accountsDisableAPI
                _ = try await accounts.setAPIAccess(value, accountNamed: "acme", in: context(action, "acme"))
            }
            _ = await result { () throws(Failure) in
                try await accounts.setSuspended(true, accountNamed: "nobody", in: context(.accountsSuspend, "nobody"))
            }
            let key = APIKey(
                id: .random(), accountID: account.id, prefix: "pkz_1234", label: nil, scopes: [.read], state: .active, createdAt: .second(0)
            )
            try await keys.insert(key, secret: .random(), in: context(.keysCreate, "key"))
            for state in [APIKey.State.disabled, .disabled, .active, .deleted, .deleted, .active] {
                _ = await result { () throws(Failure) in
                    try await keys.setState(state, of: key.id, in: context(.keysDisable, state.rawValue))
                }
            }
            _ = await result { () throws(Failure) in
                try await keys.rotate(key.id, to: .random(), overlap: try KeyOverlap(hours: 1), in: context(.keysRotate, "key"))
            }
            let names = ["a", "b"].map(Name.init(stored:))
            for _ in 0..<2 { _ = try await storage.names.reserve(names, in: context(.namesReserve) { $0.map(\.text) }) }
            for _ in 0..<2 { _ = try await storage.names.release([names[1]], in: context(.namesRelease) { $0.map(\.text) }) }
            let terms = ["c", "d"].map(BlockedTerm.init(stored:))
            for _ in 0..<2 { _ = try await storage.terms.block(terms, in: context(.termsBlock) { $0.map(\.text) }) }
            for _ in 0..<2 { _ = try await storage.terms.release([terms[0]], in: context(.termsRelease) { $0.map(\.text) }) }
            for seconds in [5, 5, 6] {
                try await storage.maintenance.set(
                    Maintenance(isOn: true, retryAfterSeconds: seconds), in: context(.maintenanceOn, "\(seconds)"))
            }
            let item = try await open.insert("Nova", of: account.id)
            await #expect(throws: Failure.self) {
                try await open.items.delete(
                    item.id, mode: nil, accountID: nil, if: .none, endingTraining: false, in: context(.delete, "Nova"))
            }
            _ = try await open.items.delete(
                item.id, mode: nil, accountID: nil, if: .none, endingTraining: true, in: context(.deleteForce, "Nova"))
            try await accounts.delete(accountNamed: "acme", in: context(.accountsDelete, "acme"))
            #expect(
                try await said(open) == [
                    "accounts.create acme", "accounts.suspend acme", "accounts.resume acme", "accounts.disable-api acme", "keys.create key",
                    "keys.disable disabled", "keys.disable active", "keys.disable deleted", "names.reserve a, b", "names.release b",
                    "terms.block c, d", "terms.release c", "maintenance.on 5", "maintenance.on 6", "delete.force Nova",
                    "accounts.delete acme",
                ])
        }
    }

    @Test("Neither a change without its entry is stored, nor an entry without its change", arguments: House.all)
    func together(on house: House) async throws {
        try await withDataFolder(on: house) { directory in
            let told = Mutex<[Operator.Notice]>([])
            let author = Operator(uid: 1) { notice in told.withLock { $0.append(notice) } }
            try await withStorage(on: house, in: directory) { open in
                try await open.refuse("INSERT", on: "audit")
                await #expect(throws: Failure.self) {
                    try await open.accounts.insert(
                        .fixture("acme"), in: WriteContext(at: .second(0), audit: AuditNote(.accountsCreate, by: author) { ["acme"] }))
                }
                #expect(try open.count("account") == 0 && told.withLock { $0 } == [])
                try await open.allow(on: "audit")
                await #expect(throws: Failure.notFound) {
                    try await open.accounts.setSuspended(
                        true, accountNamed: "nobody",
                        in: WriteContext(at: .second(0), audit: AuditNote(.accountsSuspend, by: author) { _ in ["nobody"] }))
                }
                try await open.accounts.insert(
                    .fixture("acme"), in: WriteContext(at: .second(0), audit: AuditNote(.accountsCreate, by: author) { ["acme"] }))
            }
            // What was told is what is on disk.
            try await withStorage(on: house, in: directory) { open async throws in
                let entries = try await open.storage.audit.entries(since: nil, after: nil, limit: 9).rows
                #expect(entries == [AuditEntry(at: .second(0), action: "accounts.create", target: "acme", uid: 1)])
                #expect(told.withLock { $0 } == entries.map(Operator.Notice.written))
            }
        }
    }

    @Test("Pages go from the newest back, each where the one before ended, and no further than the moment asked for", arguments: House.all)
    func pages(on house: House) async throws {
        try await withStorage(on: house) { open in
            for number in 0..<7 { try await open.storage.audit.add(in: context(.backup, "\(number)", at: number)) }
            for limit in 1...8 {
                var (found, place): ([String], AuditPlace?) = ([], nil)
                repeat {
                    let page = try await open.storage.audit.entries(since: .second(2), after: place, limit: limit)
                    #expect(page.rows.count == limit || page.next == nil)
                    found += page.rows.map(\.target)
                    place = page.next
                } while place != nil
                #expect(found == ["6", "5", "4", "3", "2"])
            }
            let first = try #require(try await open.storage.audit.entries(since: nil, after: nil, limit: 1).rows.first)
            #expect(first == AuditEntry(at: .second(6), action: "backup", target: "6", uid: 4_000_000_000))
        }
    }

    @Test("Entries are never changed, and only the oldest go, once there are too many", arguments: House.all)
    func kept(on house: House) async throws {
        try await withStorage(on: house) { open in
            for number in 0..<3 { try await open.storage.audit.add(in: context(.backup, "\(number)")) }
            await #expect(throws: Failure.self) { try await open.execute("UPDATE audit SET uid = 0") }
            let last = Limits.auditEntriesMax
            try await open.execute("INSERT INTO audit (number, at, action, target, uid) VALUES (\(last), 0, 'backup', 'late', 1)")
            // As if the numbers up to there had been given.
            if house == .postgres { try await open.execute("SELECT setval(pg_get_serial_sequence('audit', 'number'), \(last))") }
            #expect(try open.count("audit") == 4)
            try await open.storage.audit.add(in: context(.backup, "x"))
            #expect(try await said(open) == ["backup 1", "backup 2", "backup late", "backup x"])
            // A number is not given a second time, or a place in the list would lead elsewhere.
            try await open.execute("DELETE FROM audit WHERE target = 'x'")
            try await open.storage.audit.add(in: context(.backup, "y"))
            #expect(try await open.storage.audit.entries(since: nil, after: nil, limit: 1).rows.map(\.target) == ["y"])
            #expect(try open.count("audit", where: "number = \(last + 2)") == 1)
        }
    }

    @Test("A database from before begins its audit with the migrations that somebody asked for, and is silent on those of a start")
    func migrations() async throws {
        for (isAsked, isNew) in [(true, false), (true, true), (false, false)] {
            try await withStorage(migrated: false) { open async throws in
                let earlier = Array(Migration.all.prefix { $0.name != Migration.audit.name })
                if !isNew {
                    let migrator = Migrator(
                        writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: earlier)
                    #expect(try await migrator.migrate(for: author) == earlier.map(\.name))
                    _ = try await open.account()
                }
                let applied = try await open.storage.migrate(for: isAsked ? author : nil)
                let told = try await said(open).joined(separator: ", ").replacing("migrate.up ", with: "")
                #expect(told == (isAsked ? applied.joined(separator: ", ") : ""))
                #expect(try await open.storage.migrate(for: author) == [])
            }
        }
    }

    @Test("A restored database goes on with the audit of its backup, and says first of all that it was restored", arguments: [true, false])
    func restored(hasAudit: Bool) async throws {
        try await withDataFolder { parent in
            try await withStorage(migrated: false) { open async throws in
                let migrations = hasAudit ? Migration.all : Array(Migration.all.prefix { $0.name != Migration.audit.name })
                _ = try await Migrator(
                    writer: open.index.writer, readers: open.index.readers, clock: .system, migrations: migrations
                ).migrate()
                if hasAudit { try await open.storage.audit.add(in: context(.backup, "earlier")) }
                _ = try await open.backups.backup(to: parent + "/backup") { _ in }
            }
            try await PersonasDBTests.restore(parent + "/backup", into: parent + "/after")
            try await withStorage(in: parent + "/after") { open async throws in
                #expect(try await said(open) == (hasAudit ? ["backup earlier"] : []) + ["restore \(parent)/backup"])
                #expect(try await open.storage.audit.entries(since: nil, after: nil, limit: 1).rows[0].uid == 4_321)
                #expect(try await sound(open))
            }
        }
    }
}
