import Crypto
import ErrorEnvelope
import Foundation
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import PersonasWire
import Synchronization
import TestImages
import TestSupport
import Testing

/// `GET /v2/account/export`.
@Suite("Exports", .timeLimit(.minutes(2)))
struct ExportTests {
    @Test("are one archive: images before the items that name them, each once, items in their order, the manifest last")
    func content() async throws {
        try await TestService.run { service in
            let first = try await service.createCompleted(.persona, "First")
            _ = try await service.create(.style, "Second")
            try await service.failTraining(TrainingError(code: .rejected, message: "No \"face\""))
            let body = TestBody(
                #"{"name":"Third","special_instructions":"Ünïcode","external_id":"x/1","metadata":{"b":"2","a":"1"},"image_base64s":\#(Picture.list((3...5).map { Picture.base64(Picture.png(seed: $0)) }))}"#
            )
            #expect(try await service.send(.post, "/v2/personas", body).status == 201)
            let other = try await service.newKey(account: "other")
            try await service.create(.persona, "Not ours", key: other)

            let answer = try await service.send(.get, TestService.exportPath)
            #expect(answer.headers[.contentType] == "application/x-tar")
            #expect(answer.headers[.contentDisposition] == "attachment; filename=\"personas.tar\"")
            #expect(answer.headers[.cacheControl] == "no-store" && answer.headers[.contentEncoding] == nil)
            let archive = TarFile(parsing: answer.bytes)
            // The same bytes as a program would write that knows nothing of the service.
            #expect(archive.bytes == answer.bytes)
            let images = (1...5).map { Picture.png(seed: $0) }
            #expect(archive.entries.dropLast(2).map(\.content) == images)
            for entry in archive.entries.dropLast(2) {
                #expect(entry.path == "media/\(hexadecimal(Array(SHA256.hash(data: entry.content)))).png")
            }
            #expect(archive.entries.suffix(2).map(\.path) == ["items/000001.jsonl", "manifest.json"])
            let hash = images.map { hexadecimal(Array(SHA256.hash(data: $0))) }
            let list = { (range: ClosedRange<Int>) in Picture.list(range.map { hash[$0] }) }
            let lines = String(decoding: archive.content("items/000001.jsonl"), as: UTF8.self)
            #expect(lines.hasPrefix("{\"id\":\"\(first)\""))
            #expect(
                String(decoding: archive.shape.content("items/000001.jsonl"), as: UTF8.self)
                    .replacing(/"created_at":"[^"]*"/, with: "<made>") == """
                        {"id":"<id>","mode":"persona","name":"First","status":"completed","special_instructions":null,"external_id":null,\
                        "metadata":{},"error":null,"reference":\(list(0...2)),"portrait":null,<made>,<time>}
                        {"id":"<id>","mode":"style","name":"Second","status":"failed","special_instructions":null,"external_id":null,\
                        "metadata":{},"error":{"code":"GENERATION_REJECTED","message":"No \\"face\\""},"reference":\(list(0...2)),\
                        "portrait":null,<made>,<time>}
                        {"id":"<id>","mode":"persona","name":"Third","status":"processing","special_instructions":"Ünïcode",\
                        "external_id":"x/1","metadata":{"a":"1","b":"2"},"error":null,"reference":\(list(2...4)),"portrait":null,<made>,<time>}

                        """)
            var expected = archive
            expected.addManifest()
            #expect(archive == expected)
            #expect(try await service.send(.get, TestService.exportPath).bytes == answer.bytes, "an unchanged account gives the same bytes")
        }
    }

    @Test("of an account without items hold a manifest alone")
    func empty() async throws {
        try await TestService.run { service in
            let archive = try await service.export()
            #expect(archive.entries.map(\.path) == ["manifest.json"])
            #expect(try await service.takeIn(archive.bytes).totals == ["items": 0, "created": 0, "skipped": 0, "failed": 0])
        }
    }

    @Test("have a thousand items a file at most")
    func files() async throws {
        try await TestService.run { service in
            let made = try TarFile.made(items: 1_000) { number, item in item["name"] = "Item \(String(format: "%04d", number))" }
            var archive = made
            let more = try TarFile.made { _, item in (item["name"], item["created_at"]) = ("Last", "2026-01-02T03:04:05.007Z") }
            archive.entries.insert(.init("items/000002.jsonl", more.content("items/000001.jsonl")), at: 4)
            archive.addManifest()
            #expect(try await service.takeIn(archive.bytes).totals?["created"] == 1_001)
            let export = try await service.export()
            #expect(export.entries.map(\.path).filter { $0.hasPrefix("items/") } == ["items/000001.jsonl", "items/000002.jsonl"])
            #expect(export.content("items/000001.jsonl").count { $0 == 0x0A } == 1_000)
            #expect(export.content("items/000002.jsonl").count { $0 == 0x0A } == 1)
            #expect(
                String(decoding: export.content("items/000001.jsonl"), as: UTF8.self).split(separator: "\n").enumerated().allSatisfy {
                    $0.element.contains("\"name\":\"Item \(String(format: "%04d", $0.offset))\"")
                })
        }
    }

    @Test("ask for the scope to read, and answer HEAD without beginning one")
    func access() async throws {
        try await TestService.run { service in
            let writer = try await service.key(scopes: [.write])
            try await service.send(.get, TestService.exportPath, key: .text(writer.key)).expect(
                403, .apiAccessNotEnabled, "The API key does not have the scope read")
            #expect(try await service.send(.get, TestService.exportPath, key: .none).status == 401)
            for _ in 0..<3 { #expect(try await service.send(.head, TestService.exportPath).status == 200) }
        }
    }

    @Test("run one at a time for an account, whose places end with them")
    func places() async throws {
        try await TestService.run { service in
            let id = try await service.storage.accounts.account(named: "studio").id
            var place: AccountPlaces.Place? = try service.archives.exportPlace(for: id)
            let answer = try await service.send(.get, TestService.exportPath)
            answer.expect(429, .tooManyRequests, "The account is being exported already; try again when that has ended")
            #expect(answer.headers[.retryAfter].flatMap { Int($0) } ?? 0 >= 1)
            withExtendedLifetime(place) {}
            place = nil
            #expect(try await service.send(.get, TestService.exportPath).status == 200)
            let others = try (0..<Archives.exportsMax).map { _ in try service.archives.exportPlace(for: .random()) }
            #expect(try await service.send(.get, TestService.exportPath, isFailureExpected: true).status == 503)
            withExtendedLifetime(others) {}
        }
    }

    @Test("leave out what is deleted before its turn, and are whole whatever is deleted meanwhile")
    func deletions() async throws {
        try await TestService.run { service in
            // Each item has images of its own, whose bytes go with it.
            var ids: [String] = []
            for number in 0..<20 {
                let images = Picture.list((1...3).map { Picture.base64(Picture.png(seed: 10 * number + $0)) })
                let answer = try await service.send(
                    .post, "/v2/personas", TestBody(#"{"name":"Item \#(number)","image_base64s":\#(images)}"#))
                ids.append(try #require(answer.string("id")))
            }
            try await service.train()
            let id = try await service.storage.accounts.account(named: "studio").id
            var bytes: [UInt8] = []
            var deletions = ids.enumerated().filter { $0.offset % 3 == 1 }.map(\.element)[...]
            try await service.archives.export(id) { part in
                bytes += part
                // In the middle of images and between them.
                guard bytes.count > 20_000 || bytes.count % 3 == 0, let next = deletions.popFirst() else { return }
                #expect(try await service.send(.delete, "/v2/personas/\(next)").status == 200)
                _ = try await service.collect()
            }
            #expect(deletions.isEmpty)
            let archive = TarFile(parsing: bytes)
            #expect(archive.content("items/000001.jsonl").count { $0 == 0x0A } < 20)
            let other = try await service.newKey(account: "other")
            let answer = try await service.takeIn(bytes, other)
            #expect(
                answer.totals?["failed"] == 0 && answer.totals?["created"] == archive.content("items/000001.jsonl").count { $0 == 0x0A })
            let named = Set(
                String(decoding: archive.content("items/000001.jsonl"), as: UTF8.self).matches(of: /[0-9a-f]{64}/).map { String($0.0) })
            let sent = Set(archive.entries.compactMap { $0.path.firstMatch(of: /[0-9a-f]{64}/).map { String($0.0) } })
            #expect(named == sent, "an archive has the images that its items name, and no others")
        }
    }

    @Test("end without their end where an image is not there, and leave out no item for that")
    func missing() async throws {
        try await TestService.run { service in
            for number in 0..<3 {
                let images = Picture.list((1...3).map { Picture.base64(Picture.png(seed: 10 * number + $0)) })
                #expect(
                    try await service.send(
                        .post, "/v2/personas", TestBody(#"{"name":"Item \#(number)","image_base64s":\#(images)}"#)
                    ).status == 201)
            }
            try await service.data.removeMediaFile(try #require(try await service.mediaFiles().first))
            let id = try await service.storage.accounts.account(named: "studio").id
            var bytes: [UInt8] = []
            let failure = await #expect(throws: Failure.self) { try await service.archives.export(id) { bytes += $0 } }
            guard case .damaged(.dataFolder, let finding) = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            #expect(finding.kind == .fileMissing)
            #expect(!TarFile(parsing: bytes).entries.contains { $0.path == "manifest.json" })
        }
    }

    @Test("hold an item with the images that it has got while those were opened that it had")
    func retriedMeanwhile() async throws {
        try await TestService.run { service in
            let id = try await service.create(.persona, "Nova")
            try await service.failTraining(TrainingError(code: .failed, message: "Broke"))
            let others = (4...6).map { Picture.png(seed: $0) }
            let store = InterruptedArchiveStore(store: service.storage.archives) {
                let body = TestBody(#"{"image_base64s":\#(Picture.list(others.map(Picture.base64)))}"#)
                #expect(try await service.send(.post, "/v2/personas/\(id)/retry", body).status == 200)
                _ = try await service.collect()
            }
            let archives = Archives(
                store: store,
                images: ImageLibrary(index: service.storage.images, blobs: service.storage.blobs, signals: WorkSignals()),
                items: service.storage.pikzonalities, policy: ContentPolicy(terms: service.storage.terms), spools: service.storage.spools,
                format: ArchiveDocuments(), signals: WorkSignals(), clock: .system, keepsImageMetadata: false)
            var bytes: [UInt8] = []
            try await archives.export(try await service.storage.accounts.account(named: "studio").id) { bytes += $0 }
            let archive = TarFile(parsing: bytes)
            #expect(archive.entries.filter { $0.path.hasPrefix("media/") }.map(\.content) == others)
            #expect(String(decoding: archive.content("items/000001.jsonl"), as: UTF8.self).contains("Nova"))
        }
    }

    @Test("end without their end where an image is not what was stored")
    func damaged() async throws {
        try await TestService.run { service in
            _ = try await service.createCompleted(.persona, "Nova")
            let file = try #require(try await service.mediaFiles().first)
            try await service.data.replaceMediaFile(file, with: Array(repeating: 7, count: 10))
            let id = try await service.storage.accounts.account(named: "studio").id
            var bytes: [UInt8] = []
            await #expect(throws: Failure.self) { try await service.archives.export(id) { bytes += $0 } }
            #expect(!TarFile(parsing: bytes).entries.contains { $0.path == "manifest.json" })
        }
    }
}

/// A store in which something happens right behind the first look at an item.
private struct InterruptedArchiveStore: ArchiveStore {
    let store: any ArchiveStore
    private let interrupt: @Sendable () async throws -> Void
    private let hasHappened = Happened()

    private final class Happened: Sendable {
        let flag = Atomic(false)
    }

    init(store: any ArchiveStore, _ interrupt: @escaping @Sendable () async throws -> Void) {
        self.store = store
        self.interrupt = interrupt
    }

    func item(after position: PikzonalityPosition?, accountID: Identifier) async throws(Failure) -> StoredItem? {
        let item = try await store.item(after: position, accountID: accountID)
        if !hasHappened.flag.exchange(true, ordering: .relaxed) {
            do {
                try await interrupt()
            } catch {
                throw .unexpected("\(error)")
            }
        }
        return item
    }

    func begin(
        _ key: IdempotencyKey, digest: [UInt8], accountID: Identifier, since oldest: Timestamp, at now: Timestamp
    ) async throws(Failure) -> ImportRecord {
        try await store.begin(key, digest: digest, accountID: accountID, since: oldest, at: now)
    }

    func outcomes(of number: Int64, after line: Int, limit: Int) async throws(Failure) -> [ImportOutcome] {
        try await store.outcomes(of: number, after: line, limit: limit)
    }

    func create(
        _ lines: [ImportedLine], of record: Int64?, costing prices: CreditPrices?, in context: WriteContext<Void>
    ) async throws(Failure) -> [ImportOutcome] {
        try await store.create(lines, of: record, costing: prices, in: context)
    }

    func forgetImports(before oldest: Timestamp, limit: Int) async throws(Failure) -> Int {
        try await store.forgetImports(before: oldest, limit: limit)
    }
}
