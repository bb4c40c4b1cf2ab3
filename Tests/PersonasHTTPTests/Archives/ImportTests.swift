import ErrorEnvelope
import ErrorEnvelopeHummingbird
import Foundation
import HTTPTypes
import HummingbirdTesting
import Personas
import PersonasDB
import PersonasHTTP
import Synchronization
import TestImages
import TestSupport
import Testing

/// `POST /v2/account/import`.
@Suite("Imports", .timeLimit(.minutes(2)))
struct ImportTests {
    @Test("of what was exported give an account that exports to the same bytes, ids and times aside")
    func roundTrip() async throws {
        try await TestService.run { service in
            // Those that stay in training come last: what ends training ends all that is waiting.
            for number in (0..<3).flatMap({ stride(from: $0, to: 45, by: 3) }) {
                let mode: Mode = number % 2 == 0 ? .persona : .style
                let images = Picture.list((0...2).map { Picture.base64(Picture.png(seed: number / 3 + $0)) })
                let body = TestBody(
                    #"{"name":"Item \#(number)","special_instructions":"№ \#(number)","external_id":"e-\#(number)","metadata":{"k":"\#(number)"},"image_base64s":\#(images)}"#
                )
                #expect(try await service.send(.post, "/v2/\(mode)s", body).status == 201)
                switch number % 3 {
                case 0: try await service.train()
                case 1: try await service.failTraining(TrainingError(code: .failed, message: "Broke \(number)"))
                default: break
                }
            }
            // A portrait of its own.
            let last = try await service.create(.persona, "Portrayed")
            let job = try #require(try await service.training.lease(limit: 100, waiting: .zero).last)
            try await service.training.complete(
                job.id, token: job.leaseToken, portraitBase64: ImageText(Array(Picture.base64(Picture.jpeg).utf8)[...]))
            #expect(try await service.send(.get, "/v2/personas/\(last)").string("status") == "completed")

            let archive = try await service.export()
            let other = try await service.newKey(account: "other")
            let answer = try await service.takeIn(archive.bytes, other)
            #expect(answer.status == 200 && answer.headers[.contentType] == "application/jsonl")
            #expect(answer.totals == ["items": 46, "created": 46, "skipped": 0, "failed": 0], "\(answer.text.suffix(400))")
            #expect(answer.lines.last?["request_id"] as? String == answer.requestID)
            #expect(answer.lines.dropLast().compactMap { $0["line"] as? Int } == Array(1...46))
            let again = try await service.export(other)
            #expect(again.shape == archive.shape)
            #expect(again != archive)

            // Items are what they were to their owner, too.
            let id = try #require(answer.lines.dropLast().last?["id"] as? String)
            let item = try await service.send(.get, "/v2/personas/\(id)", key: other)
            #expect(item.string("name") == "Portrayed" && item.string("status") == "completed")
            #expect(item.string("created_at") == (try await service.send(.get, "/v2/personas/\(last)")).string("created_at"))
            let portrait = try #require(item.string("portrait_url")).dropFirst(TestService.baseURL.count)
            #expect(try await service.send(.get, String(portrait), key: .none).bytes == Picture.jpeg)
            // Those that were in training are trained anew.
            #expect(try await service.training.lease(limit: 100, waiting: .zero).count == 15)
            #expect(try await service.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings.isEmpty)
        }
    }

