import Foundation
import HTTPTypes
import Logging
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// What the audit says of operations, and who is told.
@Suite("The audit of operations")
struct AuditTests {
    /// What an administration that acts as somebody says of its operations.
    private func acting(_ service: TestService, _ log: LogRecorder) -> Administration {
        service.administration.acting(as: Operator(logging: log.logger, uid: 77))
    }

    @Test("Every operation that changes something leaves an entry and a log line with the same facts, and no secret in either")
    func operations() async throws {
        try await TestService.run { service in
            let log = LogRecorder()
            let administration = acting(service, log)
            let picture = Data(Picture.png()).base64EncodedString()
            _ = try await administration.perform(CreateAccount(name: " acme  inc "))
            _ = try await administration.perform(SetSuspended(true, accountName: "acme inc"))
            _ = try await administration.perform(SetSuspended(false, accountName: " acme inc"))
            _ = try await administration.perform(SetAPIAccess(false, accountName: "acme inc"))
            _ = try await administration.perform(SetAPIAccess(true, accountName: "acme inc"))
            // What is only made up changes nothing.
            let key = try await administration.perform(PrepareKey(accountName: "acme inc", label: "web", scopes: [.read]))
            _ = try await administration.perform(CreateKey(key))
            let rotation = try await administration.perform(PrepareRotation(id: key.id.text.uppercased()))
            _ = try await administration.perform(RotateKey(rotation))
            for quota in [
                QuotaChange(items: .max(9), storedBytes: .max(1_000_000)), QuotaChange(items: .max(9)), QuotaChange(),
                QuotaChange(items: QuotaChange.Bound.none),
            ] {
                _ = try await administration.perform(ChangeQuota(quota, accountName: " acme inc"))
            }
            for state in [APIKey.State.disabled, .active, .deleted] {
                _ = try await administration.perform(SetKeyState(state, id: key.id.text))
            }
            _ = try await administration.perform(ReserveNames(["Boss", "chief"]))
            _ = try await administration.perform(ReserveNames(["boss", "Chief", "Head"]))
            _ = try await administration.perform(ReleaseNames(["BOSS", "nobody"]))
            _ = try await administration.perform(BlockTerms(["Bad", "a,b"]))
            _ = try await administration.perform(ReleaseTerms(["bad"]))
            _ = try await administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
            _ = try await administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))
            let item = try await administration.perform(
                CreateItem(
                    accountName: "acme inc", mode: .style, name: "Ink", specialInstructions: nil,
                    imageBase64s: [picture, picture, picture]))
            _ = try await administration.perform(DeleteItem(id: item.id.text, isForced: true))
            let backups = try await withTemporaryFolder("audit", inMemory: true) { folder -> [String] in
                guard TestPlace.isSQLite else { return [] }
                _ = try await administration.perform(BackUp(directory: folder + "/backup"))
                return ["backup \(folder)/backup"]
            }
            _ = try await administration.perform(DeleteAccount(name: "acme inc"))
            let seed = try JSONDecoder().decode(
                SeedDocument.self,
                from: Data(
                    #"{"reserved_names":["Root"],"blocked_terms":["worse"],"accounts":[{"name":"x"}]}"#
                        .utf8))
            for _ in 0..<2 { _ = try await administration.perform(LoadSeed(seed)) }
            let expected =
                [
                    "accounts.create acme inc", "accounts.suspend acme inc", "accounts.resume acme inc", "accounts.disable-api acme inc",
                    "accounts.enable-api acme inc", "keys.create \(key.id.text)", "keys.rotate \(key.id.text)",
                    "accounts.quota acme inc items=9 bytes=1000000", "accounts.quota acme inc items=none", "keys.disable \(key.id.text)",
                    "keys.enable \(key.id.text)", "keys.delete \(key.id.text)", "names.reserve Boss, chief", "names.reserve Head",
                    "names.release Boss", #"terms.block bad, "a,b""#, "terms.release bad", "maintenance.on retry after 9 s",
                    "maintenance.off ", "create \(item.id.text)", "delete.force \(item.id.text)",
                ] + backups + ["accounts.delete acme inc", "accounts.create x", "names.reserve Root", "terms.block worse"]
            let page = try await administration.perform(ListAudit(limit: 1_000))
            #expect(page.rows.reversed().map { "\($0.action) \($0.target)" } == expected && page.next == nil)
            #expect(page.rows.allSatisfy { $0.uid == 77 })
            let lines = log.lines.filter { $0.message == "audit" }
            #expect(lines.map { "\($0.metadata["action"] ?? "") \($0.metadata["target"] ?? "-")" } == expected)
            #expect(lines.allSatisfy { $0.level == .notice && $0.metadata.count == 3 && $0.metadata["uid"] == "77" })
            for secret in [key.key, rotation.issued.key, picture] {
                #expect(!log.lines.contains { $0.text.contains(secret) })
                #expect(!page.rows.contains { $0.target.contains(secret) })
            }
        }
    }

    @Test("What fails, what only looks, and what nobody asks for leaves nothing")
    func nothing() async throws {
        try await TestService.run { service in
            let log = LogRecorder()
            let administration = acting(service, log)
            let processing = try await service.administration.perform(CreateAccount(name: "quiet")).id.text
            await #expect(throws: Failure.self) { try await administration.perform(CreateAccount(name: "quiet")) }
            await #expect(throws: Failure.self) { try await administration.perform(DeleteItem(id: processing)) }
            await #expect(throws: Failure.self) { try await administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 0)) }
            await #expect(throws: Failure.self) { try await administration.perform(BackUp(directory: service.directory)) }
            _ = try await administration.perform(ListItems(limit: 1))
            _ = try await administration.perform(ListKeys(accountName: nil))
            _ = try await administration.perform(SetMaintenance(isOn: false, retryAfterSeconds: nil))
            _ = try await administration.perform(LoadSeed(SeedDocument()))
            _ = try await administration.perform(CheckIntegrity(isRepairing: true))
            // The owner of an item is no operator.
            let item = try await service.createCompleted(.persona, "Nova")
            #expect(try await service.send(.delete, "/v2/personas/\(item)").status == 200)
            #expect(try await administration.perform(ListAudit(limit: 10)).rows == [])
            #expect(log.lines.isEmpty)
        }
    }

    @Test("A backup whose entry cannot be written is made all the same, and the log says so", .enabled(if: TestPlace.isSQLite))
    func lost() async throws {
        try await TestService.run { service in
            let log = LogRecorder()
            var stores = OtherStores(service.storage)
            stores.audit = FullAudit()
            let full = Administration(
                stores: stores, catalog: service.catalog, collector: service.collector, archives: service.archives,
                signals: WorkSignals(), presence: ServerPresence(), clock: .system
            ).acting(as: Operator(logging: log.logger, uid: 5))
            let report = try await withTemporaryFolder("audit", inMemory: true) { folder in
                try await full.perform(BackUp(directory: folder + "/backup"))
            }
            #expect(report.items == 0)
            let line = try #require(log.lines.first)
            #expect(log.lines.count == 1 && line.message == "audit" && line.level == .error && line.metadata["action"] == "backup")
            #expect(line.metadata["reason"]?.contains("could not be written") == true)
        }
    }

    @Test("A page that follows another goes on where that ended")
    func continued() async throws {
        try await TestService.run { service in
            let administration = acting(service, LogRecorder())
            for name in ["a", "b", "c"] { _ = try await administration.perform(CreateAccount(name: name)) }
            let first = ListAudit(limit: 2)
            let page = try await administration.perform(first)
            #expect(page.rows.map(\.target) == ["c", "b"])
            let rest = try await administration.perform(first.continued(after: try #require(page.next), limit: 5))
            #expect(rest.rows.map(\.target) == ["a"] && rest.next == nil)
        }
    }
}

/// An audit that takes nothing more.
private struct FullAudit: AuditStore {
    func entries(
        since: Timestamp?, after place: AuditPlace?, limit: Int
    ) async throws(Failure) -> OperatorPage<AuditEntry, AuditPlace> { throw .storeBusy("full") }
    func add(in context: WriteContext<Void>) async throws(Failure) { throw .storeBusy("full") }
}
