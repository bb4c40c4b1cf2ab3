import ErrorEnvelope
import HTTPTypes
import Personas
import PersonasHTTP
import TestImages
import TestSupport
import Testing

/// Creates of an account that may have so much and no more.
@Suite("A create and the account's quota", .serialized)
struct QuotaTests {
    /// Bytes of the images of `TestBody.create`.
    private static let bytes = (1...3).reduce(0) { $0 + Picture.png(seed: $1).count }
    private static let urls = (1...3).map { "https://a.test/\($0)" }

    private static func byURL(_ name: String) -> TestBody { TestBody(#"{"name":"\#(name)","image_urls":\#(Picture.list(urls))}"#) }

    private static func expectExceeded(
        _ answer: Answer, _ excesses: [(field: String, message: String, limit: Int, used: Int)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        answer.expect(
            403, .quotaExceeded, "The quota of the account is used up: " + excesses.map(\.message).joined(separator: "; "),
            details: excesses.map { #"{"field":"\#($0.field)","message":"\#($0.message)","limit":\#($0.limit),"used":\#($0.used)}"# }
                .joined(separator: ","), sourceLocation: sourceLocation)
    }

    private static func setQuota(_ service: TestService, items: QuotaChange.Bound? = nil, bytes: QuotaChange.Bound? = nil) async throws {
        _ = try await service.administration.perform(
            ChangeQuota(QuotaChange(items: items, storedBytes: bytes), accountName: "studio"))
    }

    @Test("without room for an item it is refused after the name and before any image is looked at", arguments: Mount.all)
    func items(mount: Mount) async throws {
        try await TestService.run { service in
            let id = try await service.createCompleted(mount.mode, "Nova")
            try await Self.setQuota(service, items: .max(1))
            try await service.withoutTrace {
                for query in ["", "?validate_only=true"] {
                    for body in [TestBody.create("Iris"), Self.byURL("Iris"), #"{"name":"Iris","image_base64s":["A","B","C"]}"#] {
                        Self.expectExceeded(
                            try await service.send(.post, mount.creation + query, body), [("items", "1 of 1 items are used", 1, 1)])
                    }
                    try await service.send(MultipartForm([("name", "Iris")], images: Picture.three()), to: mount.creation + query)
                        .expect(
                            403, .quotaExceeded, "The quota of the account is used up: 1 of 1 items are used",
                            details: #"{"field":"items","message":"1 of 1 items are used","limit":1,"used":1}"#)
                    #expect(try await service.send(.post, mount.creation + query, #"{"name":7}"#).status == 400)
                    #expect(try await service.send(.post, mount.creation + query, .create("NOVA")).status == 409)
                }
                Self.expectExceeded(
                    try await service.send(.post, "\(mount.creation)?validate_only=true", "{}"), [("items", "1 of 1 items are used", 1, 1)])
            }
            // Another account's is its own; what is there can be changed; and what goes gives room at once.
            let other = try await service.newKey(account: "other")
            try await service.create(mount.mode, "Nova", key: other)
            #expect(try await service.send(.patch, mount.item(id), #"{"special_instructions":"Bold"}"#).status == 200)
            #expect(try await service.send(.delete, mount.item(id)).status == 200)
            try await service.create(mount.mode, "Iris")
            try await Self.setQuota(service, items: QuotaChange.Bound.none)
            try await service.create(mount.mode, "Lux")
        }
    }

    @Test("without room for its images it is refused before they are stored; without any, before they are fetched", arguments: Mount.all)
    func bytes(mount: Mount) async throws {
        try await TestService.run { service in
            for index in 1...3 { service.fetcher.serve(Self.urls[index - 1], Picture.png(seed: index)) }
            let bytes = Self.bytes
            try await Self.setQuota(service, bytes: .max(bytes + 1))
            let id = try await service.createCompleted(mount.mode, "Nova")
            for query in ["", "?validate_only=true"] {
                let before = try await service.footprint()
                let answer = try await service.send(.post, mount.creation + query, Self.byURL("Iris"))
                let message = "\(bytes) of \(bytes + 1) bytes are used, and these images have \(bytes)"
                Self.expectExceeded(answer, [("stored_bytes", message, bytes + 1, bytes)])
                let after = try await service.footprint()
                #expect(after.files == before.files && after.items == before.items && after.fetched.count == before.fetched.count + 3)
                // An image that is none is told as such.
                let bad = try await service.send(.post, mount.creation + query, #"{"name":"Iris","image_base64s":["A","B","C"]}"#)
                #expect(try bad.envelope.error.code == .invalidImage)
            }
            try await Self.setQuota(service, bytes: .max(bytes))
            try await service.withoutTrace {
                for query in ["", "?validate_only=true"] {
                    Self.expectExceeded(
                        try await service.send(.post, mount.creation + query, Self.byURL("Iris")),
                        [("stored_bytes", "\(bytes) of \(bytes) bytes are used", bytes, bytes)])
                }
            }
            #expect(try await service.send(.delete, mount.item(id)).status == 200)
            #expect(try await service.send(.post, mount.creation, Self.byURL("Iris")).status < 300)
        }
    }

    @Test("both bounds are told at once")
    func both() async throws {
        try await TestService.run { service in
            try await service.create(.persona, "Nova")
            try await Self.setQuota(service, items: .max(0), bytes: .max(5))
            Self.expectExceeded(
                try await service.send(.post, "/v2/personas", .create("Iris")),
                [("items", "1 of 0 items are used", 0, 1), ("stored_bytes", "\(Self.bytes) of 5 bytes are used", 5, Self.bytes)])
            #expect(try await service.send(.get, "/v2/personas").items.count == 1)
        }
    }

    @Test("a hundred at once against a quota of ten make ten, whatever each saw before")
    func race() async throws {
        try await TestService.run(configuration: .crowd(200)) { service in
            try await Self.setQuota(service, items: .max(10))
            let statuses = try await withThrowingTaskGroup(of: UInt.self) { group in
                for index in 0..<100 {
                    group.addTask { UInt(try await service.send(.post, "/v2/personas", .create("Nova \(index)")).status) }
                }
                return try await group.reduce(into: [UInt: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(statuses == [201: 10, 403: 90])
            #expect(try await service.footprint().items.count == 10)
        }
    }

    @Test("those that all looked while there was room are decided where the item is stored, and the images of the others go")
    func decidedAtTheEnd() async throws {
        try await TestService.run { service in
            for index in 1...6 { service.fetcher.serve("https://a.test/\(index)", Picture.png(seed: index)) }
            try await Self.setQuota(service, items: .max(1))
            // Both have passed the look at the quota before either gets an image.
            service.fetcher.answerOnlyCrowd(of: 6)
            @Sendable func create(_ name: String, _ images: ClosedRange<Int>) async throws -> Answer {
                let urls = Picture.list(images.map { "https://a.test/\($0)" })
                return try await service.send(.post, "/v2/personas", TestBody(#"{"name":"\#(name)","image_urls":\#(urls)}"#))
            }
            async let first = create("Nova", 1...3)
            async let second = create("Iris", 4...6)
            let answers = try await [first, second]
            #expect(answers.map(\.status).sorted() == [201, 403])
            let refused = try #require(answers.first { $0.status == 403 })
            Self.expectExceeded(refused, [("items", "1 of 1 items are used", 1, 1)])
            #expect(try await service.footprint().items.count == 1)
        }
    }

    @Test("a create that was done before is answered again under its key, and one that was refused may be sent again")
    func idempotency() async throws {
        try await TestService.run { service in
            func send(_ name: String, _ key: String) async throws -> Answer {
                try await service.send(
                    .post, "/v2/personas", .create(name), headers: [HTTPField.Name("Idempotency-Key")!: key])
            }
            let first = try await send("Nova", "a")
            try await Self.setQuota(service, items: .max(1))
            let again = try await send("Nova", "a")
            #expect(again.status == 201 && again.bytes == first.bytes)
            #expect(try await send("Iris", "b").status == 403)
            try await Self.setQuota(service, items: .max(2))
            #expect(try await send("Iris", "b").status == 201)
        }
    }

    @Test("is the same for an operator's create ")
    func operators() async throws {
        try await TestService.run { service in
            try await Self.setQuota(service, items: .max(1))
            let images = Picture.three().map(Picture.base64)
            func create(_ name: String) async throws -> ItemReport {
                try await service.administration.perform(
                    CreateItem(accountName: "studio", mode: .style, name: name, specialInstructions: nil, imageBase64s: images))
            }
            _ = try await create("Ink")
            let excess = QuotaExcess(.items, limit: 1, used: 1)
            await #expect(throws: Failure.quotaExceeded([excess])) { try await create("Oil") }
            var report = try await service.administration.perform(ShowAccount(name: "studio"))
            #expect((report.items.used, report.items.limit, report.items.isExceeded) == (1, 1, false))
            #expect(report.storedBytes.used == Picture.three().reduce(0) { $0 + $1.count } && report.storedBytes.limit == nil)
            try await Self.setQuota(service, items: .max(0))
            report = try #require(try await service.administration.perform(ListAccounts()).first)
            #expect((report.items.used, report.items.limit, report.items.isExceeded) == (1, 0, true))
            // Without a change it tells how things stand.
            let quota = try await service.administration.perform(ChangeQuota(QuotaChange(), accountName: " studio "))
            #expect(quota.account == "studio" && quota.items == report.items && quota.storedBytes == report.storedBytes)
            await #expect(throws: Failure.notFound) {
                try await service.administration.perform(ChangeQuota(QuotaChange(), accountName: "nobody"))
            }
        }
    }
}