    @Test("tell of each item that cannot be created, and create the others")
    func refusals() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(ReserveNames(["Item 1"]))
            _ = try await service.administration.perform(BlockTerms(["forbidden"]))
            let taken = try await service.create(.persona, "Item 2")
            let archive = try TarFile.made(items: 8) { number, item in
                if number == 3 { item["special_instructions"] = "a forbidden word" }
                if number == 4 || number == 5 { item["external_id"] = "same" }
                if number == 6 { item["name"] = "item 0" }
            }
            let answer = try await service.takeIn(archive.bytes)
            #expect(
                answer.fates == [
                    "created", "NAME_RESERVED", "NAME_ALREADY_EXISTS", "CONTENT_POLICY", "created", "CONFLICT", "NAME_ALREADY_EXISTS",
                    "created",
                ], "\(answer.text)")
            #expect(answer.totals == ["items": 8, "created": 3, "skipped": 0, "failed": 5])
            // As in any other answer, who has the name is told.
            let details = try #require((answer.lines[2]["error"] as? [String: Any])?["details"] as? [[String: Any]])
            #expect(details.count == 1 && details[0]["field"] as? String == "name" && details[0]["id"] as? String == taken)
            #expect(try await service.send(.get, "/v2/personas/\(taken)").string("status") == "processing")
            _ = try await service.collect()
            #expect(try await service.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings.isEmpty)
        }
    }

    @Test("end at the quota, item by item")
    func quota() async throws {
        try await TestService.run { service in
            _ = try await service.administration.perform(ChangeQuota(QuotaChange(items: .max(3)), accountName: "studio"))
            let answer = try await service.takeIn(try TarFile.made(items: 5).bytes)
            #expect(answer.fates == ["created", "created", "created", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"], "\(answer.text)")
        }
    }

    @Test("keep the time of creation, and take none from the future")
    func times() async throws {
        let now = Timestamp(milliseconds: 1_800_000_000_000)
        try await TestService.run(clock: WallClock { now }) { service in
            let archive = try TarFile.made(items: 2) { number, item in
                if number == 1 { item["created_at"] = "2999-01-01T00:00:00.000Z" }
            }
            #expect(try await service.takeIn(archive.bytes).totals?["created"] == 2)
            let items = try await service.send(.get, "/v2/personas?sort=created_at").items
            #expect(items.compactMap { $0["created_at"] as? String } == ["2026-01-02T03:04:05.006Z", now.text])
            #expect(items.allSatisfy { $0["updated_at"] as? String == now.text })
        }
    }

    @Test("each have one event, named by the request")
    func events() async throws {
        try await TestService.run { service in
            let answer = try await service.takeIn(try TarFile.made(items: 3).bytes)
            let account = try await service.storage.accounts.account(named: "studio").id
            let events = try await service.storage.events.events(EventFilter(), after: 0, limit: 10, accountID: account).events
            #expect(events.map(\.type.text) == Array(repeating: "persona.created", count: 3))
            #expect(events.allSatisfy { $0.requestID == answer.requestID })
        }
    }

    @Test("take images in by the rules of every image")
    func metadata() async throws {
        try await TestService.run { service in
            let archive = try TarFile.made(images: (1...3).map { Picture.pngWithMetadata(seed: $0) })
            #expect(try await service.takeIn(archive.bytes).totals?["created"] == 1)
            let media = try await service.export().entries.filter { $0.path.hasPrefix("media/") }
            #expect(media.map(\.content) == (1...3).map { Picture.png(seed: $0) })
        }
    }

    @Test("go on under their key, and create nothing twice")
    func resumed() async throws {
        try await TestService.run { service in
            let archive = try TarFile.made(items: 30) { number, item in
                if number == 4 { item["name"] = "Item 3" }
            }
            let account = try await service.storage.accounts.account(named: "studio").id
            let key = try IdempotencyKey(quotable: "move")
            // As a call that was cut off between two steps.
            struct CutOff: Error {}
            let spool = try service.archives.makeSpool()
            try await spool.append(archive.bytes)
            let run = try await service.archives.verify(spool, for: account, key: key)
            await #expect(throws: CutOff.self) { try await run.run { _ in throw CutOff() } }
            let made = try await service.send(.get, "/v2/personas?limit=100").items.count
            #expect((1..<29).contains(made))

            let answer = try await service.takeIn(archive.bytes, under: "move")
            #expect(answer.totals == ["items": 30, "created": 29 - made, "skipped": made, "failed": 1], "\(answer.text)")
            let last = try await service.takeIn(archive.bytes, under: "\"move\"")
            #expect(last.totals == ["items": 30, "created": 0, "skipped": 29, "failed": 1])
            #expect(last.fates[4] == "NAME_ALREADY_EXISTS")
            func ids(_ answer: Answer) -> [String?] { answer.lines.dropLast().map { $0["id"] as? String } }
            #expect(ids(last) == ids(answer))
            #expect(try await service.send(.get, "/v2/personas?limit=100").items.count == 29)

            // Another archive is another import, and without a key nothing is known of the first.
            try await service.takeIn(try TarFile.made(items: 31).bytes, under: "move").expect(
                422, .idempotencyKeyReused, ErrorCode.idempotencyKeyReused.defaultMessage)
            #expect(try await service.takeIn(archive.bytes).totals?["failed"] == 30)
            let other = try await service.newKey(account: "other")
            #expect(try await service.takeIn(archive.bytes, other, under: "move").totals?["created"] == 29)
        }
    }

    @Test("try anew under their key what stood against a line, and tell of it as it is then")
    func triedAnew() async throws {
        try await TestService.run { service in
            let archive = try TarFile.made(items: 25).bytes
            let taken = try await service.createCompleted(.persona, "Item 2")
            _ = try await service.administration.perform(ChangeQuota(QuotaChange(items: .max(21)), accountName: "studio"))
            let first = try await service.takeIn(archive, under: "move")
            #expect(first.totals == ["items": 25, "created": 20, "skipped": 0, "failed": 5], "\(first.text)")
            #expect(first.fates[2] == "NAME_ALREADY_EXISTS")
            _ = try await service.administration.perform(ChangeQuota(QuotaChange(items: .max(100)), accountName: "studio"))
            let second = try await service.takeIn(archive, under: "move")
            #expect(second.totals == ["items": 25, "created": 4, "skipped": 20, "failed": 1], "\(second.text)")
            #expect(second.lines.dropLast().compactMap { $0["line"] as? Int } == Array(1...25))
            #expect(try await service.send(.delete, "/v2/personas/\(taken)").status == 200)
            #expect(try await service.takeIn(archive, under: "move").totals == ["items": 25, "created": 1, "skipped": 24, "failed": 0])
            #expect(try await service.takeIn(archive, under: "move").totals == ["items": 25, "created": 0, "skipped": 25, "failed": 0])
            #expect(try await service.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings.isEmpty)
        }
    }

    @Test("end with an error behind the step in hand once their key is worthless or maintenance is on", arguments: [true, false])
    func ended(byMaintenance: Bool) async throws {
        try await TestService.run { service in
            let key = try await service.key(scopes: [.write])
            let account = try await service.storage.accounts.account(named: "studio").id
            let archive = try TarFile.made(items: 1_000).bytes
            let call = Task { try await service.takeIn(archive, .text(key.key)) }
            try await eventually("the first items") { try await service.storage.pikzonalities.usage(accountID: account).items > 0 }
            if byMaintenance {
                _ = try await service.administration.perform(SetMaintenance(isOn: true, retryAfterSeconds: 9))
            } else {
                _ = try await service.administration.perform(SetKeyState(.disabled, id: key.id.text))
            }
            let answer = try await call.value
            #expect(answer.status == 200 && answer.totals == nil)
            let error = try #require(answer.lines.last?["error"] as? [String: Any], "\(answer.text.suffix(300))")
            #expect(error["code"] as? String == (byMaintenance ? "SERVICE_UNDER_MAINTENANCE" : "API_KEY_INACTIVE"))
            let items = try await service.storage.pikzonalities.usage(accountID: account).items
            #expect(items < 1_000 && items == answer.lines.count - 1)
        }
    }

    @Test("take in that an item is to go when its training ends")
    func settlement() async throws {
        try await TestService.run { service in
            let ids = [try await service.create(.persona, "Gone"), try await service.create(.style, "Binned")]
            _ = try await service.create(.persona, "Kept")
            #expect(try await service.send(.delete, "/v2/personas/\(ids[0])?when=settled").status == 202)
            #expect(try await service.send(.delete, "/v2/styles/\(ids[1])?when=settled&to=trash").status == 202)
            let archive = try await service.export()
            let other = try await service.newKey(account: "other")
            #expect(try await service.takeIn(archive.bytes, other).totals?["created"] == 3)
            #expect(try await service.export(other).shape == archive.shape)
            try await service.train()
            func names(_ path: String) async throws -> [String] {
                try await service.send(.get, path, key: other).items.compactMap { $0["name"] as? String }
            }
            #expect(try await names("/v2/pikzonality") == ["Kept"])
            #expect(try await names("/v2/trash") == ["Binned"])
            #expect(try await service.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings.isEmpty)
            let settled = try TarFile.made { _, item in item["settles_to"] = "deleted" }
            #expect(try await service.takeIn(settled.bytes).status == 400)
        }
    }

    @Test("are forgotten after a day, when the key may stand for another archive")
    func forgotten() async throws {
        let now = MovingClock()
        try await TestService.run(clock: now.clock) { service in
            #expect(try await service.takeIn(try TarFile.made(items: 30).bytes, under: "move").totals?["created"] == 30)
            #expect(try await service.archives.forgetExpired() == 0)
            now.advance(seconds: Limits.idempotencySecondsKept + 1)
            let other = try TarFile.made(items: 31)
            #expect(try await service.takeIn(other.bytes, under: "move").totals == ["items": 31, "created": 1, "skipped": 0, "failed": 30])
            #expect(try await service.archives.forgetExpired() > 0)
            #expect(try await service.archives.forgetExpired() == 0)
            #expect(try await service.takeIn(other.bytes, under: "move").totals?["skipped"] == 1)
        }
    }

    @Test("are refused before their archive is looked at")
    func refusedEarly() async throws {
        var configuration = HTTPConfiguration()
        configuration.importBytesMax = 20_000
        try await TestService.run(configuration: configuration) { service in
            let archive = try TarFile.made().bytes
            let reader = try await service.key(scopes: [.read])
            try await service.takeIn(archive, .text(reader.key)).expect(
                403, .apiAccessNotEnabled, "The API key does not have the scope write")
            for type in ["application/json", "application/x-tarball", "text/plain"] {
                try await service.takeIn(archive, type: type).expect(
                    415, .unsupportedMediaType, "The request body must be a tar archive, with Content-Type: application/x-tar")
            }
            #expect(try await service.takeIn(archive, type: "Application/X-Tar; a=b").status == 200)
            #expect(try await service.takeIn(archive, under: "not visible").status == 400)
            for query in ["validate_only=true", "validate_only=false", "validate_only"] {
                let answer = try await service.send(
                    .post, "\(TestService.importPath)?\(query)", TestBody(bytes: archive), headers: [.contentType: "application/x-tar"])
                #expect(answer.status == 400)
                #expect(answer.text.contains(#""details":[{"field":"validate_only","message":"#))
            }
            try await service.send(
                .post, TestService.importPath, TestBody(bytes: archive),
                headers: [.contentType: "application/x-tar", .contentEncoding: "gzip"]
            ).expect(415, .unsupportedMediaType, "The tar archive must be sent without a Content-Encoding")
            try await service.takeIn([UInt8](repeating: 0, count: 20_001)).expect(
                413, .payloadTooLarge, "The request body is too large: at most 20000 bytes are accepted")
        }
    }

    @Test("run one at a time for an account")
    func places() async throws {
        try await TestService.run { service in
            let account = try await service.storage.accounts.account(named: "studio").id
            let archive = try TarFile.made().bytes
            var place: AccountPlaces.Place? = try service.archives.importPlace(for: account, key: try IdempotencyKey(quotable: "a"))
            try await service.takeIn(archive).expect(
                429, .tooManyRequests, "An import into the account is under way already; try again when it has ended")
            #expect(try await service.takeIn(archive, under: "b").status == 429)
            #expect(try await service.takeIn(archive, under: "a").status == 409)
            withExtendedLifetime(place) {}
            place = nil
            #expect(try await service.takeIn(archive).totals?["created"] == 1)
            let others = try (0..<Archives.importsMax).map { _ in try service.archives.importPlace(for: .random(), key: nil) }
            #expect(try await service.takeIn(archive, isFailureExpected: true).status == 503)
            withExtendedLifetime(others) {}
        }
    }

    @Test("may be longer than any other body, to the bound of archives")
    func guarded() async throws {
        var configuration = HTTPConfiguration()
        configuration.limits.bodyBytesMax = 5_000
        configuration.importBytesMax = 500_000
        try await TestService.run(.live, configuration: configuration) { service in
            let archive = try TarFile.made(items: 20).bytes
            #expect(archive.count > 5_000)
            #expect(try await service.takeIn(archive).totals?["created"] == 20)
            let port = try #require(service.client.port)
            for (path, type, byteCount, bytesMax) in [
                ("/v2/personas", "application/json", archive.count, 5_000), (TestService.importPath, "application/x-tar", 500_001, 500_000),
            ] {
                let head =
                    "POST \(path) HTTP/1.1\r\nHost: a\r\nX-Api-Key: \(service.key)\r\nContent-Type: \(type)\r\nContent-Length: \(byteCount)\r\n\r\n"
                // Refused by what it announces, when nothing of it was sent.
                let exchange = try await rawExchange(.port(port), sending: head)
                try #require(exchange.answers.first).expect(
                    413, .payloadTooLarge, "The request body is too large: at most \(bytesMax) bytes are accepted")
                #expect(exchange.wasClosed)
            }
        }
    }
}

/// A clock that tests put forward.
private final class MovingClock: Sendable {
    private let offset = Mutex(0)

    var clock: WallClock { WallClock { Timestamp.now.adding(seconds: self.offset.withLock { $0 }) } }

    func advance(seconds: Int) { offset.withLock { $0 += seconds } }
}
