import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasDB
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// What trainings take from an account's credits, and what they give back.
@Suite("A training and the account's credits", .serialized)
struct CreditChargeTests {
    private static let failure = TrainingError(code: .failed, message: "It broke")
    private static let urls = (1...3).map { "https://a.test/\($0)" }

    @Test("is charged when it begins, and the answer says what is left", arguments: Mount.all)
    func charge(mount: Mount) async throws {
        try await TestService.runWithCredits(balance: 7) { service in
            let price = mount.mode == .persona ? 2 : 3
            let created = try await service.send(.post, mount.creation, .create("Nova"))
            #expect(created.status == (mount.isTyped ? 201 : 200) && created.creditsRemaining == 7 - price)
            try await service.train()
            #expect(try await service.balance() == 7 - price)
            #expect(try await service.ledger() == ["charge -\(price) \(7 - price)", "grant 7 7"])
            // Nothing else costs anything, or says so.
            let id = try #require(try await service.send(.get, mount.items).items.first?["id"] as? String)
            for answer in [
                try await service.send(.get, mount.item(id)),
                try await service.send(.patch, mount.item(id), #"{"special_instructions":"Bold"}"#),
                try await service.send(.post, "\(mount.creation)?validate_only=true", .create("Iris")),
            ] {
                #expect(answer.status == 200 && answer.creditsRemaining == nil, "\(answer.text)")
            }
            #expect(try await service.balance() == 7 - price)
        }
    }

    @Test("gives back what it cost when it fails or is cancelled, once; a retry is charged like a create", arguments: Mount.all)
    func refund(mount: Mount) async throws {
        try await TestService.runWithCredits(persona: 2, style: 2, balance: 3) { service in
            let id = try await service.create(mount.mode, "Nova")
            try await service.failTraining(Self.failure)
            #expect(try await service.balance() == 3)
            let retried = try await service.send(.post, "\(mount.item(id))/retry")
            #expect(retried.status == 200 && retried.creditsRemaining == 1)
            let cancelled = try await service.send(.post, "\(mount.item(id))/cancel")
            #expect(cancelled.status == 200 && cancelled.creditsRemaining == nil)
            #expect(try await service.send(.post, "\(mount.item(id))/cancel").status == 409)
            #expect(try await service.balance() == 3)
            let again = try await service.send(.post, "\(mount.item(id))/retry", TestBody(#"{"image_base64s":\#(Picture.base64List)}"#))
            #expect(again.status == 200 && again.creditsRemaining == 1)
            try await service.train()
            #expect(
                try await service.ledger() == [
                    "charge -2 1", "refund 2 3", "charge -2 1", "refund 2 3", "charge -2 1", "grant 3 3",
                ])
            let ids = Set(try await service.send(.get, "/v2/credits/entries").items.compactMap { $0["item_id"] as? String })
            #expect(ids == [id])
        }
    }

    @Test("that the balance does not cover is refused after the images and before anything is stored", arguments: Mount.all)
    func insufficient(mount: Mount) async throws {
        try await TestService.runWithCredits(persona: 5, style: 5, balance: 4) { service in
            for index in 1...3 { service.fetcher.serve(Self.urls[index - 1], Picture.png(seed: index)) }
            let byURL = TestBody(#"{"name":"Nova","image_urls":\#(Picture.list(Self.urls))}"#)
            for query in ["", "?validate_only=true"] {
                let before = try await service.footprint()
                for body in [TestBody.create("Nova"), byURL] {
                    try await service.send(.post, mount.creation + query, body).expectInsufficient(price: 5, balance: 4)
                }
                let after = try await service.footprint()
                #expect(after.items == before.items && after.files == before.files && after.fetched.count == before.fetched.count + 3)
                let bad = try await service.send(.post, mount.creation + query, #"{"name":"Nova","image_base64s":["A","B","C"]}"#)
                #expect(try bad.envelope.error.code == .invalidImage)
                #expect(try await service.send(.post, mount.creation + query, #"{"name":7}"#).status == 400)
            }
            #expect(try await service.ledger() == ["grant 4 4"])
            try await service.grant(1)
            #expect(try await service.send(.post, mount.creation, byURL).creditsRemaining == 0)
        }
    }

    @Test("anew that the balance does not cover is refused, with and without other images, and leaves the item as it was")
    func insufficientRetry() async throws {
        try await TestService.runWithCredits(balance: 2) { service in
            let id = try await service.create(.persona, "Nova")
            try await service.failTraining(Self.failure)
            _ = try await service.administration.perform(AdjustCredits(.revoke, accountName: "studio", amount: "1", note: nil))
            let item = try await service.send(.get, "/v2/personas/\(id)")
            try await service.withoutTrace {
                for body in [nil, TestBody(#"{"image_base64s":\#(Picture.base64List)}"#)] {
                    try await service.send(.post, "/v2/personas/\(id)/retry", body).expectInsufficient(price: 2, balance: 1)
                }
            }
            let after = try await service.send(.get, "/v2/personas/\(id)")
            #expect(after.bytes == item.bytes && after.headers[.eTag] == item.headers[.eTag])
            // What cannot be retried is told first.
            try await service.grant(1)
            _ = try await service.send(.post, "/v2/personas/\(id)/retry")
            #expect(try await service.send(.post, "/v2/personas/\(id)/retry").status == 409)
        }
    }

    @Test("that costs nothing is in no ledger, and its answer says what there is")
    func free() async throws {
        try await TestService.runWithCredits(persona: 0, balance: 3) { service in
            #expect(try await service.send(.post, "/v2/personas", .create("Nova")).creditsRemaining == 3)
            try await service.failTraining(Self.failure)
            let other = try await service.newKey(account: "other")
            #expect(try await service.send(.post, "/v2/personas", .create("Nova"), key: other).creditsRemaining == 0)
            try await service.send(.post, "/v2/styles", .create("Nova"), key: other).expectInsufficient(price: 3, balance: 0)
            #expect(try await service.ledger() == ["grant 3 3"])
            #expect(try await service.ledger(key: other) == [])
        }
    }

    @Test("of an item that goes in its midst gives back what it cost; of one that goes afterwards nothing")
    func removal() async throws {
        try await TestService.runWithCredits(balance: 6) { service in
            let kept = try await service.createCompleted(.persona, "Nova")
            try await service.send(.delete, "/v2/personas/\(kept)")
            let settled = try await service.create(.persona, "Iris")
            #expect(try await service.send(.delete, "/v2/personas/\(settled)?when=settled").status == 202)
            try await service.failTraining(Self.failure)
            let forced = try await service.create(.persona, "Lux")
            _ = try await service.administration.perform(DeleteItem(id: forced, isForced: true))
            #expect(
                try await service.ledger() == [
                    "refund 2 4", "charge -2 2", "refund 2 4", "charge -2 2", "charge -2 4", "grant 6 6",
                ])
        }
    }

    @Test("is charged once however often its create is sent under one key, and a refused one may be sent again")
    func idempotency() async throws {
        try await TestService.runWithCredits(balance: 3) { service in
            func send(_ name: String, _ key: String) async throws -> Answer {
                try await service.send(.post, "/v2/personas", .create(name), headers: [HTTPField.Name("Idempotency-Key")!: key])
            }
            let first = try await send("Nova", "a")
            let again = try await send("Nova", "a")
            #expect(again.bytes == first.bytes && again.creditsRemaining == 1 && first.creditsRemaining == 1)
            #expect(again.header("Idempotent-Replayed") == "true")
            try await send("Iris", "b").expectInsufficient(price: 2, balance: 1)
            try await service.grant(1)
            let paid = try await send("Iris", "b")
            #expect(paid.status == 201 && paid.creditsRemaining == 0 && paid.header("Idempotent-Replayed") == nil)
            #expect(try await service.ledger() == ["charge -2 0", "grant 1 2", "charge -2 1", "grant 3 3"])
        }
    }

    @Test("among many at once is begun only as long as the balance covers it")
    func race() async throws {
        try await TestService.runWithCredits(balance: 11, configuration: .crowd(100)) { service in
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for index in 0..<40 { group.addTask { try await service.send(.post, "/v2/personas", .create("Nova \(index)")) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.count { $0.status == 201 } == 5 && answers.count { $0.status == 402 } == 35)
            #expect(answers.compactMap(\.creditsRemaining).sorted() == [1, 3, 5, 7, 9])
            #expect(try await service.balance() == 1)
            #expect(try await service.footprint().items.count == 5)
        }
    }

    @Test("is charged like any other where an operator begins it, and refused like any other")
    func operators() async throws {
        try await TestService.runWithCredits(balance: 3) { service in
            let images = Picture.three().map(Picture.base64)
            func create(_ name: String) async throws -> ItemReport {
                try await service.administration.perform(
                    CreateItem(accountName: "studio", mode: .persona, name: name, specialInstructions: nil, imageBase64s: images))
            }
            let id = try await create("Nova").id.text
            await #expect(throws: Failure.insufficientCredits(CreditShortage(price: 2, balance: 1))) { try await create("Iris") }
            _ = try await service.administration.perform(CancelItem(id: id))
            _ = try await service.administration.perform(RetryItem(id: id))
            #expect(try await service.ledger() == ["charge -2 1", "refund 2 3", "charge -2 1", "grant 3 3"])
        }
    }

    @Test("that an import begins is charged line by line, and what comes trained costs nothing")
    func imports() async throws {
        try await TestService.runWithCredits(balance: 5) { service in
            let archive = try TarFile.made(items: 6) { number, item in
                if number != 1 { item["status"] = "processing" }
                if number == 2 { item["mode"] = "style" }
            }
            let answer = try await service.takeIn(archive.bytes)
            let short = "INSUFFICIENT_CREDITS"
            #expect(answer.fates == ["created", "created", "created", short, short, short], "\(answer.text)")
            let error = try #require(answer.lines[3]["error"] as? [String: Any])
            let message = "\(ErrorCode.insufficientCredits.defaultMessage): it costs 2, and the balance is 0"
            #expect(error["message"] as? String == message, "\(error)")
            #expect(try await service.ledger() == ["charge -3 0", "charge -2 3", "grant 5 5"])
            #expect(try await service.send(.get, "/v2/pikzonality").items.count == 3)
            // What is missing is made once there is something to pay with.
            try await service.grant(100)
            #expect(try await service.takeIn(archive.bytes).fates.count { $0 == "created" } == 3)
            #expect(try await service.balance() == 94)
            #expect(try await service.storage.integrity.check(repairingWith: nil, at: .now) { _ in }.findings.isEmpty)
        }
    }

    @Test("that an import would begin is refused before its images are written")
    func importsWithoutCredits() async throws {
        try await TestService.runWithCredits(balance: 1) { service in
            let archive = try TarFile.made(items: 2) { _, item in item["status"] = "processing" }
            #expect(try await service.takeIn(archive.bytes).fates == ["INSUFFICIENT_CREDITS", "INSUFFICIENT_CREDITS"])
            #expect(try await service.mediaFiles().isEmpty)
        }
    }

    @Test("tells of every entry of the ledger by an event with it")
    func events() async throws {
        try await TestService.runWithCredits { service in
            try await service.grant(2, note: "Welcome")
            let id = try await service.create(.persona, "Nova")
            try await service.failTraining(Self.failure)
            let types = "credits.granted,credits.charged,credits.refunded"
            let events = try await service.send(.get, "/v2/events?type=\(types)").items
            #expect(events.map { $0["type"] as? String } == ["credits.granted", "credits.charged", "credits.refunded"])
            let entries = try await service.send(.get, "/v2/credits/entries").items.reversed()
            for (event, entry) in zip(events, entries) {
                let data = try #require(event["data"] as? [String: Any])
                #expect(data["id"] as? String == entry["id"] as? String && data["amount"] as? Int == entry["amount"] as? Int)
            }
            #expect((events[1]["data"] as? [String: Any])?["item_id"] as? String == id)
            #expect(events[1]["request_id"] is String && events[0]["request_id"] is String == false)
        }
    }
}
